"""Sheets of images: one row a class or modality, with boxes and outlines of masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.commands.curate.catalog import EACH_LABEL, KEPT, Catalog, block_name
from medfm_cli.commands.curate.report.drawings.tiles import boxed, outlined
from medfm_cli.commands.curate.report.selection import HAS_LABEL, Shown, few
from medfm_cli.commands.curate.written import WrittenSample, WrittenSamples
from medfm_cli.runs import Figure, Run
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.samples.content import Image2D

COLUMNS = 6
MOST_ROWS = 12
TILE = 160


def image_sheets(
    catalog: Catalog,
    stored: WrittenSamples,
    classes: Sequence[str],
    blocks: Sequence[str],
    run: Run,
) -> list[Block]:
    """The sheet of classes, and that of modalities if there are several, or no classes.

    Args:
        catalog: the catalogue of samples.
        stored: the written dataset.
        classes: of the dataset, in their order.
        blocks: names of the source blocks, by their number.
        run: where the sheets are written.
    """
    sheets: list[Block] = []
    present = _present(catalog, classes)
    by_class = {
        name: few(catalog, f"kind = 'image' AND {HAS_LABEL}", name, name, limit=COLUMNS)
        for name in present[:MOST_ROWS]
    }
    if by_class:
        caption = "Images of every class, from as many subjects as possible."
        if len(present) > len(by_class):
            caption = f"Images of {len(by_class)} of {len(present)} classes."
        sheets.append(_sheet(by_class, stored, run, name="classes", caption=caption))
    groups = _groups(catalog, blocks, by_class)
    if groups and (len(groups) > 1 or not by_class or _unlabelled(groups)):
        caption = "Images of every modality, from as many subjects as possible."
        if len(groups) == 1:
            caption = "Some of the images, from as many subjects as possible."
        elif len(blocks) > 1:
            caption = "Images of every source and modality."
        sheets.append(_sheet(groups, stored, run, name="modalities", caption=caption))
    return sheets


def _unlabelled(groups: Mapping[str, Sequence[Shown]]) -> bool:
    """Whether an image has no class, and so stands on no sheet yet."""
    return any(not item.labels for items in groups.values() for item in items)


def _present(catalog: Catalog, classes: Sequence[str]) -> list[str]:
    """The classes that images have, in their order."""
    sql = f"SELECT DISTINCT value FROM items, {EACH_LABEL} WHERE {KEPT} AND kind = 'image'"  # noqa: S608
    found = {str(row["value"]) for row in catalog.rows(sql)}
    return [name for name in classes if name in found]


def _groups(
    catalog: Catalog, blocks: Sequence[str], by_class: Mapping[str, Sequence[Shown]]
) -> dict[str, list[Shown]]:
    """Images of every modality, in a mixture of every source; the commonest first.

    A modality that is nothing but one class is left out: its row was shown already.
    """
    sql = (
        "SELECT block, modality, CASE WHEN COUNT(label) = COUNT(*) AND MIN(label) = MAX(label) "  # noqa: S608
        f"THEN MIN(label) END AS label FROM items WHERE {KEPT} AND kind = 'image' "
        f"GROUP BY 1, 2 ORDER BY COUNT(*) DESC, 1, 2 LIMIT {MOST_ROWS}"
    )
    groups: dict[str, list[Shown]] = {}
    for block, modality, label in [tuple(row) for row in catalog.rows(sql)]:
        if label in by_class:
            continue
        name = modality or "unknown modality"
        if len(blocks) > 1:
            name = " · ".join(filter(None, (block_name(block, blocks), modality)))
        where = "kind = 'image' AND block = ? AND modality = ?"
        groups[name] = few(catalog, where, block, modality, limit=COLUMNS)
    return groups


def _sheet(
    chosen: Mapping[str, Sequence[Shown]],
    stored: WrittenSamples,
    run: Run,
    *,
    name: str,
    caption: str,
) -> Figure:
    found = stored.samples(item.sha for items in chosen.values() for item in items)
    pixels: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    marked = cut = False
    for label, items in chosen.items():
        here = [item for item in items if item.sha in found]
        blank = -len(pixels) % COLUMNS
        if len(here) > blank:  # a small group stands beside the one before it
            pixels += [None] * blank
            captions += [""] * blank
        for item in here:
            picture, drawn = _marked(found[item.sha])
            pixels.append(picture)
            marked |= drawn
            row = found[item.sha].row
            cut |= (row["height"], row["width"]) != (item.height, item.width)
        captions += [f"{label}\n{item.split} · {item.width} x {item.height}" for item in here]
    if marked:
        caption += " Boxes and outlines are annotations of the source."
    if cut:
        caption += " Large images are shown reduced or by one tile."
    save(image_sheet(pixels, captions, COLUMNS, tile=TILE), run.path("figures", f"{name}.png"))
    return Figure(
        f"figures/{name}.png",
        caption,
        f"Sample images of {', '.join(chosen)}",
        wide=True,
    )


def _marked(sample: WrittenSample) -> tuple[NDArray[np.uint8], bool]:
    """The pixels, with boxes and the outline of a mask where the sample has them."""
    content = sample.content
    assert isinstance(content, Image2D)  # noqa: S101
    pixels = content.pixels
    if boxes := json.loads(sample.row["boxes"] or "[]"):
        drawn = [
            (str(label), float(a), float(b), float(c), float(d)) for label, a, b, c, d in boxes
        ]
        return boxed(pixels, drawn, sorted({box[0] for box in drawn})), True
    mask = sample.mask
    if mask is not None and mask.shape == pixels.shape[:2]:
        image = Image.fromarray(pixels).convert("RGB")
        return np.asarray(outlined(image, mask, np.unique(mask).tolist())), True
    return pixels, False
