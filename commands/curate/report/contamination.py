"""What the dataset shares with others, with pictures: ours beside theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.duplicates.contamination_summary import Contaminated, Example
from medfm_cli.commands.curate.report.duplicates import COLUMNS, picture
from medfm_cli.commands.curate.written import Stored
from medfm_cli.runs import Callout, Figure, Run, Text
from medfm_cli.runs.artefacts import find, holds
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.samples.content import Image2D, Video, Volume

NEAR = "a near copy"
PICTURED = ("the same content", NEAR)
"""Kinds of which it is known which sample of theirs is ours."""


def contaminated_blocks(ledger: Ledger, shared: Contaminated, run: Run) -> list[Block]:
    """The counts by kind and split, what was not compared, and the nearest pairs.

    Nothing where the recipe compares with nothing.
    """
    if not shared.compared:
        return []
    of = "samples of the test split" if shared.of == "test" else "samples"
    text = (
        f"{shared.contaminated} of {shared.samples} {of} ({shared.share:.1%}) are shared with what "
        f"the recipe compares with; {shared.threshold:.1%} are allowed."
    )
    blocks: list[Block] = [Text(text), shared.table()]
    blocks += [Callout("warn", told) for told in ([shared.gate] if shared.gate else [])]
    blocks += [Callout("note", told) for told in shared.remarks()]
    return blocks + list(_sheet(ledger, shared, run))


def _sheet(ledger: Ledger, shared: Contaminated, run: Run) -> list[Figure]:
    """Pairs of pictures, ours and then theirs."""
    sha = "SELECT content_sha FROM items WHERE id = ?"
    mine = [str(ledger.one(sha, example.item)) for example in shared.examples]
    ours, theirs = _pictures(run.path("dataset"), mine), _theirs(shared.examples)
    pixels: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    for name, example in zip(mine, shared.examples, strict=True):
        if name in ours:
            pixels += [ours[name], theirs.get((example.against, example.other))]
            captions += [f"ours\n{example.kind}", f"{example.against[-24:]}\n{_how(example)}"]
    if not pixels:
        return []
    save(image_sheet(pixels, captions, COLUMNS, tile=160), run.path("figures", "contamination.png"))
    caption = "Samples that are shared, each of ours before theirs."
    alt = f"{len(pixels) // 2} pairs of pictures"
    return [Figure("figures/contamination.png", caption, alt, wide=True)]


def _theirs(examples: Sequence[Example]) -> dict[tuple[str, str], NDArray[np.uint8]]:
    """Their pictures, where it is known which they are and they are at hand."""
    found: dict[tuple[str, str], NDArray[np.uint8]] = {}
    named = [example for example in examples if example.kind in PICTURED]
    for against in {example.against for example in named}:
        if holds(against, "dataset"):
            wanted = [example.other for example in named if example.against == against]
            pictures = _pictures(find(against, "dataset"), wanted)
            found |= {(against, name): pixels for name, pixels in pictures.items()}
    return found


def _pictures(root: Path, names: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """What samples of a dataset look like, by the hash or id that was asked for."""
    stored = Stored(root).samples(names)
    contents = {name: sample.content for name, sample in stored.items()}
    return {
        name: picture(content)
        for name, content in contents.items()
        if isinstance(content, Image2D | Volume | Video)
    }


def _how(example: Example) -> str:
    if example.kind == NEAR:
        return f"{example.turn}, {example.distance} bits apart"
    return "" if example.kind in PICTURED else "not shown"
