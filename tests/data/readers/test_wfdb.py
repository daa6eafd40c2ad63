"""WFDB records: the same values as wfdb-python reads, and headers that are not to be trusted."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from signal_files import record, segmented, waves

from medfm_cli.data.content import Signal
from medfm_cli.data.readers import Item, ReadOptions, Unreadable, find_reader, read_images, sniff
from medfm_cli.data.readers import wfdb_annotations as annotating

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # wfdb uses what pandas gives up
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def read(path: Path, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**options)))


def signal(item: Item) -> Signal:
    assert isinstance(item.content, Signal)
    return item.content


def companions(path: Path) -> list[str]:
    find = find_reader("wfdb").companions
    assert find is not None
    return [file.name for file in find(path)]


def compare(path: Path, items: list[Item]) -> None:
    """Every channel of the record as wfdb gives it, none resampled."""
    record = wfdb.rdrecord(str(path.with_suffix("")), smooth_frames=False)
    found = [
        (name, unit, signal(item).rate, values)
        for item in items
        for name, unit, values in zip(
            signal(item).channels, signal(item).units, signal(item).values, strict=True
        )
    ]
    assert len(found) == record.n_sig
    expected = sorted(
        range(record.n_sig), key=lambda channel: -record.samps_per_frame[channel]
    )  # items come by rate, channels of one rate in the header's order
    for (name, unit, rate, values), channel in zip(found, expected, strict=True):
        assert name == (record.sig_name[channel] or "")
        assert unit == record.units[channel]
        assert rate == pytest.approx(record.fs * record.samps_per_frame[channel])
        np.testing.assert_array_equal(values, record.e_p_signal[channel].astype(np.float32))


@pytest.mark.realdata
def test_every_storage_format_reads_as_wfdb_reads_it(shared_data: Path) -> None:
    count, storage = Counter[str](), set()
    for path in sorted((shared_data / "ecg_wfdb_samples").glob("*.hea")):
        try:
            items = read(path)
        except Unreadable as error:
            count[error.reason] += 1
            continue
        compare(path, items)
        count["read"] += 1
        count["notes"] += sum(len(item.notes) for item in items if "checksum" in str(item.notes))
        storage.update(items[0].facts["storage"].split())
    assert count["read"] == 21
    assert count["a WFDB header without its signal file"] == 13
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
    for path in paths[::10]:
        compare(path, read(path))


@pytest.mark.realdata
def test_annotations_are_counted_and_placed(shared_data: Path) -> None:
    folder = shared_data / "ecg_wfdb_samples"
    endings = (".atr", ".qrs", ".anI", ".sqrs", ".wqrs", ".wabp", ".gqrsh", ".gqrsl")
    files = [path for path in folder.iterdir() if path.suffix in endings]
    assert len(files) == 10
    for path in files:
        marks = annotating.read(path)
        assert marks is not None
        expected = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
        assert [mark.sample for mark in marks[0]] == expected.sample.tolist(), path.name
        symbols = [s if isinstance(s, str) else None for s in expected.symbol]  # NaN: free codes
        assert [m.symbol if m.symbol[0] != "#" else None for m in marks[0]] == symbols, path.name
    item = read(folder / "03700181.hea")[0]
    beats = item.facts["annotations"]["sqrs"]
    assert beats["counts"] == {"N": 1195}
    assert beats["rate"] == 250.0
    assert len(beats["samples"]) == annotating.MOST == len(beats["symbols"])
    assert companions(folder / "03700181.hea")[1:] == [
        f"03700181.{ending}" for ending in ("gqrsh", "gqrsl", "sqrs")
    ]


@pytest.mark.parametrize("storage", ["16", "24", "32", "80", "212", "508", "516", "524"])
@pytest.mark.parametrize("length", [497, 498, 499])
def test_what_wfdb_writes(tmp_path: Path, storage: str, length: int) -> None:
    values = waves(length)
    values[7, 1] = np.nan
    path = record(tmp_path, "r", values, fmt=[storage] * 2)
    items = read(path)
    compare(path, items)
    assert np.isnan(signal(items[0]).values[1, 7])


def test_segments_are_joined(tmp_path: Path) -> None:
    path = segmented(tmp_path)
    (item,) = read(path)
    expected = wfdb.rdrecord(str(tmp_path / "m")).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(signal(item).values, expected)
    assert signal(item).channels == ("II", "V")
    assert np.isnan(signal(item).values[0, 300:]).all()
    assert item.facts["segments"] == 4
    assert companions(path) == ["layout.hea", "s1.hea", "s1.dat", "s2.hea", "s2.dat"]
    with pytest.raises(Unreadable, match="layout"):
        read(tmp_path / "layout.hea")


def test_segments_of_one_layout_are_joined(tmp_path: Path) -> None:
    record(tmp_path, "a", waves(300))
    record(tmp_path, "b", waves(200, seed=1))
    (tmp_path / "m.hea").write_text("m/2 2 100 500\na 300\nb 200\n")
    (item,) = read(tmp_path / "m.hea")
    expected = wfdb.rdrecord(str(tmp_path / "m")).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(signal(item).values, expected)


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
