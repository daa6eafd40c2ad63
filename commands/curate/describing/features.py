"""Simple features of a sample, by which classes are compared: what a glance would see.

No model is used. An image gives the mean of 16 × 16 grey squares, a volume of 8 × 8 × 8 cubes,
a signal or audio its power in frequency bands, a time series or row its mean values, and a text
its words.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.samples.content import (
    Audio,
    Content,
    Image2D,
    Row,
    Series,
    Signal,
    Text,
    Video,
    Volume,
)

Features = NDArray[np.float32] | dict[str, float]
_SIDE, _CUBE, _BANDS, _WORDS = 16, 8, 16, 256
_CHANNELS = 12


def features(content: Content) -> Features:
    """What a glance sees of a sample: a vector, or values by name."""
    match content:
        case Image2D():
            return squares(content.pixels, (_SIDE, _SIDE))
        case Volume():
            return squares(content.voxels, (_CUBE,) * 3)
        case Video():
            middle = content.frames[len(content.frames) // 2]
            return squares(middle, (_SIDE, _SIDE))
        case Signal() | Audio():
            return bands(content.values)
        case Series():
            return _means(content)
        case Row():
            cells = content.cells.items()
            return {name: float(v) for name, v in cells if isinstance(v, int | float)}
        case Text():
            return _words(content.text)


def matrix(rows: Sequence[Features]) -> NDArray[np.float64]:
    """The features of some samples of one kind, standardised: `[N, D]`, mean 0, deviation 1.

    Values that a sample lacks are the mean of the others. Features that never vary are 0.
    """
    if all(isinstance(row, Mapping) for row in rows):
        names = sorted({name for row in rows if isinstance(row, Mapping) for name in row})
        values = np.array([[_named(row, name) for name in names] for row in rows], np.float64)
    else:
        values = np.stack([np.asarray(row, np.float64) for row in rows])
    values[~np.isfinite(values)] = np.nan
    if not values.size:
        return values
    counts = np.maximum(np.isfinite(values).sum(axis=0), 1)
    mean = np.nansum(values, axis=0) / counts
    values = np.where(np.isfinite(values), values, mean)
    spread = values.std(axis=0)
    flat = spread <= 1e-12 * np.maximum(1.0, np.abs(mean))
    standard: NDArray[np.float64] = (values - mean) / np.where(flat, np.inf, spread)
    return standard


def squares(values: NDArray[Any], grid: tuple[int, ...]) -> NDArray[np.float32]:
    """Mean grey of the cells of a grid over an image `[H, W, …]` or volume `[D, H, W, …]`."""
    small = values
    for axis, cells in enumerate(grid):
        edges = np.linspace(0, small.shape[axis], cells + 1)
        starts = np.minimum(edges[:-1].astype(int), small.shape[axis] - 1)
        sums = np.add.reduceat(small, starts, axis=axis, dtype=np.float64)
        counts = np.diff(np.append(starts, small.shape[axis]))
        counts[counts <= 0] = 1  # of an axis shorter than the grid, reduceat repeats a value
        shape = [1] * small.ndim
        shape[axis] = cells
        small = sums / counts.reshape(shape)
    grey = small.mean(axis=tuple(range(len(grid), small.ndim))) if small.ndim > len(grid) else small
    means: NDArray[np.float32] = np.nan_to_num(grey).reshape(-1).astype(np.float32)
    return means


def bands(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log power in bands of frequency of the first channels `[C, T]`, for 12 channels."""
    rows = np.zeros((_CHANNELS, _BANDS), np.float32)
    for row, channel in zip(rows, values[:_CHANNELS], strict=False):
        known = np.nan_to_num(channel.astype(np.float64))
        power = np.abs(np.fft.rfft(known - known.mean())) ** 2 / max(1, len(known))
        edges = np.unique(np.geomspace(1, max(2, len(power)), _BANDS + 1).astype(int)) - 1
        sums = np.add.reduceat(power, np.minimum(edges[:-1], len(power) - 1))
        row[: len(sums)] = np.log10(sums + 1e-9)
    return rows.reshape(-1)


def _means(content: Series) -> dict[str, float]:
    features = {k: float(v) for k, v in content.static.items() if not isinstance(v, str)}
    for name, row in zip(content.channels, content.values, strict=False):
        known = row[np.isfinite(row)]
        if known.size:
            features[name] = float(known.mean(dtype=np.float64))
    return features


def _words(text: str) -> NDArray[np.float32]:
    """How often words fall into 256 bins, in logarithms."""
    counts = np.zeros(_WORDS, np.float32)
    for word in text.lower().split():
        counts[zlib.crc32(word.encode("utf-8", "surrogatepass")) % _WORDS] += 1
    return np.log1p(counts)


def _named(row: Features, name: str) -> float:
    return row.get(name, np.nan) if isinstance(row, Mapping) else np.nan
