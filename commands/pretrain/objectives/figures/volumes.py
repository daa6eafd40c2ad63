"""Volumes on a light box: three planes of the volume, its visible patches, the reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from medfm_cli.runs import Figure
from medfm_cli.runs.figures import image_sheet, save

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import FigureContext
    from medfm_cli.data.inputs import VolumeInput

    Tile = NDArray[np.uint8] | None

MOST: Final = 4
"""Volumes that are drawn."""
_NAMES: Final = ("axial", "coronal", "sagittal")
_FLAT: Final = 4
"""A volume this many times wider than deep is like an image: planes across it show nothing."""


def volumes(context: FigureContext) -> Figure:
    """Draw two volumes side by side, three rows each."""
    preprocessing = cast("VolumeInput", context.preprocessing)
    samples, captions = context.samples, context.captions[:MOST]
    states = (samples.values, samples.seen, samples.reconstruction)
    names = (None, f"visible ({1 - context.ratio:.0%})", "reconstruction")
    tiles: list[Tile] = []
    texts: list[str] = []
    for first in range(0, len(captions), 2):
        pair = range(first, min(first + 2, len(captions)))
        for values, name in zip(states, names, strict=True):
            for number in pair:
                tiles += planes(values[number], preprocessing)
                texts += [name or captions[number], "", ""]
            if len(pair) == 1 and len(captions) > 1:
                tiles += [None] * 3
                texts += [""] * 3
    columns = 3 * min(2, len(captions))
    path = context.run.path("figures", "reconstructions.png")
    headings = (_NAMES * 2)[:columns]
    save(image_sheet(tiles, texts, columns, headings=headings), path)
    how = (
        "(grey) and reconstructed by the autoencoder; visible patches are shown unchanged. Planes "
        "through the centre, the patient's right on the left; every voxel is drawn as a cube. "
    )
    alt = "Three planes of each volume: the volume, with masked patches, and reconstructed."
    return Figure(
        f"figures/{path.name}", context.about("volumes", how, len(captions)), alt, wide=True
    )


def planes(volume: Tensor, preprocessing: VolumeInput) -> list[Tile]:
    """The axial, coronal and sagittal plane through the middle of [C,D,H,W], uint8.

    Of what is flat the axial one alone.
    """
    greys = (volume.float() * preprocessing.std + preprocessing.mean).clamp(0, 1) * 255
    voxels = greys.round().byte().cpu().numpy()
    depth, height, width = (side // 2 for side in voxels.shape[1:])
    tiles: list[Tile] = [_plane(voxels[:, depth])]
    if voxels.shape[1] * _FLAT <= max(voxels.shape[2:]):
        return [*tiles, None, None]
    return [*tiles, _plane(voxels[:, ::-1, height]), _plane(voxels[:, ::-1, :, width])]


def _plane(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[1,a,b] as [a,b], [3,a,b] as [a,b,3]."""
    return np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
