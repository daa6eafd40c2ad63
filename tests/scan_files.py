"""Scans as series of DICOM files, for tests of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from curate_files import dicom
from numpy.typing import NDArray

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def phantom(depth: int = 6, height: int = 20, width: int = 24) -> NDArray[np.int16]:
    """Values that say where they are, `[D, H, W]`: 1000 up + 30 back + left."""
    up, back, left = np.indices((depth, height, width))
    return (1000 * up + 30 * back + left).astype(np.int16)


def series(
    folder: Path,
    planes: Sequence[NDArray[Any]],
    positions: Sequence[Sequence[float]],
    *,
    orientation: Sequence[float] = AXIAL,
    uid: str = "1.2.3.4",
    numbers: Sequence[int] | None = None,
    each: Sequence[dict[str, Any]] = (),
    **elements: Any,
) -> list[Path]:
    """A file for each plane, named so that names give no order."""
    paths = []
    for index, (plane, position) in enumerate(zip(planes, positions, strict=True)):
        values = {
            "SeriesInstanceUID": uid,
            "StudyInstanceUID": "1.2.3",
            "InstanceNumber": numbers[index] if numbers else index + 1,
            "ImagePositionPatient": [float(value) for value in position],
            "ImageOrientationPatient": [float(value) for value in orientation],
            "PixelSpacing": [0.5, 0.75],
            "SliceThickness": 9.0,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        }
        values |= elements | (each[index] if each else {})
        paths.append(dicom(folder / f"{(index * 7) % 97:03d}-{index}", plane, **values))
    return paths
