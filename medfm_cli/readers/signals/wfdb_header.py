"""Headers of WFDB records (`header(5)` of the WFDB applications guide), read without trusting them.

wfdb-python follows names out of the folder, allocates what a header claims and reads only ASCII, so
every name and number is checked here before the library sees it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medfm_cli.errors import Unreadable
from medfm_cli.readers.signals.audio import opened

MAX_HEADER = 4 << 20
"""Most bytes of a header; the largest of PhysioNet's have some thousand segments."""
PACKING = {"8": (1, 1), "16": (1, 2), "24": (1, 3), "32": (1, 4), "61": (1, 2), "80": (1, 1)}
PACKING |= {"160": (1, 2), "212": (2, 3), "310": (3, 4), "311": (3, 4)}
"""How many samples lie in how many bytes, for each format of `signal(5)` that is no FLAC."""
FLAC = ("508", "516", "524")
_REAL = r"\d{0,15}\.?\d{0,15}(?:e[-+]?\d{1,3})?"
_RECORD = re.compile(
    rf"[^\s/]{{1,255}}(?:/(?P<segments>\d{{1,5}}))? +(?P<signals>\d{{1,4}})"
    rf"(?: +(?P<rate>{_REAL})(?:/\S*)?(?: +(?P<samples>\d{{1,15}})(?: +(?P<start>.*))?)?)?"
)
_SIGNAL = re.compile(
    r"(?P<file>\S{1,255}) ++(?P<format>\d{1,3})(?:x(?P<per>\d{1,6}))?(?::(?P<skew>\d{1,9}))?"
    rf"(?:\+(?P<offset>\d{{1,12}}))?(?: ++(?P<gain>[-+]?{_REAL})"
    r"(?:\((?P<baseline>-?\d{1,12})(?:\.\d*)?\))?(?:/(?P<units>\S+))?"
    r"(?P<numbers>(?: +[-+]?\d{1,12}(?= |$)){0,5})(?P<name>(?: .*)?))?",
    re.IGNORECASE,
)
_SEGMENT = re.compile(r"(?P<name>\S{1,255}) +(?P<samples>\d{1,15})")
_STARTS = [f"{time} %d/%m/%Y" for time in ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%M:%S.%f")]
_STARTS += ["%d-%b-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"]  # the Challenge of 2020 puts the day first


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal line: where its samples lie and how they become physical values."""

    file: str
    format: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    first: int
    checksum: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """A header: the record line, and either signals or segments.

    `samples` (frames) is None where the header does not say; `segments` are (name, samples).
    """

    rate: float
    samples: int | None
    start: str | None
    channels: tuple[Channel, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]


def looks_like_header(head: bytes) -> bool:
    """Whether a file begins with a record line and a signal or segment line."""
    lines, _ = _lines(head.decode("latin-1"))
    record = _RECORD.fullmatch(lines[0]) if lines and b"\x00" not in head else None
    if record is None:
        return False
    if len(lines) == 1:
        return record["signals"] == "0" and record["rate"] is not None
    if record["segments"]:
        return _SEGMENT.fullmatch(lines[1]) is not None
    signal = _SIGNAL.fullmatch(lines[1])
    return signal is not None and re.search(r"[A-Za-z~_.]", signal["file"]) is not None


def parse(path: Path) -> Header:
    """The header in a file.

    Raises:
        Unreadable: it is damaged, or names a file outside of its folder.
    """
    with path.open("rb") as file:
        data = file.read(MAX_HEADER + 1)
    if len(data) > MAX_HEADER:
        raise Unreadable(f"a WFDB header of more than {MAX_HEADER >> 20} MB")
    try:
        lines, comments = _lines(data.decode("utf-8"))
    except UnicodeDecodeError:
        lines, comments = _lines(data.decode("latin-1"))
    record = _match(_RECORD, lines[0] if lines else "")
    count, segmented = int(record["segments"] or record["signals"]), record["segments"] is not None
    below = lines[1:] if segmented else lines[1 : 1 + count]
    if len(below) != count or (segmented and not count):
        kind = "segments" if segmented else "signals"
        raise Unreadable(f"a WFDB header without all of its {kind}")
    return Header(
        rate=_rate(record["rate"]),
        samples=int(record["samples"] or 0) or None,
        start=_start(record["start"] or ""),
        channels=() if segmented else tuple(_channel(line) for line in below),
        segments=tuple(_segment(line) for line in below) if segmented else (),
        comments=tuple(comments),
    )


def frames(header: Header, path: Path, limit: int) -> int:
    """How many frames there are, once it is clear that the files hold them.

    Raises:
        Unreadable: a file is missing, a link or too short, or there are more than `limit` samples.
    """
    if not header.channels:
        raise Unreadable("a WFDB record without signals", step="quality")
    files: dict[str, list[Channel]] = {}
    for channel in header.channels:
        files.setdefault(channel.file, []).append(channel)
    for name, group in files.items():
        refuse_links(path.parent / name, path)
        if len({(channel.format, channel.offset) for channel in group}) > 1:
            raise Unreadable("a WFDB header with two formats for one file")
        if group[0].format not in PACKING | dict.fromkeys(FLAC):
            raise Unreadable(f"WFDB signals in the unknown format {group[0].format}")
    count = header.samples or _held(path.parent, next(iter(files.values())))
    if not count:
        raise Unreadable("a WFDB record without samples", step="quality")
    if count * sum(channel.per_frame for channel in header.channels) > limit:
        raise Unreadable(f"a record of more than {limit / 1e6:.0f} million samples")
    if any(_held(path.parent, group) < count for group in files.values()):
        raise Unreadable("a WFDB signal file that is shorter than its header says")
    return count


def refuse_links(file: Path, header: Path) -> None:
    """A link beside a header that is none may lead anywhere.

    Raises:
        Unreadable: the file is one, or is not there.
    """
    if file.is_symlink() and not header.is_symlink():
        raise Unreadable("a WFDB signal file that is a link")
    if not file.is_file():
        raise Unreadable("a WFDB header without its signal file")


def _held(folder: Path, group: list[Channel]) -> int:
    """How many frames of some channels their file holds."""
    first, together = group[0], sum(channel.per_frame for channel in group)
    if first.format in FLAC:
        with opened(folder / first.file) as stream:
            if stream.channels != len(group):
                raise Unreadable("a WFDB signal file that does not match its header")
            return int(max(0, stream.frames - first.offset)) // first.per_frame
    samples, size = PACKING[first.format]
    count = max(0, (folder / first.file).stat().st_size - first.offset) * samples // size
    return (count - (first.format == "310" and count % 3 == 2)) // together


def _lines(text: str) -> tuple[list[str], list[str]]:
    """What counts, and the comments."""
    stripped = [line.strip().replace("\t", " ") for line in re.split(r"\r\n|\n|\r", text)]
    lines = [line for line in stripped if line and not line.startswith("#")]
    return lines, [line.strip("# \t") for line in stripped if line.startswith("#")]


def _match(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise Unreadable("a damaged WFDB header")
    return match


def _number(text: str | None, default: float) -> float:
    try:
        return float(text or default)
    except ValueError:
        return default


def _rate(text: str | None) -> float:
    rate = _number(text, 250.0)
    if not 0 < rate < 1e9:
        raise Unreadable("a WFDB header without a sampling rate")
    return rate


def _start(text: str) -> str | None:
    """When it was recorded, if the header gives the day."""
    for form in _STARTS:
        try:
            return datetime.strptime(text.strip(), form).isoformat()
        except ValueError:
            continue
    return None


def _segment(line: str) -> tuple[str, int]:
    match = _match(_SEGMENT, line)
    return _plain(match["name"]), int(match["samples"])


def _channel(line: str) -> Channel:
    match = _match(_SIGNAL, line)
    gain = _number(match["gain"], 200.0) or 200.0  # as header(5) says
    if not math.isfinite(gain):
        raise Unreadable("a damaged WFDB header")
    numbers = [int(number) for number in (match["numbers"] or "").split()]  # the first: resolution
    zero, first, checksum = [*numbers[1:4], *[None] * 3][:3]
    return Channel(
        file=_plain(match["file"]),
        format=match["format"],
        per_frame=int(match["per"] or 1) or 1,
        skew=int(match["skew"] or 0),
        offset=int(match["offset"] or 0),
        gain=gain,
        baseline=int(match["baseline"] or zero or 0),
        units=match["units"] or "mV",
        first=first or 0,
        checksum=checksum,
        name=(match["name"] or "").strip(),
    )


def _plain(name: str) -> str:
    """The name, if it is a plain one: no others are followed."""
    if "/" in name or "\\" in name or ":" in name or name.startswith(".") or "\x00" in name:
        raise Unreadable("a WFDB header that names a file outside of its folder")
    return name
