"""Volumes: too few slices, tiny ones, one value only, or mostly not a number."""

from __future__ import annotations

import numpy as np

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.samples.content import Volume
from medfm_cli.samples.pixels import FLAT, sparse

_PROBE = 1 << 20


def rejection_reason(content: Volume, quality: Quality) -> str:
    """Why a volume is not kept, empty when it is."""
    voxels = content.voxels
    depth, height, width = voxels.shape[:3]
    if quality.min_slices is not None and depth < quality.min_slices:
        return f"fewer than {quality.min_slices} slices"
    if quality.min_volume_side is not None and min(height, width) < quality.min_volume_side:
        return f"tiny: slices with a side of less than {quality.min_volume_side} voxels"
    values = sparse(voxels, _PROBE)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.any():
            return "no voxel has a value"
        missing = 1 - finite.mean()
        if quality.max_missing is not None and missing > quality.max_missing:
            return f"more than {quality.max_missing:.0%} of the voxels have no value"
        values = values[finite]
    if quality.blank and _flat(values):
        return "blank: all voxels are alike"
    return ""


def _flat(values: np.typing.NDArray[np.generic]) -> bool:
    """Whether there is one value; of 8-bit voxels also whether they hardly vary."""
    if values.dtype == np.uint8:
        return bool(values.std() < FLAT)
    return bool(values.min() == values.max())
