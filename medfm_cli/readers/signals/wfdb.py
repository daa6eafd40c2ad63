"""WFDB records (PhysioNet): a header, the signal files that it names, and annotations beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medfm_cli.errors import Unreadable
from medfm_cli.readers.demographics import age_of, sex_of
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.signals import wfdb_annotations as annotating
from medfm_cli.readers.signals import wfdb_header, wfdb_samples
from medfm_cli.readers.signals.channels import MAX_SAMPLES, Values, by_rate
from medfm_cli.readers.signals.wfdb_header import Header
from medfm_cli.samples.attributes import scanner_of
from medfm_cli.samples.content import Text

_FIELD = re.compile(
    r"<?\b(age|sex|gender|subject_id|patient_id)\b>?\s*:\s*([^<\s]+)", re.IGNORECASE
)
_MIT = re.compile(r"(\d{1,3})\s+([MF])\b(\s+\d+)*(\s+\w\d)?\s*")
_DEVICE = re.compile(
    r"<?\b(?:recording |recorder|acquisition )?(?:device|recorder|scanner)(?: model| type)?>?\s*:"
    r"\s*([^<\n]+)",
    re.IGNORECASE,
)
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
    found = _signals(header, path)
    for name, _ in header.segments:
        segment = path.parent / f"{name}.hea"
        if name != "~" and segment.is_file():
            found += [segment, *_signals(wfdb_header.parse(segment), path)]
    found += annotating.files(path.parent, _record(path), {file.name for file in found})
    return list(dict.fromkeys(found))


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """One item a rate: channels of one rate lie in one signal, and none is resampled.

    Values are physical and float32; samples that the record marks as invalid, gaps between segments
    and the ends of skewed channels are NaN. `facts["annotations"]` holds, for each annotation file,
    counts and places. The comments of the header are the item's text (private).
    """
    header = wfdb_header.parse(path)
    limit = min(options.max_values, MAX_SAMPLES)
    facts: dict[str, Any] = {"format": "WFDB"}
    try:
        if header.segments:
            channels, storage, notes = _join(header, path, limit)
            facts["segments"] = len(header.segments)
        else:
            channels, storage, notes = _single(header, path, limit)
        facts["storage"] = " ".join(sorted(storage, key=int))
        facts |= _annotations(path, header)
        comments = _from_comments(header.comments)
        item = Item(Text(""), facts, time=header.start, notes=tuple(sorted(notes)), **comments)
        yield from by_rate(channels, item)
    except MemoryError:
        raise Unreadable("the record needs more memory than there is") from None


def _signals(header: Header, path: Path) -> list[Path]:
    return [path.parent / channel.file for channel in header.channels if channel.file != "~"]


def _record(path: Path) -> str:
    return path.name[:-4] if path.name.lower().endswith(".hea") else path.name


def _single(header: Header, path: Path, limit: int) -> tuple[list[Values], set[str], set[str]]:
    """The channels of a record without segments, their storage formats, and notes."""
    stored = tuple(channel for channel in header.channels if channel.file != "~")
    if header.channels and not stored:
        raise Unreadable("the layout of a WFDB record, without signals", step="quality")
    header = replace(header, channels=stored)
    frames = wfdb_header.frames(header, path, limit)
    channels, wrong = wfdb_samples.decode(header, path.parent, frames)
    notes = {f"the checksum does not fit in {wrong} of {len(channels)} channels"} if wrong else ()
    return channels, {channel.format for channel in stored}, set(notes)


def _join(header: Header, path: Path, limit: int) -> tuple[list[Values], set[str], set[str]]:
    """Segments one after the other, one at a time; a channel that a segment lacks is NaN there.

    The first segment of a variable layout has no samples and names all channels.
    """
    headers = {name: _segment(name, path) for name, _ in header.segments if name != "~"}
    if not headers:
        raise Unreadable("a WFDB record of gaps only", step="quality")
    layout = next(iter(headers.values())).channels
    frames = sum(length for _, length in header.segments)
    if frames * sum(channel.per_frame for channel in layout) > limit:
        raise Unreadable(f"a record of more than {limit / 1e6:.0f} million samples")
    joined: list[Values] = []
    for channel in layout:
        gap = np.full(frames * channel.per_frame, np.nan, np.float32)
        rate = header.rate * channel.per_frame
        joined.append(Values(channel.name, channel.units, rate, gap))
    start, storage, notes = 0, set[str](), set[str]()
    for name, length in header.segments:
        if name != "~" and length:
            if headers[name].rate != header.rate or (headers[name].samples or length) != length:
                raise Unreadable("a WFDB segment that does not match its header")
            channels, formats, remarks = _single(headers[name], path, limit)
            _place(channels, joined, start / header.rate, by_name=header.segments[0][1] == 0)
            storage |= formats
            notes |= remarks
        start += length
    return joined, storage, notes


def _segment(name: str, path: Path) -> Header:
    """The header of a segment, which has no segments itself."""
    file = path.parent / f"{name}.hea"
    wfdb_header.refuse_links(file, path)
    header = wfdb_header.parse(file)
    if header.segments:
        raise Unreadable("a WFDB record with segments inside of segments")
    return header


def _place(channels: list[Values], joined: list[Values], start: float, *, by_name: bool) -> None:
    """Copy the channels of a segment to where they belong, from `start` seconds on."""
    if not by_name and len(channels) != len(joined):
        raise Unreadable("a WFDB segment that does not match its header")
    for index, channel in enumerate(channels):
        same = [other for other in joined if other.name == channel.name]
        target = (same[0] if same else None) if by_name else joined[index]
        if target is None or target.rate != channel.rate or target.units != channel.units:
            raise Unreadable("a WFDB segment with a channel that the record lacks")
        first = round(start * channel.rate)
        target.values[first : first + len(channel.values)] = channel.values


def _annotations(path: Path, header: Header) -> dict[str, Any]:
    """What lies beside the record, by the ending of its file."""
    names = {channel.file for channel in header.channels}
    files = annotating.files(path.parent, _record(path), names)
    found = {file.name.rpartition(".")[2]: annotating.summary(file, header.rate) for file in files}
    known = {ending: summary for ending, summary in found.items() if summary}
    return {"annotations": known} if known else {}


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
        "scanner": next((scanner_of(d[1]) for c in comments if (d := _DEVICE.match(c))), ""),
    }
