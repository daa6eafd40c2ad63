"""Attributes: what their values are made from, and what the fields of a record are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.samples.attributes import (
    Attributes,
    language_of,
    laterality_of,
    number_of,
    parsed_attributes,
    scanner_of,
    table_attributes,
    truth_of,
)
from medfm_cli.samples.fields import REQUIRED, Column, record_fields


@pytest.mark.parametrize(
    ("parts", "scanner"),
    [
        (("GE MEDICAL SYSTEMS", "Discovery MR750"), "GE MEDICAL SYSTEMS Discovery MR750"),
        (("Philips", "Philips Ingenia"), "Philips Ingenia"),
        (("SIEMENS", ""), "SIEMENS"),
        (("", "Nihon_Kohden_EEG-1100C"), "Nihon Kohden EEG-1100C"),
        (("  FUJI  ", " FCR   5501 "), "FUJI FCR 5501"),
        (("Siemens", "serial 417"), "Siemens"),
        (("Siemens", "S/N 12"), "Siemens"),
        (("Siemens", "SC0912345"), "Siemens"),
        (("Siemens", "STATION 3 WEST"), "Siemens"),
        (("Siemens", "Prof. Müller’s machine"), "Siemens"),
        (("unknown", "X"), ""),
    ],
)
def test_a_scanner_is_its_maker_and_model_and_no_number_of_it(
    parts: tuple[str, ...], scanner: str
) -> None:
    assert scanner_of(*parts) == scanner


@pytest.mark.parametrize(
    ("parse", "known", "nothing"),
    [
        (laterality_of, {"R": "right", " left ": "left", "OU": "both", "U": "unpaired"}, ("1", "")),
        (language_of, {"EN": "en", "German": "de", "pt_BR": "pt-br"}, ("", "NA", "7")),
        (number_of, {"1.5": 1.5, "-3": -3.0, "1e3": 1000.0}, ("", "nan", "inf", "twelve")),
        (truth_of, {"1": True, "no": False, "0.0": False, "TRUE": True}, ("", "2", "dead?")),
    ],
)
def test_cells_are_parsed(parse: Any, known: dict[str, Any], nothing: tuple[str, ...]) -> None:
    for text, value in known.items():
        assert parse(text) == value
        assert type(parse(text)) is type(value)
    assert {parse(text) for text in nothing} <= {"", None}


def test_only_what_a_row_says_is_an_attribute() -> None:
    row = {"target": "0", "target_event": "0", "laterality": "", "scanner": "?"}
    assert parsed_attributes(lambda name: row.get(name, "")) == {
        "target": 0.0,
        "target_event": False,
    }


def test_a_recipe_can_name_the_column_of_every_attribute() -> None:
    assert {item.name for item in table_attributes()} <= set(SourceKeys.model_fields)


def test_every_attribute_is_documented_and_may_be_absent() -> None:
    for item in record_fields(Attributes):
        assert item.column.doc.endswith("."), item.name
        assert item.default is not REQUIRED, item.name
        assert item.column.source == "item", item.name


def test_fields_are_as_their_class_defines_them() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Toy(Attributes):
        name: Annotated[str, Column(doc="A name.")]
        sizes: list[int] | None = None

    name, sizes = record_fields(Toy)[-2:]
    assert (name.kind, name.nullable, name.default) == (str, False, REQUIRED)
    assert name.column.doc == "A name."
    assert (sizes.kind, sizes.item_kind, sizes.nullable, sizes.default) == (list, int, True, None)


def test_a_field_that_no_table_can_hold_is_a_bug() -> None:
    @dataclass
    class Toy:
        odd: complex

    with pytest.raises(TypeError, match="odd"):
        record_fields(Toy)
