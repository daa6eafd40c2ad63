"""Copies and look-alikes, with pictures: what was left out, and what was tied together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.describing.tallies import KEPT
from medfm_cli.commands.curate.ledger import Ledger
from medfm_cli.commands.curate.reporting.story import Story
from medfm_cli.commands.curate.stored import Stored
from medfm_cli.data.content import Picture, Video, Volume
from medfm_cli.runs import Callout, Figure, Run, Text
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save

COLUMNS = 6
CLUSTERS = 6
_SEEN = "kind IN ('image', 'volume', 'video')"
_SAME = (
    "FROM items JOIN items AS t ON t.id = items.twin WHERE items.fate = 'duplicate' "
    "AND items.content_sha = t.content_sha"
)
_WHAT = ("*", "NULLIF(items.exact, 0)", "DISTINCT items.twin")
"""All duplicates by content, those that are whole files, and those they are copies of."""


def copy_blocks(story: Story) -> list[Block]:
    """Same files, same content, look-alikes: how many, with pictures; nothing where none are."""
    ledger, unique, run = story.ledger, story.unique, story.run
    stored = Stored(run.path("dataset"))
    total, exact, kept = (ledger.one(f"SELECT COUNT({what}) {_SAME}") for what in _WHAT)
    near = near_counts(ledger)
    blocks: list[Block] = []
    if total:
        text = _same_words(story.noun, total, exact, kept)
        if not _looked_for_near(story):
            text += " Those that are merely alike (other sizes, lossy copies) are not looked for."
        blocks += [Text(text), *copies_sheet(ledger, stored, run)]
    if near["clusters"]:
        text = (
            f"{near['clusters']} clusters of {near['samples']} {story.noun} look alike. Of these "
            f"{near['kept']} are kept, each cluster on one side of the split, and "
            f"{near['left_out']} were left out."
        )
        blocks += [Text(text), *near_sheet(ledger, stored, run)]
    blocks += [Callout("note", text) for text in unique.remarks()]
    if unique.tied:
        text = f"{unique.tied} groups of patients share pixels; each is now one subject."
        blocks.append(Callout("warn", text))
    if unique.shared_widely:
        text = (
            f"Pictures that come from more than five patients each, like a test card: "
            f"{unique.shared_widely}. They tie nobody together."
        )
        blocks.append(Callout("note", text))
    return blocks


def _same_words(noun: str, total: int, exact: int, kept: int) -> str:
    what = "pixels" if noun == "images" else "content"
    return (
        f"{total} {noun} have the very {what} of {kept} others: {exact} are the same file, "
        f"{total - exact} hold the same {what} elsewhere, often in another encoding. One of each "
        f"is kept, the one of which most is known."
    )


def _looked_for_near(story: Story) -> bool:
    block = story.option("deduplicate")
    return block is not None and getattr(block, "near", "off") != "off"


def copies_sheet(ledger: Ledger, stored: Stored, run: Run) -> list[Figure]:
    """The pictures with the most copies."""
    top = list(
        ledger.rows(
            "SELECT t.content_sha AS sha, COUNT(*) AS n FROM items i JOIN items t ON t.id = i.twin "  # noqa: S608
            f"WHERE i.fate = 'duplicate' AND i.content_sha = t.content_sha AND t.{_SEEN} "
            "GROUP BY i.twin ORDER BY n DESC, t.content_sha LIMIT ?",
            COLUMNS,
        )
    )
    found = stored.samples(row["sha"] for row in top)
    here = [(found[row["sha"]], row["n"]) for row in top if row["sha"] in found]
    if not here:
        return []
    pixels = [picture(sample.content) for sample, _ in here]
    captions = [f"{count} {'copy' if count == 1 else 'copies'}" for _, count in here]
    save(image_sheet(pixels, captions, COLUMNS, tile=160), run.path("figures", "copies.png"))
    caption = "The pictures that came most often, and how many copies were left out."
    alt = f"{len(here)} images with the number of their copies"
    return [Figure("figures/copies.png", caption, alt, wide=True)]


def near_sheet(ledger: Ledger, stored: Stored, run: Run) -> list[Figure]:
    """The largest clusters of near duplicates, one row each."""
    clusters = [
        (row["cluster"], row["n"])
        for row in ledger.rows(
            "SELECT cluster, COUNT(*) AS n FROM items WHERE cluster IS NOT NULL "  # noqa: S608
            f"AND {_SEEN} GROUP BY 1 HAVING n > 1 ORDER BY n DESC, MIN(content_sha) LIMIT ?",
            CLUSTERS,
        )
    ]
    pixels: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    small = False
    for cluster, count in clusters:
        rows = list(
            ledger.rows(
                "SELECT content_sha, fate, split, thumb, width, height FROM items "  # noqa: S608
                f"WHERE cluster = ? AND {_SEEN} ORDER BY fate <> 'kept', content_sha LIMIT ?",
                cluster,
                COLUMNS,
            )
        )
        found = stored.samples(row["content_sha"] for row in rows if row["fate"] == "kept")
        shown = 0
        for row in rows:
            if row["content_sha"] in found and row["fate"] == "kept":
                pixels.append(picture(found[row["content_sha"]].content))
                what = f"kept · {row['split']}"
            elif row["thumb"]:
                side = round(len(row["thumb"]) ** 0.5)
                pixels.append(np.frombuffer(row["thumb"], np.uint8).reshape(side, side))
                what, small = "left out", True
            else:
                continue
            captions.append(f"{what if shown else f'{count} alike · {what}'}\n{_size(row)}")
            shown += 1
        pixels += [None] * (COLUMNS - shown)
        captions += [""] * (COLUMNS - shown)
    if not any(tile is not None for tile in pixels):
        return []
    save(image_sheet(pixels, captions, COLUMNS, tile=160), run.path("figures", "near.png"))
    total = ledger.one(
        "SELECT COUNT(DISTINCT cluster) FROM items WHERE cluster IS NOT NULL AND cluster IN "
        "(SELECT cluster FROM items GROUP BY cluster HAVING COUNT(*) > 1)"
    )
    caption = f"Near duplicates: {len(clusters)} of {total} clusters, the largest first."
    if small:
        caption += " Of what was left out only a thumbnail of 32 × 32 pixels is at hand."
    alt = f"{len(clusters)} rows of pictures that look alike"
    return [Figure("figures/near.png", caption, alt, wide=True)]


def near_counts(ledger: Ledger) -> dict[str, int]:
    """Clusters, samples in them, and samples that were left out for one of them."""
    sizes = "SELECT cluster, COUNT(*) AS n FROM items WHERE cluster IS NOT NULL GROUP BY 1"
    left_out = "fate = 'duplicate' AND cluster IS NOT NULL AND twin IS NOT NULL AND content_sha <> "
    left_out += "(SELECT t.content_sha FROM items t WHERE t.id = items.twin)"
    return {
        "clusters": ledger.one(f"SELECT COUNT(*) FROM ({sizes}) WHERE n > 1"),  # noqa: S608
        "samples": ledger.one(
            f"SELECT coalesce(SUM(n), 0) FROM ({sizes}) WHERE n > 1"  # noqa: S608
        ),
        "kept": ledger.one(
            f"SELECT COUNT(*) FROM items WHERE {KEPT} AND cluster IN "  # noqa: S608
            f"(SELECT cluster FROM ({sizes}) WHERE n > 1)"
        ),
        "left_out": ledger.one(f"SELECT COUNT(*) FROM items WHERE {left_out}"),  # noqa: S608
    }


def picture(content: object) -> NDArray[np.uint8]:
    """What a sample looks like: a volume by its middle slice, a video by its first frame."""
    if isinstance(content, Volume):
        from medfm_cli.commands.curate.drawings.planes import middle_slice

        return middle_slice(content)
    if isinstance(content, Video):
        first: NDArray[np.uint8] = content.frames[0]
        return first
    assert isinstance(content, Picture)  # noqa: S101
    return content.pixels


def _size(row: object) -> str:
    width, height = row["width"], row["height"]  # type: ignore[index]
    return f"{width} x {height}"
