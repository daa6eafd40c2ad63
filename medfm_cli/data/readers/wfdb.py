"""WFDB records (PhysioNet): a header, the signal files that it names, and annotations beside it.

Decoded here, for a header must be judged before anything is allocated and before any name in it is
followed; wfdb-python does neither, and is what the tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfm_cli.data.content import Text
from medfm_cli.data.readers import wfdb_annotations as annotating
from medfm_cli.data.readers import wfdb_header, wfdb_record
from medfm_cli.data.readers.channels import by_rate
from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable
from medfm_cli.data.readers.people import age_of, sex_of

_FIELD = re.compile(
    r"<?\b(age|sex|gender|subject_id|patient_id)\b>?\s*:\s*([^<\s]+)", re.IGNORECASE
)
_MIT = re.compile(r"(\d{1,3})\s+([MF])\b(\s+\d+)*(\s+\w\d)?\s*")
_CODES = re.compile(r"dx\s*:\s*(\d{6,18}(?:\s*,\s*\d{6,18})*)\s*", re.IGNORECASE)


def sniff(head: bytes) -> bool:
    """Whether the file begins with a record line and a signal or segment line."""
    return wfdb_header.looks_like_header(head)


def companions(path: Path) -> list[Path]:
    """The signal files, headers of segments and annotations that belong to a header.

    Raises:
        Unreadable: the header is damaged, or names a file outside of its folder.
    """
    header = wfdb_header.parse(path)
    found = list(wfdb_record.files(header, path.parent))
    for name, _ in header.segments:
        segment = path.parent / f"{name}.hea"
        if name != "~" and segment.is_file():
            found += [segment, *wfdb_record.files(wfdb_header.parse(segment), path.parent)]
    names = {file.name for file in found}
    found += annotating.files(path.parent, _record(path), names)
    return list(dict.fromkeys(found))


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """One item a rate: channels of one rate lie in one signal, and none is resampled.

    Values are physical and float32; samples that the record marks as invalid, gaps between segments
    and the ends of skewed channels are NaN. `facts["annotations"]` holds, for each annotation file,
    counts and places. The comments of the header are the item's text (private).
    """
    header = wfdb_header.parse(path)
    try:
        record = wfdb_record.read(header, path, options.max_values)
        facts = record.facts | _annotations(path, header)
        said = _from_comments(header.comments)
        item = Item(Text(""), facts, time=header.start, notes=tuple(record.notes), **said)
        yield from by_rate(record.channels, item)
    except MemoryError:
        raise Unreadable("the record needs more memory than there is") from None


def _record(path: Path) -> str:
    return path.name[:-4] if path.name.lower().endswith(".hea") else path.name


def _annotations(path: Path, header: wfdb_header.Header) -> dict[str, Any]:
    """What lies beside the record, by the ending of its file."""
    found: dict[str, Any] = {}
    names = {channel.file for channel in header.channels}
    for file in annotating.files(path.parent, _record(path), names):
        marks = annotating.read(file)
        if marks is not None and marks[0]:
            ending = file.name.rpartition(".")[2]
            found[ending] = annotating.summary(marks[0], marks[1] or header.rate)
    return {"annotations": found} if found else {}


def _from_comments(comments: tuple[str, ...]) -> dict[str, Any]:
    """Age, sex, subject and diagnosis codes out of the comments; the rest of them is text."""
    fields: dict[str, str] = {}
    labels: list[str] = []
    text: list[str] = []
    for comment in comments:
        if mit := _MIT.fullmatch(comment):  # as in the MIT-BIH database
            fields = {"age": mit[1], "sex": mit[2]} | fields
        elif codes := _CODES.fullmatch(comment):  # SNOMED CT, as in the PhysioNet Challenge 2020
            labels += [code.strip() for code in codes[1].split(",")]
        else:
            fields = {name.lower(): value for name, value in _FIELD.findall(comment)} | fields
            text += [rest] if (rest := _FIELD.sub("", comment).strip("# ")) else []
    return {
        "age": age_of(fields.get("age", "")),
        "sex": sex_of(fields.get("sex", fields.get("gender", ""))),
        "subject": fields.get("subject_id", fields.get("patient_id")),
        "labels": labels or None,
        "text": "\n".join(text),
    }
