"""Contamination: samples shared with other datasets, with images of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.duplicates.contamination_summary import Contaminated, Example
from medfm_cli.commands.curate.report.duplicates import COLUMNS, representative_image
from medfm_cli.commands.curate.written import WrittenSamples
from medfm_cli.runs import Callout, Figure, Run, Text
from medfm_cli.runs.artefacts import find, holds
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.samples.content import Image2D, Video, Volume

NEAR = "a near copy"
PICTURED = ("the same content", NEAR)
"""Kinds of match for which the sample of the other dataset is known."""


def contamination_blocks(catalog: Catalog, shared: Contaminated, run: Run) -> list[Block]:
    """The counts by kind and split, what was not compared, and the most similar pairs.

    Empty if the recipe compares with no other dataset.
    """
    if not shared.compared:
        return []
    of = "samples of the test split" if shared.of == "test" else "samples"
    text = (
        f"{shared.contaminated} of {shared.samples} {of} ({shared.share:.1%}) also occur in the "
        f"datasets that the recipe compares with; {shared.threshold:.1%} are allowed."
    )
    blocks: list[Block] = [Text(text), shared.table()]
    blocks += [Callout("warn", text) for text in ([shared.gate] if shared.gate else [])]
    blocks += [Callout("note", text) for text in shared.remarks()]
    return blocks + list(_sheet(catalog, shared, run))


def _sheet(catalog: Catalog, shared: Contaminated, run: Run) -> list[Figure]:
    """Pairs of images: this dataset, then the other one."""
    sha = "SELECT content_sha FROM items WHERE id = ?"
    mine = [str(catalog.one(sha, example.item)) for example in shared.examples]
    ours, theirs = _images(run.path("dataset"), mine), _theirs(shared.examples)
    pixels: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    for name, example in zip(mine, shared.examples, strict=True):
        if name in ours:
            pixels += [ours[name], theirs.get((example.against, example.other))]
            captions += [
                f"this dataset\n{example.kind}",
                f"{example.against[-24:]}\n{_how(example)}",
            ]
    if not pixels:
        return []
    save(image_sheet(pixels, captions, COLUMNS, tile=160), run.path("figures", "contamination.png"))
    caption = "Shared samples: that of this dataset before that of the other."
    alt = f"{len(pixels) // 2} pairs of images"
    return [Figure("figures/contamination.png", caption, alt, wide=True)]


def _theirs(examples: Sequence[Example]) -> dict[tuple[str, str], NDArray[np.uint8]]:
    """Images of the other datasets, if known and available."""
    found: dict[tuple[str, str], NDArray[np.uint8]] = {}
    named = [example for example in examples if example.kind in PICTURED]
    for against in {example.against for example in named}:
        if holds(against, "dataset"):
            names = [example.other for example in named if example.against == against]
            images = _images(find(against, "dataset"), names)
            found |= {(against, name): pixels for name, pixels in images.items()}
    return found


def _images(root: Path, names: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Images of samples of a dataset, by the given hash or id."""
    stored = WrittenSamples(root).samples(names)
    contents = {name: sample.content for name, sample in stored.items()}
    return {
        name: representative_image(content)
        for name, content in contents.items()
        if isinstance(content, Image2D | Volume | Video)
    }


def _how(example: Example) -> str:
    if example.kind == NEAR:
        return f"{example.turn}, {example.distance} bits apart"
    return "" if example.kind in PICTURED else "not shown"
