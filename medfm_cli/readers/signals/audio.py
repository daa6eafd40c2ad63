"""Sound: WAV, FLAC, Ogg and MP3 through libsndfile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.optional import needed
from medfm_cli.readers.signals.channels import MAX_SAMPLES
from medfm_cli.readers.silence import silenced
from medfm_cli.samples.content import Audio

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
_BLOCK = 1 << 16
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""MPEG sampling rates by version (1, 2, 2.5)."""
_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""MPEG layer III bit rates, of version 1 and of the others."""


def sniff(head: bytes) -> bool:
    """Whether the file begins like one of the formats."""
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return head[8:12] == b"WAVE"
    if head.startswith(b"OggS"):
        return b"theora" not in head[:128]
    return head.startswith((b"fLaC", b"ID3")) or _begins_mp3(head)


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The sound of one file: float32 `[C, T]` at its own rate. Its tags are not looked at."""
    limit = min(options.max_values, MAX_SAMPLES)
    try:
        with silenced() as talked, opened(path) as stream:  # mpg123 tells of damage on stderr
            if stream.format not in FORMATS:
                raise Unreadable("audio of a kind that is not read")
            values = np.ascontiguousarray(read_blocks(stream, limit, "float32").T)
            rate, declared = float(stream.samplerate), stream.frames
            facts = {"format": stream.format, "subtype": stream.subtype}
            notes = ["the decoder met damage and went on behind it"] if talked() else []
    except MemoryError:
        raise Unreadable("the audio needs more memory than there is") from None
    if not values.size:
        raise Unreadable("audio without samples", step="quality")
    if values.shape[1] < declared or _cut(path):
        raise Unreadable("truncated audio")
    notes += ["the stream has no end mark: it may be cut"] if _endless(path) else []
    facts["seconds"] = round(values.shape[1] / rate, 3)
    yield Item(Audio(values, rate), facts, modality="Audio", notes=tuple(notes))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A soundfile stream, opened by its descriptor: neither its name nor its ending count.

    Raises:
        Unreadable: libsndfile cannot open or decode it.
    """
    soundfile = needed("soundfile", extra="signals")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with soundfile.SoundFile(descriptor, closefd=False) as stream:
            yield stream
    except (RuntimeError, ValueError, TypeError):  # soundfile's errors
        raise Unreadable("damaged audio") from None
    finally:
        os.close(descriptor)


def read_blocks(stream: Any, limit: int, dtype: str, *, frames: int | None = None) -> NDArray[Any]:
    """`[T, C]`, block by block: what the stream says of its length is not believed.

    Raises:
        Unreadable: there are more than `limit` samples.
    """
    blocks: list[NDArray[Any]] = []
    total = 0
    while frames is None or total < frames:
        size = _BLOCK if frames is None else min(_BLOCK, frames - total)
        block = stream.read(size, dtype=dtype, always_2d=True)
        if not len(block):
            break
        total += len(block)
        if total * block.shape[1] > limit:
            raise Unreadable(f"audio of more than {limit / 1e6:.0f} million samples")
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.empty((0, stream.channels), dtype)


def _cut(path: Path) -> bool:
    """Whether a WAV file ends before its own size says; libsndfile takes what there is."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] not in (b"RIFF", b"RIFX"):
        return False
    declared = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
    return declared not in (0, 0xFFFFFFFF) and declared + 8 > path.stat().st_size + 1


def _endless(path: Path) -> bool:
    """Whether an Ogg file's last page does not say that it is the last."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(max(0, path.stat().st_size - (1 << 17)))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or len(tail) < last + 6 or not tail[last + 5] & 4


def _begins_mp3(head: bytes) -> bool:
    """Two MPEG layer III frames in a row."""
    size = _frame(head)
    return 0 < size < len(head) - 4 and _frame(head[size:]) > 0


def _frame(data: bytes) -> int:
    """Bytes of the MPEG layer III frame that begins here, 0 where none does."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return 0
    version, kbits, rate = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or kbits in (0, 15) or rate == 3:
        return 0
    speed = _KBITS[3 if version == 3 else 2][kbits] * 1000
    samples = 144 if version == 3 else 72
    return samples * speed // _RATES[version][rate] + (data[2] >> 1 & 1)
