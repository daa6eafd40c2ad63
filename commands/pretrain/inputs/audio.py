"""Resolve the input of audio: rate, length, windows and mel bands."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np

from medfm_cli.commands.pretrain.inputs.inspect import evenly_spaced, most_common, read_metadata
from medfm_cli.data.inputs.audio import AudioInput, mel_filters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.inputs.inspect import Resolve
    from medfm_cli.commands.pretrain.inputs.options import AudioChoice
    from medfm_cli.data.dataset import Dataset

FASTEST, LONGEST = 16000, 10.0
"""Hz and seconds; AST and AudioMAE take 16 kHz and 10 s [memory]."""
WINDOW = 0.064
"""Shortest window in seconds: shorter ones cannot resolve the low frequencies of murmurs."""
FRAMES = 16
"""An input has a multiple of this many frames, so that patches fit."""
MOST = 1024
"""Most recordings whose decibels are measured, evenly spaced over all."""


def resolve_audio(
    choice: AudioChoice, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> AudioInput:
    """Resolve rate, length, windows and bands, and measure the decibels."""
    values = choice.model_dump()
    metadata = read_metadata(dataset, rows)
    if choice.rate == "auto":
        rate, count = most_common(float(each.meta["rate"]) for each in metadata)
        values["rate"] = min(round(rate), FASTEST)
        why = f"{count} of {len(metadata)} recordings have {rate:g} Hz; at most {FASTEST}"
        resolve("input.rate", values["rate"], why)
    rate = values["rate"]
    if choice.n_fft == "auto":
        values["n_fft"] = 1 << max(8, math.ceil(math.log2(WINDOW * rate)))
        resolve("input.n_fft", values["n_fft"], "a power of two from 256, 64 ms at least")
    if choice.hop == "auto":
        values["hop"] = max(1, round(0.01 * rate))
        resolve("input.hop", values["hop"], "10 ms")
    if choice.mels == "auto":
        values["mels"] = _bands(values)
        resolve("input.mels", values["mels"], "128, halved until each has two frequencies")
    if choice.seconds == "auto":
        median = statistics.median(each.seconds for each in metadata)
        values["seconds"] = _whole_frames(min(median, LONGEST), rate, values["hop"])
        why = f"median length {median:.3g} s; at most {LONGEST:g} s"
        resolve("input.seconds", values["seconds"], why)
    return _measured(AudioInput(**values), dataset, rows, resolve)


def _bands(values: dict[str, Any]) -> int:
    mels, rate = 128, values["rate"]
    top = values["fmax"] or rate / 2
    while mels > 4:
        filters = mel_filters(rate, values["n_fft"], mels, values["fmin"], top)
        if np.count_nonzero(filters, axis=1).min() >= 2:
            break
        mels //= 2
    return mels


def _whole_frames(seconds: float, rate: int, hop: int) -> float:
    frames = max(1, int(seconds * rate / hop) // FRAMES) * FRAMES
    return frames * hop / rate


def _measured(
    network_input: AudioInput, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> AudioInput:
    """The input with the mean and the deviation of the training samples' decibels."""
    sampled = evenly_spaced(rows, MOST)
    moments = np.array([_moments(network_input, dataset, row) for row in sampled.tolist()])
    mean, square = moments.mean(axis=0)
    std = math.sqrt(max(square - mean**2, 0.0)) or 1.0
    values = {"mean": float(f"{mean:.6g}"), "std": float(f"{std:.6g}")}
    for name, value in values.items():
        resolve(f"input.{name}", value, f"decibels of {len(sampled)} training samples")
    return network_input.model_copy(update=values)


def _moments(network_input: AudioInput, dataset: Dataset, row: int) -> tuple[float, float]:
    decibels = network_input.decibels(dataset.content(row)).astype(np.float64)
    return float(decibels.mean()), float((decibels**2).mean())
