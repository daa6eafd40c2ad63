"""Sound: the samples that soundfile gives, at their own rate, and files that break off."""

from __future__ import annotations

import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from medfm_cli.readers import (
    Item,
    ReadOptions,
    Unreadable,
    find_reader,
    read_images,
    sniff,
)
from medfm_cli.samples.content import Audio

RATE = 8000


def read(path: Path, **options: Any) -> Item:
    (item,) = read_images(path, ReadOptions(**options))
    return item


def audio(item: Item) -> Audio:
    assert isinstance(item.content, Audio)
    return item.content


def tones(channels: int = 2, seconds: float = 2.0) -> np.ndarray:
    time = np.arange(int(RATE * seconds)) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * 200 * (i + 1) * time) for i in range(channels)], 1)


def sound(path: Path, kind: str, **more: Any) -> Path:
    soundfile.write(path, tones(), RATE, format=kind, **more)
    return path


@pytest.mark.realdata
def test_heart_sounds(shared_data: Path) -> None:
    """Every file as the standard library reads it."""
    paths = sorted((shared_data / "audio_heart_pascal").rglob("*.wav"))
    assert len(paths) == 178
    for path in paths:
        item = read(path)
        with wave.open(str(path)) as plain:
            frames = np.frombuffer(plain.readframes(plain.getnframes()), "<i2")
            assert audio(item).rate == plain.getframerate()
        np.testing.assert_array_equal(audio(item).values, frames[None] / np.float32(32768))
        assert item.modality == "Audio"
        assert item.notes == ()


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_24"), ("WAV", "FLOAT"), ("RF64", "PCM_16"), ("FLAC", "PCM_16"),
     ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)  # fmt: skip
def test_every_kind_by_its_content(tmp_path: Path, kind: str, subtype: str) -> None:
    path = sound(tmp_path / "x.raw", kind, subtype=subtype)
    expected, rate = soundfile.read(path.rename(tmp_path / "x"), dtype="float32", always_2d=True)
    path = (tmp_path / "x").rename(path)
    close = 1e-6 if kind == "MP3" else 0
    assert sniff(path).name == "audio"
    item = read(path)
    np.testing.assert_allclose(audio(item).values, expected.T, rtol=0, atol=close)
    assert (audio(item).rate, item.facts["subtype"]) == (float(rate), subtype)
    assert item.facts["seconds"] == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG"])
def test_a_sound_that_breaks_off_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    soundfile.write(path, tones(seconds=30), RATE, format=kind)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    if kind == "OGG":  # a stream may end anywhere
        assert "may be cut" in read(path).notes[0]
        return
    with pytest.raises(Unreadable, match=r"truncated|damaged"):
        read(path)


def test_damage_in_the_midst_of_an_mp3_is_noted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(sound(tmp_path / "x", "MP3").read_bytes())
    data[4000:4400] = bytes(400)
    (tmp_path / "x").write_bytes(data)
    assert "met damage" in read(tmp_path / "x").notes[0]
    assert capfd.readouterr() == ("", "")


def test_a_header_that_claims_much_costs_nothing(tmp_path: Path) -> None:
    data = bytearray(sound(tmp_path / "x", "FLAC").read_bytes())
    data[21:26] = b"\xff" * 5  # samples in the stream
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(Unreadable):
        read(tmp_path / "x")
    with pytest.raises(Unreadable, match="million samples"):
        read(sound(tmp_path / "y", "WAV"), max_values=1000)


def test_tags_are_not_looked_at(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "x", "w", RATE, 1, format="OGG") as file:
        file.title = "Mrs Jones"
        file.write(tones(1))
    assert "Jones" not in repr(read(tmp_path / "x"))


@pytest.mark.parametrize(
    "head", [b"\xff\xfe" + "Text".encode("utf-16-le") * 40, b"\xff\xfb\x90" * 50]
)
def test_what_only_begins_like_mp3_is_none(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x").write_bytes(head)
    with pytest.raises(Unreadable, match="no known format"):
        sniff(tmp_path / "x")


@pytest.mark.parametrize("name", ["audio", "video", "edf"])
def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One such file costs itself, and not the reading of all others."""
    for module in ("soundfile", "av", "edfio"):
        monkeypatch.setitem(sys.modules, module, None)
    head = b"0       " + b" " * 176 + b"512     " + b" " * 44 + b"1       " + b"1       " + b"1   "
    (tmp_path / "x").write_bytes(head if name == "edf" else b"\x00\x00\x01\xba" * 99)
    with pytest.raises(Unreadable, match=r"pip install 'medfm\[(media|signals)\]'"):
        list(find_reader(name).read(tmp_path / "x", ReadOptions()))
