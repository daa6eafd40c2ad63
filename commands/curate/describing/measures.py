"""Two numbers that foretell how hard a task is: how classes lie apart, how compressible data are.

BioVFM relates them to the gain from larger models: the Davies–Bouldin index (Davies & Bouldin,
1979, IEEE TPAMI 1(2):224) of features by label, and the median gzip ratio of raw 8-bit images.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.samples.content import Content, Row, Text

LEVEL = 6
"""gzip's own default."""


def davies_bouldin(points: NDArray[Any], labels: NDArray[Any]) -> float | None:
    """The Davies–Bouldin index: mean over classes of the worst (s_i + s_j) / d_ij.

    s is the mean distance of a class's points to its centroid, d the distance of two centroids.
    0 is best; above about 1 classes overlap. None for fewer than two classes, or as many as points.

    Args:
        points: features `[N, D]`.
        labels: class of each, `[N]`.
    """
    classes, member = np.unique(labels, return_inverse=True)
    if not 2 <= len(classes) < len(points):
        return None
    centroids = np.stack([points[member == i].mean(axis=0) for i in range(len(classes))])
    within = np.array(
        [_distance(points[member == i], centroids[i]).mean() for i in range(len(classes))]
    )
    between = np.stack([_distance(centroids, centroid) for centroid in centroids])
    if np.allclose(within, 0) or np.allclose(between, 0):
        return 0.0
    between[between == 0] = np.inf
    return float(((within[:, None] + within) / between).max(axis=1).mean())


def gzip_ratio(content: Content) -> float | None:
    """Stored bytes divided by bytes after gzip: 1 for noise, large for uniform content.

    Images and videos are raw 8-bit pixels. Volumes of other numbers are first brought to 8 bits
    between their 0.5th and 99.5th percentile, signals likewise: the ratio of float32 depends on
    the number format more than on the signal. None for an empty sample.
    """
    raw = _bytes(content)
    if not raw:
        return None
    return len(raw) / len(zlib.compress(raw, LEVEL, zlib.MAX_WBITS | 16))


def _bytes(content: Content) -> bytes:
    array = content.array
    if array.dtype == np.uint8 or isinstance(content, Text | Row):
        return np.ascontiguousarray(array).tobytes()
    values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not values.size:
        return b""
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (np.nan_to_num(array.astype(np.float32), nan=low) - low) / max(high - low, 1e-12)
    levels: NDArray[np.uint8] = np.round(scaled.clip(0, 1) * 255).astype(np.uint8)
    return levels.tobytes()


def _distance(points: NDArray[Any], centre: NDArray[Any]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.sqrt(((points - centre) ** 2).sum(axis=1))
    return distances
