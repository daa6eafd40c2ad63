"""Damaged signals, sounds, films and stays: a reason or a sample, in time, and not a word besides.

Every file is a real format damaged by a seed: bits flipped, cut short, a stretch overwritten, or a
number in its first bytes made enormous.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from executable import PATIENCE
from signal_files import WORDS, film, record, recording, segmented, stay, waves, wide

from medfm_cli.readers import Item, ReadOptions, Unreadable, find_reader, sniff

TRIES = 60
SECONDS = 5
"""More than enough for a small file, on a busy machine too."""
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def _wfdb(folder: Path) -> list[Path]:
    record(folder, "r", waves(), fmt=["212"] * 2, comments=["Age: 74", "Dx: 426783006"])
    (folder / "r.atr").write_bytes(bytes([10, 4, 20, 20, 0, 0]))
    return [folder / "r.hea", folder / "r.dat", folder / "r.atr"]


def _flac(folder: Path) -> list[Path]:
    record(folder, "r", waves(), fmt=["516"] * 2)
    return [folder / "r.hea", folder / "r.dat"]


def _segments(folder: Path) -> list[Path]:
    return [segmented(folder), folder / "s1.hea", folder / "layout.hea", folder / "s2.dat"]


def _edf(folder: Path) -> list[Path]:
    return [recording(folder / "x")]


def _bdf(folder: Path) -> list[Path]:
    return [recording(folder / "x", bdf=True)]


def _sound(kind: str, **more: Any) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        tone = np.sin(np.arange(8000) / 7)[:, None].repeat(2, 1) / 2
        soundfile.write(folder / "x", tone, 8000, format=kind, **more)
        return [folder / "x"]

    return make


def _film(kind: str, codec: str = "mpeg4") -> Callable[[Path], list[Path]]:
    return lambda folder: [film(folder / "x", 40, kind=kind, codec=codec)]


def _gif(folder: Path) -> list[Path]:
    from PIL import Image

    random = np.random.default_rng(0)
    frames = [Image.fromarray(random.integers(0, 255, (40, 50), np.uint8)) for _ in range(5)]
    frames[0].save(folder / "x", "GIF", save_all=True, append_images=frames[1:], duration=50)
    return [folder / "x"]


def _stay(folder: Path) -> list[Path]:
    return [stay(folder / "x")]


def _table(folder: Path) -> list[Path]:
    np.savetxt(folder / "x", waves(40, 3), delimiter=",", header="a,b,c", comments="")
    return [folder / "x"]


def _array(folder: Path) -> list[Path]:
    with (folder / "x").open("wb") as file:
        np.save(file, waves(40, 3))
    return [folder / "x"]


def _wide(folder: Path, *, parquet: bool = False) -> list[Path]:
    wide(folder / "x", parquet=parquet)
    return [folder / "x"]


FORMATS: dict[str, tuple[Callable[[Path], list[Path]], dict[str, Any]]] = {
    "wfdb": (_wfdb, {}),
    "wfdb-flac": (_flac, {}),
    "wfdb-segments": (_segments, {}),
    "edf": (_edf, {}),
    "bdf": (_bdf, {}),
    "csv-signal": (_table, {"rate": 100}),
    "npy-signal": (_array, {"rate": 100}),
    "wav": (_sound("WAV"), {}),
    "flac": (_sound("FLAC"), {}),
    "ogg": (_sound("OGG"), {}),
    "opus": (_sound("OGG", subtype="OPUS"), {}),
    "mp3": (_sound("MP3"), {}),
    "mp4": (_film("mp4"), {}),
    "h264": (_film("mp4", "libx264"), {}),
    "avi": (_film("avi"), {}),
    "mpeg": (_film("mpeg", "mpeg2video"), {}),
    "mkv": (_film("matroska"), {}),
    "webm": (_film("webm", "libvpx"), {}),
    "gif": (_gif, {}),
    "icu": (_stay, {}),
    "icu-wide-csv": (_wide, WORDS),
    "icu-wide-parquet": (lambda folder: _wide(folder, parquet=True), WORDS),
}


def damage(data: bytes, seed: int) -> bytes:
    """One way of many to damage a file."""
    random = np.random.default_rng(seed)
    found = bytearray(data)
    how = seed % 5
    if how == 0:
        return bytes(found[: random.integers(0, len(found))])
    if how == 1:
        start, length = random.integers(0, len(found)), int(random.integers(1, 200))
        found[start : start + length] = random.bytes(length)
        return bytes(found)
    first = 400 if how == 2 else len(found)  # headers matter most
    for place in random.integers(0, min(first, len(found)), random.integers(1, 12)):
        found[place] ^= 1 << int(random.integers(0, 8))
    if how == 4:
        place = int(random.integers(0, min(400, len(found))))
        found[place : place + 4] = [b"\xff\xff\xff\x7f", b"9999", b"\x7f\xff\xff\xff"][seed % 3]
    return bytes(found)


class TooLong(BaseException):
    """No `Exception`, so that no reader can swallow it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer; a busy machine may take five times as long."""

    def late(_number: int, _frame: object) -> None:
        raise TooLong(f"reading took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_give_a_reason_or_a_sample(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, words = FORMATS[name]
    clean = tmp_path / "clean"
    clean.mkdir()
    files = make(clean)
    capfd.readouterr()
    outcomes: Counter[str] = Counter()
    begin = time.monotonic()
    for seed in range(TRIES):
        folder = tmp_path / "bad"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(clean, folder)
        victim = folder / files[seed % len(files)].name
        victim.write_bytes(damage(victim.read_bytes(), seed))
        with at_most(SECONDS):
            outcomes[_read(folder / files[0].name, words, whole=bool(seed % 2))] += 1
    out, err = capfd.readouterr()
    assert (out, err) == ("", ""), f"{name}: a library talks"
    assert outcomes["read"] < TRIES, "damage must be seen sometimes"
    assert time.monotonic() - begin < 60


def _read(path: Path, words: dict[str, Any], *, whole: bool) -> str:
    """`read`, or the reason; anything else that is raised fails the test."""
    try:
        reader = sniff(path, words=words)
        if reader.companions:
            reader.companions(path)
        items = list(reader.read(path, ReadOptions(whole=whole, format=words)))
    except Unreadable as error:
        assert len(error.reason) < 120
        return error.reason
    assert items
    return "read"


@pytest.mark.parametrize(
    "note", [b"## odd", b"## end of definitions", b"## time resolution: 1", b"### odd "]
)
def test_annotations_that_say_odd_things_of_their_file(tmp_path: Path, note: bytes) -> None:
    """wfdb-python would read such files forever."""
    path = record(tmp_path, "r", waves())
    about = b"\x00\x58" + bytes([len(note), 0xFC]) + note + bytes(len(note) % 2)
    (tmp_path / "r.atr").write_bytes(about * 2 + bytes([10, 4, 20, 20, 0, 0]))
    with at_most(SECONDS):
        (item,) = find_reader("wfdb").read(path, ReadOptions())
    assert isinstance(item, Item)
    found = item.facts["annotations"]["atr"]
    assert (found["samples"], found["symbols"]) == ([10, 30], ["N", "V"])
    assert found["rate"] == (1.0 if b"resolution" in note else 100.0)


def test_descriptors_are_closed(tmp_path: Path) -> None:
    """Files that cannot be read leave nothing open."""
    films, sounds = film(tmp_path / "f", 5), _sound("FLAC")(tmp_path)[0]
    for path in (films, sounds):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 3])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        for path, name in ((films, "video"), (sounds, "audio")):
            with pytest.raises(Unreadable):
                list(find_reader(name).read(path, ReadOptions()))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
