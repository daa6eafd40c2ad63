"""The channels of a WFDB record as physical values, of one segment or of many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.readers import wfdb_samples as samples
from medfm_cli.data.readers.channels import MAX_SAMPLES, Values
from medfm_cli.data.readers.item import Unreadable
from medfm_cli.data.readers.wfdb_header import Channel, Header, parse


@dataclass(slots=True)
class Record:
    """All channels of a record, with facts and notes on how it is stored."""

    channels: list[Values]
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def files(header: Header, folder: Path) -> Iterator[Path]:
    """The signal files that a header names, each once."""
    for name in dict.fromkeys(channel.file for channel in header.channels):
        if name != "~":
            yield folder / name


def read(header: Header, path: Path, max_values: int) -> Record:
    """The record of a header that lies at `path`.

    Raises:
        Unreadable: a file is missing, too short or damaged, or there is too much of it.
    """
    limit = min(max_values, MAX_SAMPLES)
    if header.segments:
        return _join(header, path, limit)
    if not header.channels:
        raise Unreadable("a WFDB record without signals", step="quality")
    if all(channel.file == "~" for channel in header.channels):
        raise Unreadable("the layout of a WFDB record, without signals", step="quality")
    return _single(header, path, limit)


def _single(header: Header, path: Path, limit: int) -> Record:
    named = list(files(header, path.parent))
    for file in named:
        _refuse_links(file, path)
    frames = _frames(header, path.parent)
    if not frames:
        raise Unreadable("a WFDB record without samples", step="quality")
    if frames * sum(channel.per_frame for channel in header.channels) > limit:
        raise Unreadable(f"a record of more than {limit / 1e6:.0f} million samples")
    channels: dict[int, Values] = {}
    wrong = 0
    for file in named:
        mine = [i for i, channel in enumerate(header.channels) if channel.file == file.name]
        group = [header.channels[i] for i in mine]
        for index, channel, digital in zip(mine, group, _digital(file, group, frames), strict=True):
            wrong += not _adds_up(digital, channel)
            rate = header.rate * channel.per_frame
            channels[index] = Values(channel.name, channel.units, rate, _physical(digital, channel))
    notes = [f"the checksum does not fit in {wrong} of {len(channels)} channels"] if wrong else []
    storage = sorted({channel.format for channel in header.channels}, key=int)
    facts = {"format": "WFDB", "storage": " ".join(storage)}
    return Record([channels[index] for index in sorted(channels)], facts, notes)


def _refuse_links(file: Path, header: Path) -> None:
    """A link beside a header that is none may lead anywhere."""
    if file.is_symlink() and not header.is_symlink():
        raise Unreadable("a WFDB signal file that is a link")
    if not file.is_file():
        raise Unreadable("a WFDB header without its signal file")


def _frames(header: Header, folder: Path) -> int:
    """How many frames there are: as the header says, or as many as the first file holds."""
    first = header.channels[0]
    if header.samples is not None:
        return header.samples
    if first.format in samples.FLAC:
        raise Unreadable("a WFDB header that does not say how long the record is")
    size = (folder / first.file).stat().st_size - first.offset
    together = sum(c.per_frame for c in header.channels if c.file == first.file)
    return samples.fitting(first.format, size) // together


def _digital(file: Path, group: list[Channel], frames: int) -> Iterator[NDArray[Any]]:
    """The channels of one file as whole numbers, `[frames * per_frame]` each."""
    first, widths = group[0], [channel.per_frame for channel in group]
    if {(c.format, c.offset) for c in group} != {(first.format, first.offset)}:
        raise Unreadable("a WFDB header with two formats for one file")
    if first.format in samples.FLAC:
        if len(set(widths)) > 1:
            raise Unreadable("a FLAC file with channels of several rates")
        count = frames * widths[0]
        stream = samples.read_flac(
            file, first.format, channels=len(group), offset=first.offset, count=count
        )
        yield from stream.T
        return
    flat = samples.read_flat(
        file, first.format, offset=first.offset, count=frames * sum(widths)
    ).reshape(frames, sum(widths))
    start = 0
    for channel in group:
        values = flat[:, start : start + channel.per_frame].reshape(-1)
        start += channel.per_frame
        if channel.format == "8":
            values = np.cumsum(values, dtype=np.int64) + channel.first
        yield values


def _adds_up(digital: NDArray[Any], channel: Channel) -> bool:
    """Whether the samples add up (in 16 bits) to what the header says, where it says so."""
    if channel.checksum is None:
        return True
    return (int(digital.sum(dtype=np.int64)) - channel.checksum) & 0xFFFF == 0


def _physical(digital: NDArray[Any], channel: Channel) -> NDArray[np.float32]:
    """Physical values; NaN where a sample is invalid, and where a skewed channel ends early."""
    values = digital.astype(np.float64)
    values -= channel.baseline
    values /= channel.gain
    lowest = samples.invalid(channel.format)
    if lowest is not None:
        values[digital == lowest] = np.nan
    shift = min(channel.skew * channel.per_frame, len(values))
    if shift:
        values[: len(values) - shift] = values[shift:]
        values[len(values) - shift :] = np.nan
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _join(header: Header, path: Path, limit: int) -> Record:
    """Segments one after the other; a channel that a segment lacks is NaN there.

    The first segment of a variable layout has no samples and names all channels.
    """
    headers = {name: _segment(name, path) for name, _ in header.segments if name != "~"}
    names = [name for name, _ in header.segments if name != "~"]
    if not names:
        raise Unreadable("a WFDB record of gaps only", step="quality")
    layout = headers[names[0]].channels
    frames = sum(length for _, length in header.segments)
    if frames * sum(channel.per_frame for channel in layout) > limit:
        raise Unreadable(f"a record of more than {limit / 1e6:.0f} million samples")
    joined = [_gap(channel, header.rate, frames) for channel in layout]
    notes: set[str] = set()
    storage: set[str] = set()
    start = 0
    for name, length in header.segments:
        if name != "~" and length:
            if headers[name].rate != header.rate or (headers[name].samples or length) != length:
                raise Unreadable("a WFDB segment that is not as the header says")
            record = _single(headers[name], path, limit)
            _place(record, joined, start / header.rate, by_name=header.segments[0][1] == 0)
            notes.update(record.notes)
            storage.update(record.facts["storage"].split())
        start += length
    facts = {"format": "WFDB", "storage": " ".join(sorted(storage, key=int))}
    return Record(joined, facts | {"segments": len(header.segments)}, sorted(notes))


def _gap(channel: Channel, rate: float, frames: int) -> Values:
    values = np.full(frames * channel.per_frame, np.nan, np.float32)
    return Values(channel.name, channel.units, rate * channel.per_frame, values)


def _segment(name: str, path: Path) -> Header:
    """The header of a segment, which has no segments itself."""
    file = path.parent / f"{name}.hea"
    _refuse_links(file, path)
    header = parse(file)
    if header.segments:
        raise Unreadable("a WFDB record with segments inside of segments")
    return header


def _place(record: Record, joined: list[Values], start: float, *, by_name: bool) -> None:
    """Copy the channels of a segment to where they belong, from `start` seconds on."""
    if not by_name and len(record.channels) != len(joined):
        raise Unreadable("a WFDB segment that is not as the header says")
    for index, channel in enumerate(record.channels):
        same = [other for other in joined if other.name == channel.name]
        target = (same[0] if same else None) if by_name else joined[index]
        if target is None or target.rate != channel.rate or target.units != channel.units:
            raise Unreadable("a WFDB segment with a channel that the record does not have")
        first = round(start * channel.rate)
        target.values[first : first + len(channel.values)] = channel.values
