"""Rows of plain tables and static facts of ICU stays, without the people in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from medfm_cli.samples.content import Row, Series

_PERSON = re.compile(
    r"(?:^|_)(?:(?:first|last|middle|full|sur|family|given|maiden|patient|mother|father|doctor"
    r"|physician|nurse)_?names?|name|surname|mrn|ssn|social_security\w*|phone\w*|telephone|mobile"
    r"|fax|e?_?mail|address|street|zip\w*|postal_?code|city|town|county|dob|birth_?(?:date|day)"
    r"|date_of_birth|accession\w*|medical_record\w*|insurance\w*|policy\w*|passport|licen[cs]e_?(?:no"
    r"|number|plate)|ip_?address|url|patient_?id|subject_?id|person_?id|hadm_?id|stay_?id|visit_?id"
    r"|encounter_?id|record_?id|account\w*)(?:_|$)",
    re.IGNORECASE,
)
"""Names of columns whose cells name a person; their cells are emptied."""
_AGE = re.compile(r"(?:^|_)(?:age|age_?(?:in_?)?years?|patient_?age)(?:_|$)", re.IGNORECASE)


def clean_row(row: Row, clean_text: Callable[[str], str], oldest: int = 90) -> Row:
    """A row whose identifying cells are empty, whose texts are cleaned and whose age is capped."""
    cells: dict[str, float | str | None] = {}
    for name, value in row.cells.items():
        key = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
        if _PERSON.search(key):
            value = None
        elif isinstance(value, str):
            value = clean_text(value)
        elif isinstance(value, float) and _AGE.search(key):
            value = min(value, float(oldest))
        cells[name] = value
    return Row(cells)


def clean_static(series: Series, oldest: int) -> Series:
    """An ICU stay whose age is capped and whose identifiers are gone."""
    static: dict[str, float | str] = {}
    for name, value in series.static.items():
        if _PERSON.search(name) or name.lower() in ("recordid", "patientid"):
            continue
        if not isinstance(value, str) and _AGE.search(name):
            value = min(value, float(oldest))
        static[name] = value
    return series if static == series.static else replace(series, static=static)
