"""Cells of plain tables: numbers, words, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from medfm_cli.readers.records.column_roles import Meaning, plain
from medfm_cli.readers.records.delimited import EMPTY_CELLS

LARGEST = 1e300
"""Larger numbers are none."""
Cell = float | str | None
_KEPT_ELSEWHERE = ("subject", "study", "site", "time", "label", "split")
_NUMBER = re.compile(r"[-+]?(\d{1,15}(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
_CODE = re.compile(r"[-+]?0\d")


def private(meaning: Meaning) -> set[str]:
    """The columns that are fields of a sample, and no cells of it."""
    return {name for word in _KEPT_ELSEWHERE for name in meaning.columns.get(word, ())}


def cell(value: Any, *, number: bool) -> Cell:
    """A cell as it is stored: a finite number, text, or None where it says nothing."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= LARGEST else None
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    text = plain(value)
    if text.lower() in EMPTY_CELLS:
        return None
    return float(text) if number and _NUMBER.fullmatch(text) else text


def numeric(cells: Iterable[Any]) -> bool:
    """Whether the cells that say something are numbers, and no codes with leading zeros."""
    full = [text for text in map(plain, cells) if text.lower() not in EMPTY_CELLS]
    return bool(full) and all(_NUMBER.fullmatch(t) and not _CODE.match(t) for t in full)
