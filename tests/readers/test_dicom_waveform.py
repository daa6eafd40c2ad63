"""DICOM waveforms beside pydicom's own decoding of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.waveforms import multiplex_array

from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images
from medfm_cli.samples.content import Signal

TWELVE_LEADS = "1.2.840.10008.5.1.4.1.1.9.1.1"
PRESSURES = "1.2.840.10008.5.1.4.1.1.9.2.1"
VOICE = "1.2.840.10008.5.1.4.1.1.9.4.1"


def read(path: Path | str, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**options)))


def source(meaning: str, unit: str = "", **elements: Any) -> Dataset:
    channel, coded = Dataset(), Dataset()
    coded.CodeValue, coded.CodingSchemeDesignator, coded.CodeMeaning = "1", "TEST", meaning
    channel.ChannelSourceSequence = [coded]
    if unit:
        units = Dataset()
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
        channel.ChannelSensitivityUnitsSequence = [units]
    for name, value in elements.items():
        setattr(channel, name, value)
    return channel


def waveform(
    path: Path,
    values: np.ndarray,
    sources: list[Dataset],
    *,
    kind: str = "SS",
    syntax: str = ExplicitVRLittleEndian,
    storage: str = TWELVE_LEADS,
    **elements: Any,
) -> Path:
    """`values` are the stored numbers, `[samples, channels]`."""
    group = Dataset()
    group.NumberOfWaveformChannels = values.shape[1]
    group.NumberOfWaveformSamples = values.shape[0]
    group.SamplingFrequency = 500
    group.WaveformOriginality = "ORIGINAL"
    group.WaveformBitsAllocated = values.dtype.itemsize * 8
    group.WaveformSampleInterpretation = kind
    group.ChannelDefinitionSequence = sources
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    group.add_new("WaveformData", "OB" if values.dtype.itemsize == 1 else "OW", data)
    for name, value in elements.items():
        if value is None:
            delattr(group, name)
        elif isinstance(value, tuple):
            group.add_new(name, *value)
        else:
            setattr(group, name, value)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = storage, "1.2.3"
    dataset.Modality = "HD" if storage == PRESSURES else "ECG"
    dataset.PatientID, dataset.PatientSex = "P1", "M"
    dataset.WaveformSequence = [group]
    dataset.save_as(path, enforce_file_format=True)
    return path


def counting(dtype: str = "i2", channels: int = 2) -> np.ndarray:
    return np.arange(40 * channels).reshape(40, channels).astype(dtype)


def test_a_real_ecg_against_pydicom() -> None:
    path = get_testdata_file("waveform_ecg.dcm")
    dataset = pydicom.dcmread(path)
    items = read(path)
    assert [item.frame for item in items] == [0, 1]
    for index, item in enumerate(items):
        assert isinstance(item.content, Signal)
        expected = multiplex_array(dataset, index, as_raw=False)
        np.testing.assert_allclose(item.content.values, expected.T, rtol=1e-6)
        assert item.content.rate == 1000
        assert item.content.channels == (
            "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
        )  # fmt: skip
        assert item.content.units == ("uV",) * 12
        assert (item.subject, item.sex, item.age) == ("642341", "F", 42.0)
        assert item.modality == "ECG"
    assert items[0].facts["originality"] == "ORIGINAL"


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("i1", "SB"), ("u1", "UB"), ("i2", "SS"), ("u2", "US"), ("i4", "SL"), ("u4", "UL")],
)
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_numbers_of_every_kind_become_physical(
    tmp_path: Path, dtype: str, kind: str, syntax: str
) -> None:
    stored = counting(dtype)
    sources = [
        source("Lead V1", "uV", ChannelSensitivity=2.5, ChannelSensitivityCorrectionFactor=2),
        source("Pressure", "mm[Hg]", ChannelSensitivity=0.5, ChannelBaseline=-10),
    ]
    path = waveform(tmp_path / "x", stored, sources, kind=kind, syntax=syntax)
    (item,) = read(path)
    expected = np.stack([stored[:, 0] * 5.0, stored[:, 1] * 0.5 - 10])
    np.testing.assert_allclose(item.content.array, expected, rtol=1e-6)
    assert item.content.meta == {
        "rate": 500.0, "channels": ["V1", "Pressure"], "units": ["uV", "mm[Hg]"],
    }  # fmt: skip


def test_padding_is_no_value(tmp_path: Path) -> None:
    stored = counting()
    stored[3, 1] = -32768
    padding = ("OW", np.array([-32768], "<i2").tobytes())
    path = waveform(
        tmp_path / "x", stored, [source("I"), source("II")], WaveformPaddingValue=padding
    )
    values = read(path)[0].content.array
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 3]]


def test_pressures_are_no_ecg(tmp_path: Path) -> None:
    sources = [source("Aorta"), source("Left ventricle")]
    (item,) = read(waveform(tmp_path / "x", counting(), sources, storage=PRESSURES))
    assert item.modality == ""
    assert item.content.meta["channels"] == ["Aorta", "Left ventricle"]


def test_a_skew_between_channels_is_told(tmp_path: Path) -> None:
    sources = [source("I"), source("II", ChannelSampleSkew="0.5")]
    (item,) = read(waveform(tmp_path / "x", counting(), sources))
    assert item.notes == ("channels are skewed in time, not corrected",)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"WaveformSampleInterpretation": "MB"}, "companded"),
        ({"WaveformSampleInterpretation": "XX"}, "unknown kind"),
        ({"WaveformData": ("OW", b"\0\0")}, "shorter than its header"),
        ({"WaveformData": None}, "shorter than its header"),
        ({"NumberOfWaveformSamples": 10**9}, "more than the limit"),
        ({"SamplingFrequency": None}, "sampling frequency"),
        ({"NumberOfWaveformChannels": 3, "NumberOfWaveformSamples": 20}, "not all described"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    path = waveform(tmp_path / "x", counting(), [source("I"), source("II")], **elements)
    with pytest.raises(Unreadable, match=reason):
        read(path)


def test_recorded_speech_is_no_signal(tmp_path: Path) -> None:
    path = waveform(tmp_path / "x", counting(channels=1), [source("Voice")], storage=VOICE)
    with pytest.raises(Unreadable, match="speech") as caught:
        read(path)
    assert caught.value.step == "quality"
