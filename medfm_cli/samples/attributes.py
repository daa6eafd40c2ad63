"""What is known of a sample beside its content: one definition, from the reader to the manifest.

A reader's `Item`, the record that a worker stages, the catalog's row and the manifest's row inherit
`Attributes`; SQLite tables, Parquet columns, Croissant texts and the columns that are looked for in
tables follow from it. A new attribute is one line here, and whatever reads it out of a format. It
gets a recipe key of the same name where a recipe should be able to name its column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from medfm_cli.samples.fields import Column, RecordField, record_fields

_SIDES = {
    **dict.fromkeys(("l", "left", "lt", "os", "sinister", "links"), "left"),
    **dict.fromkeys(("r", "right", "rt", "od", "dexter", "rechts"), "right"),
    **dict.fromkeys(("b", "both", "bilateral", "ou"), "both"),
    **dict.fromkeys(("u", "unpaired"), "unpaired"),
}
_LANGUAGES = {
    **{"english": "en", "german": "de", "deutsch": "de", "french": "fr", "français": "fr"},
    **{"spanish": "es", "español": "es", "italian": "it", "portuguese": "pt", "dutch": "nl"},
    **{"swedish": "sv", "danish": "da", "norwegian": "no", "finnish": "fi", "polish": "pl"},
    **{"czech": "cs", "russian": "ru", "turkish": "tr", "greek": "el", "arabic": "ar"},
    **{"chinese": "zh", "japanese": "ja", "korean": "ko", "vietnamese": "vi", "hindi": "hi"},
}
_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_NO_SCANNER = frozenset(
    {"", "x", "na", "n/a", "none", "null", "nan", "unknown", "other", "anonymous", "anonymized"}
    | {"anonymised", "removed", "deidentified", "de-identified", "device", "scanner"}
)
_SERIAL = re.compile(r"\d{5,}|\bs/?n\b|serial|station", re.IGNORECASE)
"""What a serial number or the name of a station looks like; no model of a device is called so."""
_TERM = re.compile(r"[\w .,&()/+-]{1,48}")
_TRUE = frozenset({"1", "1.0", "true", "yes", "y", "t"})
_FALSE = frozenset({"0", "0.0", "false", "no", "n", "f"})


def laterality_of(text: str) -> str:
    """`left`, `right`, `both` or `unpaired` for one of their names, else empty."""
    return _SIDES.get(text.strip().lower(), "")


def scanner_of(*parts: str) -> str:
    """A device in a few technical words: manufacturer and model; empty where nothing says it.

    Words that look like a serial number or a station's name are left out.
    """
    kept: list[str] = []
    for part in (" ".join(part.replace("_", " ").split()) for part in parts):
        if part.lower() in _NO_SCANNER or not _TERM.fullmatch(part) or _SERIAL.search(part):
            continue
        if kept and part.lower().startswith(kept[0].lower()):  # models may begin with their maker
            kept.clear()
        kept.append(part)
    return " ".join(kept)


def language_of(text: str) -> str:
    """A language as its code (`en`, `pt-br`), out of a code or an English name; else empty."""
    word = text.strip().lower().replace("_", "-")
    if word in _LANGUAGES:
        return _LANGUAGES[word]
    return word if _LANGUAGE_CODE.fullmatch(word) and word not in ("na", "nan", "nil") else ""


def number_of(text: str) -> float | None:
    """A finite number, None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def truth_of(text: str) -> bool | None:
    """True or False out of 1, 0, yes, no, …; None for anything else."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is known of a sample beside its content; the docs of the fields are in their columns."""

    modality: Annotated[str, Column(doc="What made it, such as CT, XR or ECG.")] = ""
    anatomy: Annotated[str, Column(doc="The body part, in lower case.")] = ""
    label: Annotated[str | None, Column(doc="The class, when there is one.")] = None
    labels: Annotated[list[str] | None, Column(doc="The classes, when there may be several.")] = (
        None
    )
    age: Annotated[float | None, Column(doc="In years; above 89 is 90.")] = None
    sex: Annotated[str, Column(doc="F, M, O or nothing.")] = ""
    laterality: Annotated[
        str,
        Column(
            doc="The side of the body: left, right, both or unpaired.",
            parse=laterality_of,
            headings=r"(image[ _-]?)?laterality|((body|breast|eye)[ _-]?)?side",
        ),
    ] = ""
    scanner: Annotated[
        str,
        Column(
            doc="Manufacturer and model of the device.",
            parse=scanner_of,
            headings=r"scanner([ _-]?(model|type|name))?|(manufacturer'?s?[ _-]?)model[ _-]?name"
            r"|device[ _-]?(model|type)",
        ),
    ] = ""
    report_language: Annotated[
        str,
        Column(
            doc="The language of the text, as an ISO 639 code.",
            parse=language_of,
            headings=r"((report|text|note)[ _-]?)?lang(uage)?([ _-]?code)?",
        ),
    ] = ""
    target: Annotated[
        float | None,
        Column(
            doc="A number to predict: of a regression, or the time of a survival analysis.",
            parse=number_of,
            predicted=True,
        ),
    ] = None
    target_event: Annotated[
        bool | None,
        Column(
            doc="Survival: whether the event was observed at the time; else it was censored.",
            parse=truth_of,
            predicted=True,
        ),
    ] = None


def attributes_of(record: Attributes) -> dict[str, Any]:
    """The attributes of a record by name."""
    return {item.name: getattr(record, item.name) for item in record_fields(Attributes)}


@cache
def table_attributes() -> tuple[RecordField, ...]:
    """The attributes that are read out of a table's cells by their `parse`."""
    return tuple(item for item in record_fields(Attributes) if item.column.parse is not None)


def parsed(name: str, text: str) -> Any:
    """The value of an attribute out of a table's cell; its default where the cell says nothing."""
    attribute = next(item for item in table_attributes() if item.name == name)
    if attribute.column.parse is None or not text:
        return attribute.default
    return attribute.column.parse(text)


def parsed_attributes(cell: Callable[[str], str]) -> dict[str, Any]:
    """The attributes of a table's row, given its cell by the attribute's name; known ones only."""
    values = {item: parsed(item.name, cell(item.name)) for item in table_attributes()}
    return {item.name: value for item, value in values.items() if value != item.default}


@cache
def predicted_attributes() -> tuple[str, ...]:
    """The attributes that models learn to predict, beside the label."""
    return tuple(item.name for item in record_fields(Attributes) if item.column.predicted)
