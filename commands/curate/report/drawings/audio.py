"""Sound: its wave above its log-mel spectrogram, on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medfm_cli.runs.axes import round_steps, thinned
from medfm_cli.runs.colormaps import LOUDNESS, coloured
from medfm_cli.runs.drawing import Drawing
from medfm_cli.runs.svg import COLOURS, RULE, SOFT
from medfm_cli.samples.content import Audio
from medfm_cli.samples.payload import png

BANDS: Final = 64
WINDOW: Final = 0.032
"""Seconds of sound in one column of the spectrogram."""
RANGE: Final = 70.0
"""Decibels below the loudest that are still shown."""
_CELL, _GAP, _LEFT = 420.0, 20.0, 44.0
_WAVE, _MEL, _TITLE, _FOOT = 64.0, 120.0, 24.0, 22.0
_COLUMNS: Final = 2


def sounds(recordings: Sequence[tuple[Audio, str]]) -> Drawing:
    """Draw some recordings, two in a row, each under its title."""
    rows = -(-len(recordings) // _COLUMNS)
    height = _TITLE + _WAVE + 6 + _MEL + _FOOT
    width = _COLUMNS * _CELL + (_COLUMNS - 1) * _GAP
    drawing = Drawing(width, rows * (height + _GAP) - _GAP)
    for number, (sound, title) in enumerate(recordings):
        row, column = divmod(number, _COLUMNS)
        _recording(drawing, sound, title, column * (_CELL + _GAP), row * (height + _GAP))
    return drawing


def _recording(drawing: Drawing, sound: Audio, title: str, left: float, top: float) -> None:
    values = sound.values.mean(axis=0).astype(np.float64)
    length = len(values) / sound.rate
    x0, across = left + _LEFT, _CELL - _LEFT
    drawing.text((left, top + 14), title, size=12.5, bold=True, room=_CELL)
    top += _TITLE
    middle = top + _WAVE / 2
    loudest = float(np.abs(values).max()) or 1.0
    seconds = np.arange(len(values)) / sound.rate
    xs, ys = thinned(across * seconds / length, -values / loudest * _WAVE / 2)
    drawing.line((x0, middle), (x0 + across, middle), colour=RULE)
    drawing.curve(xs + x0, ys + middle, colour=COLOURS[0], width=0.8)
    drawing.text((x0 - 6, top + 10), f"±{loudest:.2g}", size=10.5, colour=SOFT, anchor="end")
    top += _WAVE + 6
    decibels, centres = log_mel(values, sound.rate)
    drawing.picture((x0, top), (across, _MEL), png(_coloured(decibels)))
    for hertz in _marks(centres):
        y = top + _MEL * (1 - (np.interp(hertz, centres, np.arange(BANDS)) + 0.5) / BANDS)
        label = f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz:g} Hz"
        drawing.text((x0 - 6, y + 4), label, size=10.5, colour=SOFT, anchor="end")
    marks = round_steps(0, length, 8)
    for second in marks:
        x = x0 + across * second / length
        label = f"{second:g} s" if second == marks[-1] else f"{second:g}"
        anchor = "end" if x > x0 + across - 12 else "middle"
        drawing.text((x, top + _MEL + 14), label, size=10.5, colour=SOFT, anchor=anchor)


def log_mel(
    values: NDArray[np.float64], rate: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power in 64 mel bands up to half the rate: decibels below the loudest `[64, T]`, centres.

    Mel as HTK has it: 2595 log10(1 + f / 700). The Hann windows are 32 ms long and half over each
    other; centres are in Hz.
    """
    size = 1 << max(5, int(np.ceil(np.log2(max(2.0, WINDOW * rate)))))
    hop = max(1, round(WINDOW * rate / 2), len(values) // 1600)
    padded = np.pad(values, (size // 2, size))
    starts = np.arange(0, len(values), hop)
    window = np.hanning(size)
    power = np.empty((size // 2 + 1, len(starts)))
    for column, start in enumerate(starts):
        power[:, column] = np.abs(np.fft.rfft(padded[start : start + size] * window)) ** 2
    filters, centres = _filters(size, rate)
    decibels = 10 * np.log10(filters @ power + 1e-12)
    return np.maximum(decibels - decibels.max(), -RANGE), centres


def _filters(size: int, rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Triangles over the bins of a transform `[64, size / 2 + 1]`, and their centres in Hz."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.arange(size // 2 + 1) * rate / size
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling))
    for band in np.flatnonzero(filters.sum(axis=1) == 0):  # narrower than a bin
        filters[band, np.argmin(np.abs(bins - edges[band + 1]))] = 1
    return filters, edges[1:-1]


def _marks(centres: NDArray[np.float64]) -> list[float]:
    """Round frequencies that lie well apart on the mel axis."""
    wanted = (100, 200, 500, 1000, 2000, 4000, 8000, 16000)
    found: list[float] = []
    for hertz in wanted:
        place = np.interp(hertz, centres, np.arange(BANDS))
        far = not found or place - np.interp(found[-1], centres, np.arange(BANDS)) > BANDS / 9
        if centres[0] <= hertz <= centres[-1] and far:
            found.append(float(hertz))
    return found


def _coloured(decibels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Dark where it is quiet, bright where it is loud; low sounds at the bottom."""
    return coloured(1 + decibels[::-1] / RANGE, LOUDNESS)
