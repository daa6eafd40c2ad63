"""WFDB records: values as the format defines them, and headers that are not to be trusted.

The expected values are worked out here from the bytes, and not by the library that the reader uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from signal_files import record, segmented, waves

from medfm_cli.readers import Item, ReadOptions, Unreadable, find_reader, read_images, sniff
from medfm_cli.readers.signals import wfdb_annotations as annotating
from medfm_cli.samples.content import Signal

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # where wfdb writes


def read(path: Path, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**options)))


def signal(item: Item) -> Signal:
    assert isinstance(item.content, Signal)
    return item.content


def named(item: Item) -> list[tuple[str, np.ndarray]]:
    return list(zip(signal(item).channels, signal(item).values, strict=True))


def companions(path: Path) -> list[str]:
    find = find_reader("wfdb").companions
    assert find is not None
    return [file.name for file in find(path)]


def packed(group: int, bits: list[list[tuple[int, int]]]) -> Callable[[list[int]], bytes]:
    """A format of `group` bytes; for each sample, (its bit, the bit of the group) it begins at.

    A sample of ten bits that lies in two pieces has two entries, the low piece first.
    """

    def pack(digits: list[int]) -> bytes:
        data, count = bytearray(), len(bits)
        for start in range(0, len(digits), count):
            word = 0
            for digit, pieces in zip(digits[start : start + count], bits, strict=False):
                ends = [*[piece[0] for piece in pieces[1:]], 12 if group == 3 else 10]
                for (low, place), high in zip(pieces, ends, strict=True):
                    word |= (digit >> low & (1 << high - low) - 1) << place
            data += word.to_bytes(group, "little")
        return bytes(data)

    return pack


def each(size: int, order: str = "little", zero: int = 0) -> Callable[[list[int]], bytes]:
    """A format of whole bytes, signed or (with a `zero`) not."""
    return lambda digits: b"".join(
        (digit + zero).to_bytes(size, order, signed=not zero)  # type: ignore[arg-type]
        for digit in digits
    )


FORMATS: dict[str, tuple[int, Callable[[list[int]], bytes]]] = {
    "16": (16, each(2)),
    "24": (24, each(3)),
    "32": (32, each(4)),
    "61": (16, each(2, "big")),
    "80": (8, each(1, zero=128)),
    "160": (16, each(2, zero=32768)),
    "212": (12, packed(3, [[(0, 0), (8, 8)], [(0, 16), (8, 12)]])),
    "310": (10, packed(4, [[(0, 1)], [(0, 17)], [(0, 11), (5, 27)]])),
    "311": (10, packed(4, [[(0, 0)], [(0, 10)], [(0, 20)]])),
}
"""Bits of a sample, and how samples lie in bytes, as `signal(5)` says."""


def digits_of(bits: int, frames: int, widths: list[int], seed: int = 0) -> list[np.ndarray]:
    """Whole numbers for each channel, with the lowest and the highest that there are."""
    random = np.random.default_rng(seed)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    channels = [random.integers(low + 1, high, frames * width) for width in widths]
    for channel in channels:
        channel[5:9] = [low, high, 0, -1]
    return channels


def woven(channels: list[np.ndarray], widths: list[int]) -> list[int]:
    """Samples as they follow each other in the file: frame by frame, channel by channel."""
    blocks = [c.reshape(-1, width) for c, width in zip(channels, widths, strict=True)]
    return [int(digit) for digit in np.concatenate(blocks, axis=1).reshape(-1)]


def physical(digits: np.ndarray, gain: float, baseline: int, lowest: int | None) -> np.ndarray:
    values = (digits.astype(np.float64) - baseline) / gain
    values[digits == lowest] = np.nan
    return values.astype(np.float32)


def first_samples(path: Path) -> list[tuple[str, float]]:
    """Names and first physical values as the header says; NaN for skewed channels."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    found = []
    for line in lines[1:]:
        _, stored, gain, _, zero, first, *rest = line.split(None, 8)
        scale, _, base = gain.split("/")[0].partition("(")
        baseline = int(base.rstrip(")")) if base else int(zero)
        value = (int(first) - baseline) / (float(scale) or 200)
        found.append((rest[2].strip(), np.nan if ":" in stored else value))
    return found


