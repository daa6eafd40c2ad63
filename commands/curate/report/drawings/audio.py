"""Audio: the waveform above its log-mel spectrogram, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.inputs.audio import mel_filters, spectrogram
from medfm_cli.runs.figures import COLOURS, blank, label, place, styled
from medfm_cli.samples.content import Audio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BANDS: Final = 64
WINDOW: Final = 0.032
"""Seconds of one window of the spectrogram."""
RANGE: Final = 70.0
"""Decibels below the maximum that are shown."""
_HERTZ: Final = np.array([125, 500, 1000, 2000, 4000, 8000, 16000])
"""Frequencies named on the axis; on the mel scale they lie well apart."""
_CELL, _GAP, _LEFT = 420.0, 20.0, 50.0
_WAVE, _MEL, _TITLE, _FOOT = 64.0, 120.0, 24.0, 34.0
_COLUMNS: Final = 2


@styled
def recordings(shown: Sequence[tuple[Audio, str]]) -> Figure:
    """Draw some recordings, two in a row, each under its title."""
    rows = -(-len(shown) // _COLUMNS)
    height = _TITLE + _WAVE + 6 + _MEL + _FOOT
    drawing = blank(_COLUMNS * (_CELL + _GAP) - _GAP, rows * (height + _GAP) - _GAP)
    size = _CELL - _LEFT - 8
    for number, (audio, title) in enumerate(shown):
        row, column = divmod(number, _COLUMNS)
        left, top = column * (_CELL + _GAP), row * (height + _GAP)
        label(drawing, (left, top + 14), title, length=62, weight="bold")
        top += _TITLE
        _waveform(place(drawing, (left + _LEFT, top), (size, _WAVE)), audio)
        _mel(place(drawing, (left + _LEFT, top + _WAVE + 6), (size, _MEL)), audio)
    return drawing


def _waveform(axes: Axes, audio: Audio) -> None:
    """The mean of the channels; of long recordings the lowest and highest value a column."""
    values = audio.values.mean(axis=0)
    starts = np.linspace(0, len(values), min(len(values), 800), endpoint=False).astype(int)
    lows, highs = (np.append(f.reduceat(values, starts), 0.0) for f in (np.minimum, np.maximum))
    seconds = np.append(starts, len(values)) / audio.rate
    axes.fill_between(seconds, lows, highs, color=COLOURS[0], linewidth=0.5)
    loudest = float(np.abs(values).max()) or 1.0
    axes.set(xlim=(0, seconds[-1]), ylim=(-loudest, loudest))
    axes.set_yticks([0], [f"±{loudest:.2g}"])
    axes.tick_params(bottom=False, labelbottom=False, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", visible=False)


def _mel(axes: Axes, audio: Audio) -> None:
    decibels, centres = log_mel(audio.values.mean(axis=0), audio.rate)
    extent = (0, audio.values.shape[1] / audio.rate, 0, BANDS)
    axes.imshow(decibels, cmap="magma", vmin=-RANGE, vmax=0, origin="lower", extent=extent,
                aspect="auto", interpolation="none")  # fmt: skip
    hertz = _HERTZ[np.searchsorted(_HERTZ, centres[0]) : np.searchsorted(_HERTZ, centres[-1])]
    names = [f"{f / 1000:g} kHz" if f >= 1000 else f"{f:g} Hz" for f in hertz]
    axes.set_yticks(np.interp(hertz, centres, np.arange(BANDS) + 0.5), names)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("Seconds", fontsize=8)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def log_mel(
    values: NDArray[np.floating], rate: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Power in 64 mel bands up to half the rate: decibels below the maximum `[64, T]`, centres.

    Windows are 32 ms long and overlap by half; centres are in Hz.
    """
    size = 1 << max(5, int(np.ceil(np.log2(max(2.0, WINDOW * rate)))))
    hop = max(1, round(WINDOW * rate / 2), len(values) // 1600)
    filters = mel_filters(rate, size, BANDS, 0.0, rate / 2).copy()
    top = 2595 * np.log10(1 + rate / 2 / 700)
    centres = 700 * (10 ** (np.linspace(0, top, BANDS + 2)[1:-1] / 2595) - 1)
    empty = np.flatnonzero(~filters.any(axis=1))  # narrower than a bin: take the nearest
    filters[empty, np.round(centres[empty] * size / rate).astype(int)] = 1
    filled = np.pad(values.astype(np.float32), (0, max(0, size - len(values))))
    decibels = 10 * np.log10(filters @ spectrogram(filled, size, hop) + 1e-12)
    return np.maximum(decibels - decibels.max(), -RANGE), centres
