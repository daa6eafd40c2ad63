"""What a row says beside its text: whose it is, when, where. Private until it is de-identified."""

from __future__ import annotations

import re
from typing import Any

from medfm_cli.readers.records import Record
from medfm_cli.readers.records.column_roles import Meaning
from medfm_cli.readers.records.delimited import EMPTY_CELLS
from medfm_cli.samples.attributes import parsed_attributes
from medfm_cli.samples.modalities import modality_name

_SEX = {"f": "F", "female": "F", "w": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}
_SEX |= {"o": "O", "other": "O", "d": "O", "divers": "O"}
_AGE = re.compile(r"0*(\d{1,3}(?:\.\d+)?)\s*(y|yrs?|years?)?")
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val"}
_SPLITS |= {"validation": "val", "dev": "val", "test": "test", "testing": "test"}
_FIELDS = (
    *("subject", "study", "site", "time", "age", "sex", "modality", "anatomy", "label"),
    "split",
)


def person(record: Record, meaning: Meaning) -> dict[str, Any]:
    """What a row says of these fields of an `Item`; None or empty where it says nothing."""
    cells = {word: meaning.cell(record, word) for word in _FIELDS}
    cells = {word: "" if text.lower() in EMPTY_CELLS else text for word, text in cells.items()}
    return {
        "subject": cells["subject"] or None,
        "study": cells["study"] or None,
        "site": cells["site"] or None,
        "time": cells["time"] or None,
        "age": age(cells["age"]),
        "sex": sex(cells["sex"]),
        "modality": modality_name(cells["modality"]),
        "anatomy": cells["anatomy"].lower(),
        "label": cells["label"] or None,
        "split": split_name(cells["split"]) or None,
        **parsed_attributes(lambda name: meaning.cell(record, name)),
    }


def split_name(text: str) -> str:
    """`train`, `val` or `test` for one of their names, else empty."""
    return _SPLITS.get(text.strip().lower(), "")


def age(text: str) -> float | None:
    """Years, from `63`, `63.0`, `063Y` or `63 years`; None where it is no such age."""
    match = _AGE.fullmatch(text.strip().lower())
    years = float(match[1]) if match else -1.0
    return years if 0 <= years <= 130 else None


def sex(text: str) -> str:
    """`F`, `M`, `O`, or empty for anything else: numbers mean different things in each table."""
    return _SEX.get(text.strip().lower(), "")
