"""Rows of plain tables and static facts of ICU stays, without the people in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from medfm_cli.samples.content import Row, Series

_AGE = re.compile(r"(?:^|_)(?:age|age_?(?:in_?)?years?|patient_?age)(?:_|$)", re.IGNORECASE)


@cache
def _person() -> re.Pattern[str]:
    """What the names of columns with people look like (person_columns.txt)."""
    lines = Path(__file__).with_name("person_columns.txt").read_text("utf-8").splitlines()
    whole: list[str] = []
    inside: list[str] = []
    for line in lines:
        if not line.startswith("#"):
            for word in re.split(r"\|(?![^(]*\))", line):
                (whole if word.startswith("= ") else inside).append(word.removeprefix("= "))
    return re.compile(rf"^(?:{'|'.join(whole)})$|(?:^|_)(?:{'|'.join(inside)})(?:_|$)")


def names_person(column: str) -> bool:
    """Whether cells of a column of this name identify a person."""
    return _person().search(_key(column)) is not None


def _key(name: str) -> str:
    """The words of a column's name in small letters, joined by `_`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()
    return re.sub(r"[\W_]+", "_", words).strip("_")


def clean_row(row: Row, clean_text: Callable[[str], str], oldest: int = 90) -> Row:
    """A row whose identifying cells are empty, whose texts are cleaned and whose age is capped."""
    cells: dict[str, float | str | None] = {}
    for name, value in row.cells.items():
        if names_person(name):
            value = None
        elif isinstance(value, str):
            value = clean_text(value)
        elif isinstance(value, float) and _AGE.search(_key(name)):
            value = min(value, float(oldest))
        cells[name] = value
    return Row(cells)


def clean_static(series: Series, oldest: int) -> Series:
    """An ICU stay whose age is capped and whose identifiers are gone."""
    static: dict[str, float | str] = {}
    for name, value in series.static.items():
        if names_person(name) or name.lower() in ("recordid", "patientid"):
            continue
        if not isinstance(value, str) and _AGE.search(name):
            value = min(value, float(oldest))
        static[name] = value
    return series if static == series.static else replace(series, static=static)
