"""Headers of WFDB records (`header(5)` of the WFDB applications guide), read without trusting them.

wfdb-python's own parser follows names out of the folder and allocates what a header claims, so the
header is read here, and every number in it is judged before it is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from medfm_cli.data.readers.item import Unreadable

MAX_HEADER = 4 << 20
"""Most bytes of a header; the largest of PhysioNet's have some thousand segments."""
_NAME = r"[^\s/]+"
_RECORD = re.compile(
    rf"(?P<name>{_NAME})(/(?P<segments>\d{{1,6}}))?"
    r"[ \t]+(?P<signals>\d{1,5})"
    r"([ \t]+(?P<rate>\d*\.?\d*(e[-+]?\d+)?)(/\S*)?"
    r"([ \t]+(?P<samples>\d{1,15})([ \t]+(?P<start>.*))?)?)?[ \t]*"
)
_SIGNAL = re.compile(
    r"(?P<file>\S+)[ \t]+(?P<format>\d{1,3})(x(?P<per>\d{1,6}))?(:(?P<skew>\d{1,9}))?"
    r"(\+(?P<offset>\d{1,12}))?([ \t]+(?P<rest>.*))?"
)
_SEGMENT = re.compile(r"(?P<name>\S+)[ \t]+(?P<samples>\d{1,15})[ \t]*")
_GAIN = re.compile(
    r"(?P<gain>[-+]?\d*\.?\d*(e[-+]?\d+)?)(\((?P<baseline>-?\d+)(\.\d*)?\))?(/(?P<units>\S+))?",
    re.IGNORECASE,
)


_INTEGER = re.compile(r"\s*([-+]?\d{1,12})(?=\s|$)")
_STARTS = [f"{time} %d/%m/%Y" for time in ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%M:%S.%f")]
_STARTS += ["%d-%b-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"]


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

    name: str
    rate: float
    samples: int | None
    start: str | None
    channels: tuple[Channel, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    comments: tuple[str, ...] = field(default=())


def looks_like_header(head: bytes) -> bool:
    """Whether a file begins with a record line and a signal or segment line."""
    if b"\x00" in head:
        return False
    lines, _ = _lines(head.decode("latin-1"))
    record = _RECORD.fullmatch(lines[0]) if lines else None
    if record is None:
        return False
    if len(lines) == 1:
        return record["signals"] == "0" and record["rate"] is not None
    if record["segments"]:
        return _SEGMENT.fullmatch(lines[1]) is not None
    signal = _SIGNAL.fullmatch(lines[1])
    if signal is None or not re.search(r"[A-Za-z~_.]", signal["file"]):
        return False
    gain = (signal["rest"] or "").split(None, 1)
    return not gain or _GAIN.fullmatch(gain[0]) is not None


def parse(path: Path) -> Header:
    """The header in a file.

    Raises:
        Unreadable: it is damaged, or names a file outside of its folder.
    """
    with path.open("rb") as file:
        data = file.read(MAX_HEADER + 1)
    if len(data) > MAX_HEADER:
        raise Unreadable(f"a WFDB header of more than {MAX_HEADER >> 20} MB")
    lines, comments = _lines(_decode(data))
    record = _RECORD.fullmatch(lines[0]) if lines else None
    if record is None:
        raise Unreadable("a damaged WFDB header")
    samples = int(record["samples"] or 0) or None
    channels: tuple[Channel, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    if record["segments"]:
        segments = tuple(_segment(line) for line in lines[1:])
        if len(segments) != int(record["segments"]) or not segments:
            raise Unreadable("a WFDB header without all of its segments")
    else:
        channels = tuple(_channel(line) for line in lines[1 : 1 + int(record["signals"])])
        if len(channels) != int(record["signals"]):
            raise Unreadable("a WFDB header without all of its signals")
    return Header(
        record["name"],
        _rate(record["rate"]),
        samples,
        _start(record["start"] or ""),
        channels,
        segments,
        tuple(comments),
    )


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _lines(text: str) -> tuple[list[str], list[str]]:
    """What counts, and the comments."""
    stripped = [line.strip().replace("\t", " ") for line in re.split(r"\r\n|\n|\r", text)]
    lines = [line for line in stripped if line and not line.startswith("#")]
    return lines, [line.strip("# \t") for line in stripped if line.startswith("#")]


def _rate(text: str | None) -> float:
    rate = float(text) if text and text not in (".", "") else 250.0  # header(5)'s own default
    if not 0 < rate < 1e9:
        raise Unreadable("a WFDB header without a sampling rate")
    return rate


def _start(text: str) -> str | None:
    """When it was recorded, if the header gives the day; the Challenge of 2020 puts it first."""
    for form in _STARTS:
        try:
            return datetime.strptime(text.strip(), form).isoformat()
        except ValueError:
            continue
    return None


def _segment(line: str) -> tuple[str, int]:
    match = _SEGMENT.fullmatch(line)
    if match is None:
        raise Unreadable("a damaged WFDB header")
    if match["name"] != "~":
        refuse_paths(match["name"])
    return match["name"], int(match["samples"])


def _channel(line: str) -> Channel:
    match = _SIGNAL.fullmatch(line)
    if match is None:
        raise Unreadable("a damaged WFDB header")
    if match["file"] != "~":
        refuse_paths(match["file"])
    gain, _, rest = (match["rest"] or "").partition(" ")
    scale = _GAIN.fullmatch(gain) if gain else None
    if gain and scale is None:
        raise Unreadable("a damaged WFDB header")
    numbers, name = _numbers(rest)
    zero, first, checksum = numbers[1], numbers[2], numbers[3]
    baseline = int(scale["baseline"]) if scale and scale["baseline"] else zero or 0
    return Channel(
        file=match["file"],
        format=match["format"],
        per_frame=int(match["per"] or 1) or 1,
        skew=int(match["skew"] or 0),
        offset=int(match["offset"] or 0),
        gain=_gain(scale["gain"] if scale else ""),
        baseline=baseline,
        units=(scale["units"] if scale else None) or "mV",
        first=first or 0,
        checksum=checksum,
        name=name,
    )


def _gain(text: str) -> float:
    """A gain of 0 or none means 200 units a millivolt."""
    try:
        return float(text) or 200.0
    except ValueError:
        return 200.0


def _numbers(text: str) -> tuple[list[int | None], str]:
    """Up to five whole numbers (resolution, zero, first, checksum, block), and the name."""
    found: list[int | None] = []
    while len(found) < 5 and (match := _INTEGER.match(text)):
        found.append(int(match[1]))
        text = text[match.end() :]
    return found + [None] * (5 - len(found)), text.strip()


def refuse_paths(name: str) -> None:
    """Only plain names are followed.

    Raises:
        Unreadable: the name leads out of the header's folder, or hides something.
    """
    if "/" in name or "\\" in name or ":" in name or name.startswith(".") or "\x00" in name:
        raise Unreadable("a WFDB header that names a file outside of its folder")
