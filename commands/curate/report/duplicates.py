"""Copies and look-alikes, with pictures: what was left out, and what was tied together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.report.context import Story
from medfm_cli.commands.curate.report.drawings.planes import middle_slice
from medfm_cli.commands.curate.written import Stored, StoredSample
from medfm_cli.runs import Callout, Figure, Run, Text
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.samples.content import Image2D, Video, Volume

COLUMNS = 6
CLUSTERS, DOUBTFUL = 12, 6
_SEEN = "kind IN ('image', 'volume', 'video')"
_SAME = (
    "FROM items JOIN items AS t ON t.id = items.twin WHERE items.fate = 'duplicate' "
    "AND items.content_sha = t.content_sha"
)
_ALIKE = (
    "DROP TABLE IF EXISTS alike",
    "CREATE TEMP TABLE alike AS SELECT id, 'c' || cluster AS grp FROM items "
    "WHERE cluster IS NOT NULL",
    "INSERT INTO alike SELECT items.id, 't' || items.twin FROM items "
    "JOIN items AS t ON t.id = items.twin WHERE items.fate = 'duplicate' "
    "AND items.cluster IS NULL AND items.content_sha <> t.content_sha",
    "INSERT INTO alike SELECT DISTINCT CAST(substr(grp, 2) AS INTEGER), grp FROM alike "
    "WHERE grp LIKE 't%'",
    "CREATE INDEX alike_grp ON alike (grp)",
)
"""Near copies, by the cluster that ties them or the one of them that is kept."""
_WHAT = ("*", "NULLIF(items.exact, 0)", "DISTINCT items.twin")
"""All duplicates by content, those that are whole files, and those they are copies of."""


def copy_blocks(story: Story) -> list[Block]:
    """Same files, same content, look-alikes: how many, with pictures; nothing where none are."""
    ledger, unique, run = story.ledger, story.unique, story.run
    stored = Stored(run.path("dataset"))
    total, exact, kept = (ledger.one(f"SELECT COUNT({what}) {_SAME}") for what in _WHAT)
    blocks: list[Block] = []
    if total:
        text = _same_words(story.noun, total, exact, kept)
        if not _looked_for_near(story):
            text += " Those that are merely alike (other sizes, lossy copies) are not looked for."
        blocks += [Text(text), *copies_sheet(ledger, stored, run)]
    alike = near_sheet(ledger, stored, run)
    if unique.clusters or unique.nearly:
        blocks += [Text(_near_words(story)), *alike, *doubtful_sheet(story, stored)]
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


def _near_words(story: Story) -> str:
    unique, parts = story.unique, []
    if unique.clusters:
        parts.append(
            f"{unique.clustered} {story.noun} in {unique.clusters} groups look alike; each group "
            "stays on one side of the split."
        )
    if unique.nearly:
        parts.append(f"{unique.nearly} {story.noun} look like others and were left out.")
    if unique.turned:
        parts.append(f"{unique.turned} of {unique.pairs} pairs are turned or flipped.")
    return " ".join(parts)


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
    """The largest groups of near copies, each as far as a row goes."""
    for statement in _ALIKE:
        ledger.execute(statement)
    sql = (
        f"SELECT grp, COUNT(*) AS n FROM alike JOIN items USING (id) WHERE {_SEEN} "  # noqa: S608
        "GROUP BY 1 HAVING n > 1 ORDER BY n DESC, MIN(content_sha) LIMIT ?"
    )
    groups = [(row["grp"], row["n"]) for row in ledger.rows(sql, CLUSTERS)]
    members = (
        "SELECT id, content_sha, fate, split, thumb, width, height FROM alike "  # noqa: S608
        f"JOIN items USING (id) WHERE grp = ? AND {_SEEN} "
        "ORDER BY fate <> 'kept', content_sha LIMIT ?"
    )
    sheet = _Sheet(stored)
    for group, count in groups:
        rows = list(ledger.rows(members, group, COLUMNS))
        notes = [f"kept · {r['split']}" if r["fate"] == "kept" else "left out" for r in rows]
        notes[0] = f"{count} alike · {notes[0]}"
        sheet.add(rows, notes)
    if not groups:
        return []
    total = ledger.one(
        "SELECT COUNT(*) FROM (SELECT 1 FROM alike GROUP BY grp HAVING COUNT(*) > 1)"
    )
    caption = f"Near duplicates: {len(groups)} of {total} groups, the largest first."
    return sheet.figure("near", caption, f"{len(groups)} groups of pictures that look alike", run)


def doubtful_sheet(story: Story, stored: Stored) -> list[Figure]:
    """The pairs of near copies that are least alike: whether the limit fits, an eye decides."""
    sheet = _Sheet(stored)
    for pair in story.unique.doubtful[:DOUBTFUL]:
        rows = [
            row
            for item in (pair.one, pair.other)
            for row in story.ledger.rows(
                "SELECT id, content_sha, fate, split, thumb, width, height FROM items WHERE id = ?",
                item,
            )
        ]
        turned = f" · {pair.turn}" if pair.turn else ""
        sheet.add(rows, [f"{pair.distance} bits apart{turned}", ""])
    if not story.unique.doubtful:
        return []
    caption = (
        "The pairs that are least alike and still count as near copies, side by side. Where they "
        "are different pictures, a smaller deduplicate.distance fits better."
    )
    return sheet.figure("doubtful", caption, "Pairs of pictures that are hardly alike", story.run)


class _Sheet:
    """Groups of pictures, each in one row, small ones side by side."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._pixels: list[NDArray[np.uint8] | None] = []
        self._captions: list[str] = []
        self._small = False

    def add(self, rows: Sequence[Any], notes: Sequence[str]) -> None:
        """Add a group; what was left out is shown by its thumbnail."""
        blank = -len(self._pixels) % COLUMNS
        if len(rows) > blank:
            self._pixels += [None] * blank
            self._captions += [""] * blank
        kept = [row["content_sha"] for row in rows if row["fate"] == "kept"]
        found = self._stored.samples(kept)
        for row, note in zip(rows, notes, strict=True):
            self._pixels.append(self._picture(row, found))
            self._captions.append(f"{note}\n{row['width']} x {row['height']}")

    def figure(self, name: str, caption: str, alt: str, run: Run) -> list[Figure]:
        """Write the sheet; nothing where no picture is at hand."""
        if all(tile is None for tile in self._pixels):
            return []
        sheet = image_sheet(self._pixels, self._captions, COLUMNS, tile=160)
        save(sheet, run.path("figures", f"{name}.png"))
        if self._small:
            caption += " Of what was left out only a thumbnail is at hand."
        return [Figure(f"figures/{name}.png", caption, alt, wide=True)]

    def _picture(self, row: Any, found: dict[str, StoredSample]) -> NDArray[np.uint8] | None:
        if row["content_sha"] in found:
            return picture(found[row["content_sha"]].content)
        if not row["thumb"]:
            return None
        self._small = True
        side = round(len(row["thumb"]) ** 0.5)
        return np.frombuffer(row["thumb"], np.uint8).reshape(side, side)


def picture(content: object) -> NDArray[np.uint8]:
    """What a sample looks like: a volume by its middle slice, a video by its first frame."""
    if isinstance(content, Volume):
        return middle_slice(content)
    if isinstance(content, Video):
        first: NDArray[np.uint8] = content.frames[0]
        return first
    assert isinstance(content, Image2D)  # noqa: S101
    return content.pixels
