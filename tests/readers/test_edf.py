"""EDF and BDF: what edfio writes, what a plain parse of the bytes says, and whom nothing names."""

from __future__ import annotations

import datetime
from pathlib import Path

import edfio
import numpy as np
import pytest
from signal_files import recording

from medfm_cli.readers import Item, Unreadable, read_images
from medfm_cli.samples.content import Signal


def read(path: Path) -> list[Item]:
    return list(read_images(path))


def signal(item: Item) -> Signal:
    assert isinstance(item.content, Signal)
    return item.content


def plain(path: Path) -> dict[str, np.ndarray]:
    """The physical values by channel, from the bytes and nothing else."""
    data = path.read_bytes()
    wide = 3 if data[:1] == b"\xff" else 2
    count, records = int(data[252:256]), int(data[236:244])

    def fields(offset: int, size: int) -> list[str]:
        start = 256 + offset * count
        return [data[start + i * size :][:size].decode().strip() for i in range(count)]

    labels, per_record = fields(0, 16), [int(text) for text in fields(216, 8)]
    low, high, least, most = (
        [float(text) for text in fields(offset, 8)] for offset in (104, 112, 120, 128)
    )
    start, found = 256 * (count + 1), {label: [] for label in labels}
    for _ in range(records):
        for i, label in enumerate(labels):
            raw = data[start : start + wide * per_record[i]]
            start += len(raw)
            numbers = [
                int.from_bytes(raw[j : j + wide], "little", signed=True)
                for j in range(0, len(raw), wide)
            ]
            scale = (high[i] - low[i]) / (most[i] - least[i])
            found[label] += [low[i] + scale * (number - least[i]) for number in numbers]
    return {label: np.array(values) for label, values in found.items()}


@pytest.mark.parametrize("bdf", [False, True])
def test_values_are_those_of_the_bytes(tmp_path: Path, bdf: bool) -> None:
    path = recording(tmp_path / "x", bdf=bdf)
    fast, slow = read(path)
    assert (signal(fast).channels, signal(fast).rate) == (("EEG Fpz-Cz", "EEG Pz-Oz"), 100.0)
    assert (signal(slow).channels, signal(slow).rate) == (("Resp",), 20.0)
    assert signal(fast).units == ("uV", "uV")
    assert (fast.modality, fast.part, slow.part) == ("EEG", "100 Hz", "20 Hz")
    expected = plain(path)
    for item in (fast, slow):
        for name, values in zip(signal(item).channels, signal(item).values, strict=True):
            np.testing.assert_allclose(values, expected[name], rtol=1e-6, atol=1e-6)


def test_the_patient_is_handed_over_apart(tmp_path: Path) -> None:
    patient = edfio.Patient(
        code="MCH-0234567", sex="F", birthdate=datetime.date(1951, 8, 2), name="Haagse_Harry"
    )
    about = edfio.Recording(
        startdate=datetime.date(2002, 3, 2), hospital_administration_code="PSG-1234/2002"
    )
    path = recording(
        tmp_path / "x", patient=patient, recording=about, starttime=datetime.time(23, 5)
    )
    item = read(path)[0]
    assert (item.subject, item.study) == ("MCH-0234567", "PSG-1234/2002")
    assert (item.age, item.sex, item.time) == (50.0, "F", "2002-03-02T23:05:00")
    assert "Harry" not in repr(item)
    assert "0234567" not in repr(item.facts)


def test_an_anonymous_header_says_nothing(tmp_path: Path) -> None:
    item = read(recording(tmp_path / "x"))[0]
    assert (item.subject, item.study, item.age, item.sex, item.time) == (None, None, None, "", None)


def test_annotations_of_a_known_kind_are_counted_and_the_others_private(tmp_path: Path) -> None:
    said = [
        edfio.EdfAnnotation(0, 30, "Sleep stage W"),
        edfio.EdfAnnotation(1, None, "Lights off@@EEG Fpz-Cz"),
        edfio.EdfAnnotation(2, None, "Mrs Jones wakes up"),
        edfio.EdfAnnotation(3, 30, "Sleep stage W"),
    ]
    item = read(recording(tmp_path / "x", annotations=said))[0]
    found = item.facts["annotations"]["edf"]
    assert found["counts"] == {"Lights off": 1, "Sleep stage W": 2, "other": 1}
    assert found["seconds"] == [0.0, 1.0, 2.0, 3.0]
    assert "Jones" not in repr(item.facts)
    assert item.text == "Mrs Jones wakes up"


def test_a_file_that_breaks_off_is_told(tmp_path: Path) -> None:
    data = recording(tmp_path / "x").read_bytes()
    for size in (len(data) - 1, len(data) - 300, 1100):
        (tmp_path / "x").write_bytes(data[:size])
        with pytest.raises(Unreadable, match=r"truncated|damaged"):
            read(tmp_path / "x")


def test_a_channel_without_a_scale_has_no_values(tmp_path: Path) -> None:
    data = bytearray(recording(tmp_path / "x").read_bytes())
    low, high = 256 + 3 * 104 + 8, 256 + 3 * 112 + 8  # of the second channel
    data[high : high + 8] = data[low : low + 8]
    (tmp_path / "x").write_bytes(data)
    fast, slow = read(tmp_path / "x")
    assert np.isnan(signal(slow).values).all()
    assert np.isfinite(signal(fast).values).all()
    assert "1 channels have no scale" in fast.notes[0]


def test_a_discontinuous_recording_is_noted(tmp_path: Path) -> None:
    data = bytearray(recording(tmp_path / "x", annotations=[]).read_bytes())
    data[192:197] = b"EDF+D"
    (tmp_path / "x").write_bytes(data)
    assert "discontinuous" in read(tmp_path / "x")[0].notes[0]


@pytest.mark.realdata
def test_a_real_file_of_annotations_has_no_signal(shared_data: Path) -> None:
    with pytest.raises(Unreadable, match="annotations") as caught:
        read(shared_data / "ecg_wfdb_samples" / "test_edfann.edf")
    assert caught.value.step == "quality"