@pytest.mark.realdata
def test_every_storage_format_reads_as_its_header_says(shared_data: Path) -> None:
    count, storage = Counter[str](), set()
    for path in sorted((shared_data / "ecg_wfdb_samples").glob("*.hea")):
        try:
            items = read(path)
        except Unreadable as error:
            count[error.reason] += 1
            continue
        count["read"] += 1
        if not path.stem.endswith("frame"):  # copies with the first samples of another record
            found = {name: v[0] for i in items for name, v in named(i)}
            for name, value in first_samples(path):
                if not np.isnan(found[name]) and not np.isnan(value):
                    assert found[name] == np.float32(value), (path.name, name)
                    count["first"] += 1
        count["notes"] += sum(len(item.notes) for item in items if "checksum" in str(item.notes))
        storage.update(items[0].facts["storage"].split())
    assert count["read"] == 21
    assert count["a WFDB header without its signal file"] == 13
    assert count["first"] == 50
    assert count["notes"] == 0, "the checksum of every real channel fits"
    assert storage >= {"8", "16", "24", "32", "61", "80", "160", "212", "310", "311"}
    assert storage >= {"508", "516", "524"}


@pytest.mark.realdata
def test_twelve_leads_of_ptb_xl(shared_data: Path) -> None:
    paths = sorted((shared_data / "ecg_ptbxl").rglob("*.hea"))
    assert len(paths) == 309
    for path in paths:
        (item,) = read(path)
        assert item.modality == "ECG"
        assert item.notes == ()
        assert signal(item).values.shape == (12, 1000)
        assert companions(path) == [path.with_suffix(".dat").name]
        stored = np.fromfile(path.with_suffix(".dat"), "<i2").reshape(1000, 12)
        np.testing.assert_array_equal(signal(item).values, (stored.T / 1000).astype(np.float32))


