"""DICOM waveforms (PS3.3 C.10.9): ECG, pressures, respiration, EEG, in physical units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom import header
from medfm_cli.readers.dicom.geometry import number
from medfm_cli.readers.dicom.header import text
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.voxels import check_size
from medfm_cli.samples.content import Signal

if TYPE_CHECKING:
    from pydicom import Dataset

_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
    (64, "SV"): "i8",
    (64, "UV"): "u8",
}
_MODALITIES = (("ECG", "ECG"), ("Electroencephalogram", "EEG"))
_LEAD = re.compile(r"(?:lead )?(I{1,3}|aV[RLF]|V[1-9]R?|[XYZ]|MCL[1-6]?)\b.*", re.IGNORECASE)


def signals(dataset: Dataset, options: ReadOptions, common: dict[str, Any]) -> Iterator[Item]:
    """A `Signal` for each multiplex group: samples · sensitivity · correction + baseline.

    Channels are called by the lead that their source names, units are as coded (`uV`, `mm[Hg]`).

    Raises:
        Unreadable: recorded speech, an encoding that is not linear, or a damaged group.
    """
    storage = header.storage_class(dataset)
    if "Audio" in storage or text(dataset, "Modality").upper() == "AU":
        raise Unreadable("not a signal: recorded speech", step="quality")
    little = bool(dataset.original_encoding[1])
    found = dataset.get("WaveformSequence") or []
    if not len(found):
        raise Unreadable("a DICOM waveform without samples", step="quality")
    modality = next((name for part, name in _MODALITIES if part in storage), "")
    about = {**common, "modality": modality or common["modality"], "anatomy": ""}
    for index, group in enumerate(found):
        try:
            content, notes = _signal(group, options, little=little)
        except Unreadable:
            raise
        except Exception:  # elements that contradict each other, or cannot be parsed
            raise Unreadable("a damaged DICOM waveform") from None
        facts = header.facts(dataset) | {"format": "DICOM", "groups": len(found)}
        kind = header.code(text(group, "WaveformOriginality"))
        facts |= {"originality": kind} if kind else {}
        yield Item(content, facts, frame=index, **(about | {"notes": notes}))


def _signal(
    group: Dataset, options: ReadOptions, *, little: bool
) -> tuple[Signal, tuple[str, ...]]:
    channels = _whole(group, "NumberOfWaveformChannels")
    samples = _whole(group, "NumberOfWaveformSamples")
    check_size((channels, samples), options.max_values)
    rate = number(group, "SamplingFrequency")
    if rate <= 0:
        raise Unreadable("a waveform without its sampling frequency")
    stored = _stored(group, samples, channels, little=little)
    values = stored.astype(np.float64)
    if padding := _padding(group, stored.dtype):
        values[stored == padding[0]] = np.nan
    sources = list(group.get("ChannelDefinitionSequence") or [])
    if sources and len(sources) != channels:
        raise Unreadable("a waveform whose channels are not all described")
    for index, source in enumerate(sources):
        scaled, offset = _factors(source)
        values[:, index] = values[:, index] * scaled + offset
    skewed = any(number(s, "ChannelSampleSkew") or number(s, "ChannelTimeSkew") for s in sources)
    content = Signal(
        np.ascontiguousarray(values.T, dtype=np.float32),
        rate,
        tuple(_name(source) or f"channel {i + 1}" for i, source in enumerate(sources)),
        tuple(_unit(source) for source in sources),
    )
    return content, ("channels are skewed in time, not corrected",) if skewed else ()


def _stored(group: Dataset, samples: int, channels: int, *, little: bool) -> NDArray[Any]:
    """The stored numbers, `[samples, channels]`."""
    bits, kind = _whole(group, "WaveformBitsAllocated"), text(group, "WaveformSampleInterpretation")
    if kind in ("MB", "AB"):
        raise Unreadable("a waveform in a companded encoding (µ-law or A-law)")
    if (bits, kind) not in _TYPES:
        raise Unreadable(f"a waveform of {bits}-bit samples of an unknown kind")
    data = bytes(group.get("WaveformData") or b"")
    dtype = np.dtype(("<" if little else ">") + _TYPES[bits, kind])
    size = samples * channels * dtype.itemsize
    if not size or len(data) < size:
        raise Unreadable("its waveform data is shorter than its header says")
    return np.frombuffer(data[:size], dtype).reshape(samples, channels)


def _padding(group: Dataset, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """The number that stands for a missing sample, `[1]`."""
    value = group.get("WaveformPaddingValue")
    if isinstance(value, bytes) and len(value) >= dtype.itemsize:
        return np.frombuffer(value[: dtype.itemsize], dtype)
    return np.array([value], dtype) if isinstance(value, int) else None


def _factors(source: Dataset) -> tuple[float, float]:
    """What a stored number is multiplied with, and what is added."""
    sensitivity = _number_or(source, "ChannelSensitivity", 1.0)
    correction = _number_or(source, "ChannelSensitivityCorrectionFactor", 1.0)
    return sensitivity * correction, _number_or(source, "ChannelBaseline", 0.0)


def _number_or(source: Dataset, name: str, default: float) -> float:
    return float(text(source, name)) if text(source, name) else default


def _name(source: Dataset) -> str:
    """The lead that the channel's source names, else what it is called."""
    coded = source.get("ChannelSourceSequence") or []
    meaning = text(coded[0], "CodeMeaning") if len(coded) else ""
    meaning = header.code(meaning) or header.code(text(source, "ChannelLabel"))
    lead = _LEAD.fullmatch(meaning)
    return _spelt(lead[1]) if lead else meaning


def _spelt(lead: str) -> str:
    """The usual spelling: `aVR`, `V1`, `II`."""
    upper = lead.upper()
    return f"a{upper[1:]}" if upper.startswith("AV") else upper


def _unit(source: Dataset) -> str:
    coded = source.get("ChannelSensitivityUnitsSequence") or []
    unit = text(coded[0], "CodeValue") if len(coded) else ""
    return unit if re.fullmatch(r"[\w\[\]/.%*{}-]{1,24}", unit) else ""


def _whole(group: Dataset, name: str) -> int:
    value = text(group, name)
    if not value.isdigit():
        raise Unreadable(f"a waveform without a number for {name}")
    return int(value)
