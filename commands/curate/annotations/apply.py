"""Adds to an item, in the worker, what annotation files hold about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.annotations import box_table, boxes, coco, masks, voc
from medfm_cli.commands.curate.annotations import questions as turns
from medfm_cli.commands.curate.annotations.orientation import (
    NOTE,
    SWAPS,
    stored_size,
    turned_boxes,
    turned_mask,
)
from medfm_cli.commands.curate.annotations.refs import Ref
from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Box, Item
from medfm_cli.samples.content import Image2D
from medfm_cli.samples.modalities import modality_name


def apply_annotations(item: Item, refs: Sequence[Ref], labels: str = "") -> Item:
    """The item with its boxes, mask, questions and captions.

    An annotation that cannot be used is left out with a note; the item itself stays. Boxes and
    masks are for files of one image.

    Args:
        item: as it was read, before it is cut or made smaller.
        refs: what `refs_of` finds for its file.
        labels: `boxes` or `masks`: the item's labels are the classes that occur in them.
    """
    for kind, group in groupby(sorted(refs, key=lambda ref: ref.kind), lambda ref: ref.kind):
        some = list(group)
        try:
            if kind == "turns":
                item = _with_questions(item, some)
            elif isinstance(item.content, Image2D) and item.facts.get("frames", 1) == 1:
                item = _with_regions(item, kind, some)
        except Unreadable as error:
            item = replace(item, notes=(*item.notes, f"left out: {error.reason}"))
    return replace(item, labels=classes(item, labels)) if labels else item


def classes(item: Item, origin: str) -> list[str] | None:
    """The classes that occur in an item's boxes or mask, by name; None where it has no such.

    An image with an annotation that lists no object has none of the classes: an empty list.
    """
    if origin == "boxes":
        if "boxes" not in item.facts:
            return None
        return sorted({box.label for box in item.boxes if box.label})
    if item.mask is None:
        return None
    names = item.facts.get("mask_classes", {})
    values = (str(value) for value in np.unique(item.mask) if value)
    return sorted({names.get(value, value) for value in values})


def _with_questions(item: Item, refs: Sequence[Ref]) -> Item:
    found, columns = turns.load(refs)
    return replace(
        item,
        turns=(*item.turns, *found),
        anatomy=item.anatomy or columns.get("anatomy", "").lower(),
        modality=item.modality or modality_name(columns.get("modality", "")),
        split=item.split or columns.get("split") or None,
    )


def _with_regions(item: Item, kind: str, refs: Sequence[Ref]) -> Item:
    """The item with boxes or a mask."""
    height, width = item.pixels.shape[:2]
    orientation = int(item.facts.get("orientation", 1))
    if kind == "mask":
        item = _noting_turn(item, orientation)
        return replace(item, mask=masks.load(refs, height, width, orientation))
    if kind == "voc":
        annotated, size = voc.load(Path(refs[0].path))
        return _fitted(item, annotated, size)
    if kind == "boxes":
        return _fitted(item, box_table.load(refs), None)
    annotations = coco.load(refs)
    item = _fitted(item, annotations.boxes, annotations.size)
    if annotations.captions:
        item = replace(item, text="\n\n".join(filter(None, (item.text, *annotations.captions))))
    if not annotations.outlines or item.mask is not None:
        return item
    upright = _annotated_size(annotations.size, *stored_size(orientation, height, width))
    mask = turned_mask(coco.draw(annotations.outlines, *upright), orientation, height, width)
    names = {str(value): label for label, value, _ in annotations.outlines}
    return replace(
        item, mask=_resized(mask, height, width), facts=item.facts | {"mask_classes": names}
    )


def _noting_turn(item: Item, orientation: int) -> Item:
    return replace(item, notes=(*item.notes, NOTE)) if orientation > 1 else item


def _fitted(item: Item, annotated: Sequence[Box], size: tuple[float, float] | None) -> Item:
    """The item with boxes, turned with the image where they are of its stored pixels."""
    height, width = item.pixels.shape[:2]
    orientation = int(item.facts.get("orientation", 1))
    swapped = orientation >= SWAPS and height != width
    if orientation > 1 and not (swapped and size == (width, height)):
        stored = stored_size(orientation, height, width)[::-1]
        of = size if size and min(size) > 0 else stored
        annotated = turned_boxes(annotated, orientation, of)
        size = size and (of[::-1] if orientation >= SWAPS else of)
        item = _noting_turn(item, orientation)
    return _with_boxes(item, boxes.fit(annotated, height, width, size))


def _with_boxes(item: Item, fitted: boxes.Fitted) -> Item:
    notes = (*item.notes, *_notes(fitted.counts))
    facts = item.facts | {"boxes": len(fitted.boxes)}
    return replace(item, boxes=(*item.boxes, *fitted.boxes), notes=notes, facts=facts)


def _notes(counts: dict[str, int]) -> Iterable[str]:
    """A remark of a kind once an item: the report counts the items."""
    return counts.keys()


def _annotated_size(size: tuple[float, float], height: int, width: int) -> tuple[int, int]:
    """Height and width of the image that was outlined.

    Raises:
        Unreadable: it was an image of another shape.
    """
    if not (size[0] > 0 and size[1] > 0) or size == (width, height):
        return height, width
    across, down = width / size[0], height / size[1]
    if abs(across / down - 1) > boxes.ASPECT or max(size) > 4 * max(height, width):
        raise Unreadable("outlines for an image of another shape")
    return round(size[1]), round(size[0])


def _resized(mask: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The nearest pixel of the mask for each pixel of the image."""
    if mask.shape == (height, width):
        return mask
    rows = np.arange(height) * mask.shape[0] // height
    columns = np.arange(width) * mask.shape[1] // width
    return np.ascontiguousarray(mask[rows][:, columns])