def places(path: Path) -> list[int]:
    """Where the annotations of a file lie, by `annot(5)`."""
    words = np.frombuffer(path.read_bytes(), "<u2").tolist()
    found: list[int] = []
    at = time = 0
    while words[at]:
        code, low = words[at] >> 10, words[at] & 0x3FF
        if code == 59:
            step = words[at + 1] << 16 | words[at + 2]
            time += step - (step >> 31 << 32)
        elif code <= 49:
            time += low
            about = code == 22 and not time  # a note at 0 is about the file
            found += [time] if code and not about else []
        at += {59: 3, 63: 1 + (low + 1) // 2}.get(code, 1)
    return found


@pytest.mark.realdata
def test_annotations_are_counted_and_placed(shared_data: Path) -> None:
    folder = shared_data / "ecg_wfdb_samples"
    endings = (".atr", ".qrs", ".anI", ".sqrs", ".wqrs", ".wabp", ".gqrsh", ".gqrsl")
    files = [path for path in folder.iterdir() if path.suffix in endings]
    assert len(files) == 10
    for path in files:
        found = annotating.summary(path, 250.0)
        assert found is not None
        assert found["samples"] == places(path)[: annotating.MOST], path.name
        assert sum(found["counts"].values()) == len(places(path)), path.name
    beats = annotating.summary(folder / "100.atr", 360.0)
    assert beats is not None
    assert beats["counts"] == {"(N": 1, "A": 33, "N": 2239, "V": 1}, "as the database says"
    item = read(folder / "03700181.hea")[0]
    beats = item.facts["annotations"]["sqrs"]
    assert beats["counts"] == {"N": 1195}
    assert beats["rate"] == 250.0
    assert len(beats["samples"]) == annotating.MOST == len(beats["symbols"])
    assert companions(folder / "03700181.hea")[1:] == [
        f"03700181.{ending}" for ending in ("gqrsh", "gqrsl", "sqrs")
    ]


@pytest.mark.parametrize("storage", FORMATS)
@pytest.mark.parametrize("frames", [30, 31, 32, 33])
def test_samples_of_every_format(tmp_path: Path, storage: str, frames: int) -> None:
    """Two rates, a skew, an invalid sample, bytes before the first sample, a name with dots."""
    bits, pack = FORMATS[storage]
    widths = [1, 2, 1]
    channels = digits_of(bits, frames, widths)
    (tmp_path / "r.1.dat").write_bytes(b"junk" + pack(woven(channels, widths)))
    sums = [int(channel.sum()) & 0xFFFF for channel in channels]
    (tmp_path / "r.hea").write_text(
        f"r 3 100 {frames}\n"
        f"r.1.dat {storage}+4 20(3)/uV 0 0 0 {sums[0]} 0 I\n"
        f"r.1.dat {storage}x2:4+4 1e-1/mmHg {bits} -7 0 {sums[1]} 0 ABP\n"
        f"r.1.dat {storage}+4\n"
    )
    fast, slow = read(tmp_path / "r.hea")
    lowest = -(1 << bits - 1)
    skewed = physical(channels[1], 0.1, -7, lowest)
    skewed = np.concatenate([skewed[8:], np.full(8, np.nan, np.float32)])
    np.testing.assert_array_equal(signal(fast).values, [skewed])
    expected = [physical(channels[0], 20, 3, lowest), physical(channels[2], 200, 0, lowest)]
    np.testing.assert_array_equal(signal(slow).values, expected)
    assert (signal(fast).rate, signal(slow).rate) == (200, 100)
    assert (signal(fast).units, signal(slow).units) == (("mmHg",), ("uV", "mV"))
    assert slow.notes == ("channels of several rates",), "the checksums fit"


def test_differences_are_summed_up(tmp_path: Path) -> None:
    """Format 8, which has no invalid samples: a -128 is one like any other."""
    steps = np.random.default_rng(0).integers(-9, 9, 400)
    digits = np.cumsum(steps) - 128
    assert -128 in digits
    (tmp_path / "r.dat").write_bytes(steps.astype(np.int8).tobytes())
    (tmp_path / "r.hea").write_text(f"r 1 100 400\nr.dat 8 1(2)/mV 8 0 -128 {digits.sum()} 0 I\n")
    (item,) = read(tmp_path / "r.hea")
    np.testing.assert_array_equal(signal(item).values[0], digits - 2)
    assert item.notes == ()


@pytest.mark.parametrize(("storage", "kind", "bits"), [("508", "PCM_S8", 8), ("516", "PCM_16", 16),
                                                        ("524", "PCM_24", 24)])  # fmt: skip
def test_flac(tmp_path: Path, storage: str, kind: str, bits: int) -> None:
    channels = digits_of(bits, 100, [1, 1])
    scaled = (np.stack(channels, axis=1) << 32 - bits).astype(np.int32)
    soundfile.write(tmp_path / "r.dat", scaled, 100, kind, format="FLAC")
    sums = [int(channel.sum()) & 0xFFFF for channel in channels]
    (tmp_path / "r.hea").write_text(
        f"r 2 100 90\nr.dat {storage}+10 1/mV\nr.dat {storage}:5+10 2/mV {bits} 0 0 {sums[1]} 0 V\n"
    )
    (item,) = read(tmp_path / "r.hea")
    first, second = (
        physical(c[10:], g, 0, -(1 << bits - 1)) for c, g in zip(channels, (1, 2), strict=True)
    )
    np.testing.assert_array_equal(signal(item).values[0], first)
    np.testing.assert_array_equal(signal(item).values[1, :-5], second[5:])
    assert np.isnan(signal(item).values[1, -5:]).all()
    assert "1 of 2" in item.notes[0], "ten samples of the sum are not in the record"


def test_channels_of_files_in_any_order(tmp_path: Path) -> None:
    a, b = np.arange(20, dtype="<i2"), np.arange(100, 110, dtype="<i2")
    (tmp_path / "a").write_bytes(a.tobytes())
    (tmp_path / "b").write_bytes(b.tobytes())
    (tmp_path / "r.hea").write_text("r 3 100 10\na 16 1/mV\nb 16 1/mV\na 16 1/mV\n")
    (item,) = read(tmp_path / "r.hea")
    np.testing.assert_array_equal(signal(item).values, [a[::2], b, a[1::2]])


def test_folders_and_units_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "http:::a b" / "zip::ü"
    folder.mkdir(parents=True)
    record(folder, "r", waves())
    (folder / "r.hea").write_text("r 1 100 10\nr.dat 16 1/µV 16 0 0 0 0 Ärm\n", encoding="utf-8")
    (item,) = read(folder / "r.hea")
    assert (signal(item).units, signal(item).channels) == (("µV",), ("Ärm",))


def test_segments_are_joined(tmp_path: Path) -> None:
    path = segmented(tmp_path)
    (item,) = read(path)
    gap, v = np.full((100, 2), np.nan), np.full((200, 2), np.nan)
    v[:, 1:] = waves(200, 1, seed=1)
    expected = np.concatenate([waves(300), gap, v])
    np.testing.assert_allclose(signal(item).values.T, expected, atol=1e-3)
    assert signal(item).channels == ("II", "V")
    assert item.facts["segments"] == 4
    assert companions(path) == ["layout.hea", "s1.hea", "s1.dat", "s2.hea", "s2.dat"]
    with pytest.raises(Unreadable, match="layout"):
        read(tmp_path / "layout.hea")


def test_segments_of_one_layout_are_joined(tmp_path: Path) -> None:
    record(tmp_path, "a", waves(300))
    record(tmp_path, "b", waves(200, seed=1))
    (tmp_path / "m.hea").write_text("m/2 2 100 500\na 300\nb 200\n")
    (item,) = read(tmp_path / "m.hea")
    expected = np.concatenate([waves(300), waves(200, seed=1)])
    np.testing.assert_allclose(signal(item).values.T, expected, atol=1e-3)


def test_what_comments_say(tmp_path: Path) -> None:
    path = record(
        tmp_path, "r", waves(), comments=["Age: 74", "Sex: Female", "Dx: 426783006,59118001"]
    )
    item = read(path)[0]
    assert (item.age, item.sex, item.labels) == (74.0, "F", ["426783006", "59118001"])
    path = record(tmp_path, "r", waves(), comments=["69 M 1085 1629 x1", "Aldomet, Inderal"])
    item = read(path)[0]
    assert (item.age, item.sex, item.text) == (69.0, "M", "Aldomet, Inderal")
    path = record(
        tmp_path, "r", waves(), comments=["<age>: 25 <sex>: M <subject_id>: p0017", "Mrs Jones"]
    )
    item = read(path)[0]
    assert (item.age, item.sex, item.subject) == (25.0, "M", "p0017")
    assert "Jones" not in repr(item.facts)
    assert "p0017" not in item.text


def test_the_day_of_recording_is_the_time(tmp_path: Path) -> None:
    path = record(tmp_path, "r", waves())
    text = path.read_text().splitlines()
    path.write_text("\n".join([text[0] + " 17:27:45 15/08/1994", *text[1:]]))
    assert read(path)[0].time == "1994-08-15T17:27:45"


def test_headers_as_others_write_them(tmp_path: Path) -> None:
    """The day first, as in the Challenge of 2020; tabs; fields left out; a baseline with a dot."""
    path = record(tmp_path, "r", waves())
    path.write_text(
        "r 2 500 500 05-Feb-2020 11:39:16\r\nr.dat 16x1 1000.0(0.0)/mV 16 0 I\r\n"
        "r.dat\t16\t1000/mV\t16\t0\t28\t-1716\t0\tlead II\r\n#Age: 74\r\n#Sex: Male\r\n"
    )
    item = read(path)[0]
    assert signal(item).channels == ("I", "lead II")
    assert (signal(item).rate, item.time) == (500.0, "2020-02-05T11:39:16")
    assert (item.age, item.sex) == (74.0, "M")


def test_a_header_is_known_by_its_content(tmp_path: Path) -> None:
    path = record(tmp_path, "r", waves())
    moved = path.rename(tmp_path / "anything.txt")
    assert signal(read(moved)[0]).values.shape == (2, 500)
    for text in ("1 2 3\n4 5 6\n", "id,age\n1,2\n", "hello 3\nworld 16 people\nall", "r 2 100\n"):
        (tmp_path / "x").write_text(text)
        with pytest.raises(Unreadable, match="no known format"):
            sniff(tmp_path / "x")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..\\x", "a/b.dat", ".hidden", "file:x"]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "r.hea").write_text(f"r 1 100 10\n{name} 16 200/mV\n")
    for look in (read, companions):
        with pytest.raises(Unreadable, match="outside of its folder"):
            look(tmp_path / "r.hea")
    (tmp_path / "m.hea").write_text(f"m/1 1 100 10\n{name} 10\n")
    with pytest.raises(Unreadable, match="outside of its folder"):
        companions(tmp_path / "m.hea")


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(20))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "r.dat").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "r.hea").write_text("r 1 100 10\nr.dat 16 200/mV\n")
    with pytest.raises(Unreadable, match="link"):
        read(tmp_path / "in" / "r.hea")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("r 1 100 900000000000\nr.dat 16\n", "million samples"),
        ("r 1 100 501\nr.dat 16\n", "shorter"),
        ("r 1 100 10\nr.dat 16x999999\n", "shorter"),
        ("r 1 100 10\nr.dat 16+99999999999\n", "shorter"),
        ("r 1 100 10\nr.dat 17\n", "unknown format"),
        ("r 1 100 10\nr.dat 508\n", "damaged"),
        ("r 3 100 10\nr.dat 16\n", "all of its signals"),
        ("r 0 100 10\n", "without signals"),
        ("r 1 0 10\nr.dat 16\n", "sampling rate"),
        ("r 1 100 10\nr.dat 16 x/mV\n", "no known format"),
        ("r 2 100 10\nr.dat 16 1/mV\nr.dat 16 x/mV\n", "damaged"),
        ("r 1 100 10\nother.dat 16\n", "without its signal file"),
        ("m/2 1 100 999999999999\n~ 999999999998\nr 1\n", "million samples"),
        ("m/1 1 100 9\nm 9\n", "segments inside"),
    ],
)
def test_headers_that_lie(tmp_path: Path, header: str, words: str) -> None:
    record(tmp_path, "r", waves(500, 1))
    path = tmp_path / f"{header[0]}.hea"
    path.write_text(header)
    with pytest.raises(Unreadable, match=words):
        read(path)


def test_a_flipped_sample_is_noted(tmp_path: Path) -> None:
    path = record(tmp_path, "r", waves())
    data = bytearray((tmp_path / "r.dat").read_bytes())
    data[100] ^= 4
    (tmp_path / "r.dat").write_bytes(data)
    assert "checksum does not fit in 1 of 2 channels" in read(path)[0].notes[0]


def test_a_header_without_length_takes_what_there_is(tmp_path: Path) -> None:
    path = record(tmp_path, "r", waves(501, 3), fmt=["212"] * 3)
    text = path.read_text().splitlines()
    path.write_text("\n".join(["r 3 100", *text[1:]]))
    assert signal(read(path)[0]).values.shape == (3, 501)
