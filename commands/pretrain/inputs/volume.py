"""Resolve the input of volumes: size, depths, colour and window."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.pretrain.inputs.inspect import read_metadata
from medfm_cli.data.card import Unify
from medfm_cli.data.common_shape import nearest_depth
from medfm_cli.data.inputs.volume import VolumeInput
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.inputs.inspect import Resolve
    from medfm_cli.commands.pretrain.inputs.options import VolumeChoice
    from medfm_cli.data.dataset import Dataset

LARGEST = 128
WIDE = [-1000.0, 1000.0]
"""HU from air to hard bone."""


def resolve_volume(
    choice: VolumeChoice, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> VolumeInput:
    """Resolve size, depths, channels and window; `rows` are volumes, with images among them.

    Raises:
        DataError: there are only images.
    """
    values = choice.model_dump(exclude={"images"})
    kinds = np.asarray(dataset.samples.column("kind").take(rows).to_pylist(), dtype=object)
    scans = rows[kinds == "volume"]
    flat = len(scans) < len(rows)
    if not len(scans):
        raise DataError(
            "there are no volumes among the training samples, only images",
            hint="leave `input` out to train on images, or curate volumes with whole=true",
        )
    metadata = read_metadata(dataset, scans)
    if choice.size == "auto":
        side = int(statistics.median(max(each.shape[1:3]) for each in metadata))
        values["size"] = max(16, min(side, LARGEST) // 8 * 8)
        why = f"median longer side of the scans {side}, at most {LARGEST}"
        resolve("input.size", values["size"], why)
    if choice.depths == "auto":
        depth = int(statistics.median(each.shape[0] for each in metadata))
        known = Unify().depths
        values["depths"] = sorted({nearest_depth(depth, known)} | ({known[0]} if flat else set()))
        why = f"median of {depth} slices"
        resolve("input.depths", values["depths"], why + ("; images have the smallest depth" * flat))
    if choice.channels == "auto":
        colour = _colour(dataset, rows)
        values["channels"] = 3 if colour else 1
        resolve(
            "input.channels", values["channels"], "some are in colour" if colour else "all grey"
        )
    if choice.window == "auto":
        measured = sum(each.meta.get("unit") == "HU" for each in metadata)
        values["window"] = WIDE if 2 * measured > len(metadata) else None
        resolve("input.window", values["window"], f"{measured} of {len(metadata)} scans are in HU")
    return VolumeInput(**values)


def _colour(dataset: Dataset, rows: NDArray[np.int64]) -> bool:
    """Whether any sample has three channels, as a volume `[D, H, W, 3]` or an image."""
    channels = dataset.samples.column("channels").take(rows).to_numpy()
    return bool((channels == 3).any())
