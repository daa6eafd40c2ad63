"""What a row says beside its text: whose it is, when, where. Private until it is de-identified."""

from __future__ import annotations

from typing import Any

from medfm_cli.readers.demographics import age_of, sex_of
from medfm_cli.readers.records import Record
from medfm_cli.readers.records.column_roles import Meaning
from medfm_cli.readers.records.delimited import EMPTY_CELLS, NO_LABEL
from medfm_cli.samples.attributes import parsed_attributes
from medfm_cli.samples.modalities import modality_name

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val"}
_SPLITS |= {"validation": "val", "dev": "val", "test": "test", "testing": "test"}
_FIELDS = (
    *("subject", "study", "site", "time", "age", "sex", "modality", "anatomy", "label"),
    "split",
)


def person(record: Record, meaning: Meaning) -> dict[str, Any]:
    """What a row says of these fields of an `Item`; None or empty where it says nothing."""
    cells = {word: meaning.cell(record, word) for word in _FIELDS}
    cells = {
        word: "" if text.lower() in (NO_LABEL if word == "label" else EMPTY_CELLS) else text
        for word, text in cells.items()
    }
    return {
        "subject": cells["subject"] or None,
        "study": cells["study"] or None,
        "site": cells["site"] or None,
        "time": cells["time"] or None,
        "age": age_of(cells["age"]),
        "sex": sex_of(cells["sex"]),
        "modality": modality_name(cells["modality"]),
        "anatomy": cells["anatomy"].lower(),
        "label": cells["label"] or None,
        "split": split_name(cells["split"]) or None,
        **parsed_attributes(lambda name: meaning.cell(record, name)),
    }


def split_name(text: str) -> str:
    """`train`, `val` or `test` for one of their names, else empty."""
    return _SPLITS.get(text.strip().lower(), "")
