"""Samples of WFDB records through wfdb-python, which only gets what has been checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.optional import needed
from medfm_cli.readers.signals.channels import Values
from medfm_cli.readers.signals.wfdb_header import Channel, Header

_LOWEST = dict.fromkeys(("16", "61", "160", "516"), -1 << 15) | {"212": -1 << 11}
_LOWEST |= {"310": -1 << 9, "311": -1 << 9, "80": -1 << 7, "508": -1 << 7}
"""The invalid samples of a format as a checksum (of 16 bits) counts them; 0 in all others."""


@contextmanager
def library() -> Iterator[Any]:
    """The package `wfdb`, whose warnings (of what pandas gives up) are kept silent.

    Raises:
        Unreadable: whatever it fails by but for the system's errors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield needed("wfdb", extra="signals")
        except (Unreadable, OSError, MemoryError):
            raise
        except Exception:
            raise Unreadable("a damaged WFDB record") from None


def decode(header: Header, folder: Path, frames: int) -> tuple[list[Values], int]:
    """The channels of one segment, and in how many of them the checksum does not fit.

    Values are physical and float32; NaN where a sample is invalid, and where a skewed channel ends.

    Raises:
        Unreadable: the signals are damaged.
    """
    channels = header.channels
    order = sorted(range(len(channels)), key=lambda i: channels[i].file)  # wfdb wants them together
    with library() as wfdb, TemporaryDirectory() as scratch:
        _lay_out(Path(scratch), [channels[i] for i in order], folder, frames)
        samples = wfdb.rdrecord(f"{scratch}/r", smooth_frames=False).e_p_signal
    wrong = 0
    found: dict[int, Values] = {}
    for place, i in enumerate(order):
        digital, samples[place] = samples[place], None  # let go one by one
        channel = channels[i]
        wrong += not _adds_up(digital, channel)
        rate = header.rate * channel.per_frame
        found[i] = Values(channel.name, channel.units, rate, _physical(digital, channel))
    return [found[i] for i in sorted(found)], wrong


def _lay_out(scratch: Path, channels: list[Channel], folder: Path, frames: int) -> None:
    """A record of plain names and numbers, whose physical values are its samples as they are."""
    lines = [f"r {len(channels)} 1 {frames}"]
    names: dict[str, str] = {}
    for channel in channels:
        if channel.file not in names:
            names[channel.file] = f"s{len(names)}"
            (scratch / names[channel.file]).symlink_to((folder / channel.file).absolute())
        stored = f"{channel.format}x{channel.per_frame}+{channel.offset}"
        lines.append(f"{names[channel.file]} {stored} 1(0)/u 0 0 {channel.first} 0 0")
    (scratch / "r.hea").write_text("\n".join(lines))


def _adds_up(digital: NDArray[np.float64], channel: Channel) -> bool:
    """Whether the samples add up (in 16 bits) to what the header says, where it says so."""
    if channel.checksum is None:
        return True
    whole = np.where(np.isnan(digital), _LOWEST.get(channel.format, 0), digital).astype(np.int64)
    return (int(whole.sum()) - channel.checksum) & 0xFFFF == 0


def _physical(digital: NDArray[np.float64], channel: Channel) -> NDArray[np.float32]:
    """Physical values, with the skew taken back.

    The library would take a skew back for one sample a frame only, and for no FLAC.
    """
    digital -= channel.baseline
    digital /= channel.gain
    shift = min(channel.skew * channel.per_frame, len(digital))
    values = np.full(len(digital), np.nan, np.float32)
    with np.errstate(over="ignore"):
        values[: len(digital) - shift] = digital[shift:]
    return values
