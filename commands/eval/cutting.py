"""Refuse to score a classifier on images that are cut otherwise than it cuts new ones.

`eval` takes images as the dataset stores them, `predict` cuts files as the model says. Where the
two differ, the score would be that of another use than the one that follows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from medfm_cli.data.tiling import whole_shape
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from medfm_cli.commands.eval.candidates import Candidate
    from medfm_cli.data import Cutting, Dataset
    from medfm_cli.scoring.images import LabelledImages


def check_cutting(candidates: list[Candidate], dataset: Dataset, images: LabelledImages) -> None:
    """Check that every classifier cuts new images as the scored images were cut.

    Raises:
        DataError: it would cut some of them otherwise.
    """
    for candidate in candidates:
        if candidate.is_encoder:  # its probe is trained on the dataset's own parts
            continue
        cutting = candidate.loaded.config.preprocessing
        if count := cut_otherwise(dataset, images, cutting):
            raise DataError(
                f"{count} of the {len(images)} labelled images of dataset '{dataset.card.name}' "
                f"are cut otherwise than the classifier '{candidate.name}' cuts new images "
                f"(dataset: {_described(dataset.card.cutting)}; classifier: "
                f"{_described(cutting)}): its score would not be that of its predictions",
                hint=f"curate with {_keys(cutting)}, or fine-tune on this dataset",
            )


def cut_otherwise(dataset: Dataset, images: LabelledImages, cutting: Cutting) -> int:
    """How many images `cutting` would make other parts of than the dataset holds."""
    if _of_images(dataset.card.cutting) == _of_images(cutting):
        return 0
    facts = dataset.column("facts")
    shapes = list(zip(dataset.column("height"), dataset.column("width"), strict=True))
    different = {
        int(image)
        for image, row in zip(images.image, images.rows, strict=True)
        if _differs(json.loads(facts[row]), shapes[row], dataset.card.cutting, cutting)
    }
    return len(different)


def _differs(
    facts: dict[str, Any], shape: tuple[int, int], stored: Cutting, cutting: Cutting
) -> bool:
    """Whether a stored part of an image is not what `cutting` would make of it."""
    if "plane" in facts:
        return _of_volumes(stored) != _of_volumes(cutting)
    if "tile" in facts:
        return _of_tiles(stored) != _of_tiles(cutting)
    height, width = facts.get("reduced_from", shape)
    return whole_shape((height, width), cutting) != shape


def _of_images(cutting: Cutting) -> tuple[object, ...]:
    return *_of_tiles(cutting), *_of_volumes(cutting)


def _of_tiles(cutting: Cutting) -> tuple[object, ...]:
    if cutting.tile is None:
        return (None,)
    return cutting.tile, cutting.tile_limit, cutting.tiling, cutting.max_side


def _of_volumes(cutting: Cutting) -> tuple[object, ...]:
    return sorted(cutting.planes), cutting.slices, cutting.max_side


def _described(cutting: Cutting) -> str:
    """Such as "up to 9 tiles of 512 pixels (cover), longer side up to 1024"."""
    tiles = f"up to {cutting.tile_limit} tiles of {cutting.tile} pixels ({cutting.tiling})"
    parts = [tiles if cutting.tile is not None else "not tiled"]
    parts += [f"longer side up to {cutting.max_side}"] if cutting.max_side else []
    parts += [f"{cutting.slices} slices of {', '.join(cutting.planes)}"] if cutting.planes else []
    return ", ".join(parts)


def _keys(cutting: Cutting) -> str:
    """The keys of curate that cut images like this."""
    keys = {"tile.size": "null" if cutting.tile is None else str(cutting.tile)}
    if cutting.tile is not None:
        keys |= {"tile.limit": str(cutting.tile_limit)}
        keys |= {"tile.cover": str(cutting.tiling == "cover").lower()}
    if cutting.max_side is not None:
        keys["tile.max_side"] = str(cutting.max_side)
    if cutting.planes:
        keys |= {"whole": "true", "derive.planes": f"[{', '.join(cutting.planes)}]"}
        keys["slices"] = str(cutting.slices)
    return " ".join(f"'{name}={value}'" for name, value in keys.items())
