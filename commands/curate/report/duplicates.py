"""Duplicates and near duplicates, with images: what was removed, and what was grouped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.report.context import ReportContext
from medfm_cli.commands.curate.report.drawings.planes import middle_slice
from medfm_cli.commands.curate.written import WrittenSample, WrittenSamples
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
"""Near duplicates, by their cluster or by the one that is kept."""
_WHAT = ("*", "NULLIF(items.exact, 0)", "DISTINCT items.twin")
"""All duplicates by content, those that are identical files, and the samples they copy."""


def duplicate_blocks(context: ReportContext) -> list[Block]:
    """Identical files, identical content and near duplicates, with images; empty if none."""
    catalog, unique, run = context.catalog, context.unique, context.run
    stored = WrittenSamples(run.path("dataset"))
    total, exact, kept = (catalog.one(f"SELECT COUNT({what}) {_SAME}") for what in _WHAT)
    blocks: list[Block] = []
    if total:
        text = _same_text(context.noun, total, exact, kept)
        if not _looked_for_near(context):
            text += " Near duplicates (other sizes, lossy copies) are not searched for."
        blocks += [Text(text), *copies_sheet(catalog, stored, run)]
    alike = near_sheet(catalog, stored, run)
    if unique.clusters or unique.nearly:
        blocks += [Text(_near_text(context)), *alike, *doubtful_sheet(context, stored)]
    blocks += [Callout("note", text) for text in unique.remarks()]
    if unique.tied:
        text = f"{unique.tied} groups of patients share images; each group is now one subject."
        blocks.append(Callout("warn", text))
    if unique.shared_widely:
        text = (
            f"{unique.shared_widely} images occur in more than five patients each, like a test "
            f"image. They do not link these patients."
        )
        blocks.append(Callout("note", text))
    return blocks


def _same_text(noun: str, total: int, exact: int, kept: int) -> str:
    what = "pixels" if noun == "images" else "content"
    return (
        f"{total} {noun} have the same {what} as {kept} others: {exact} are identical files, "
        f"{total - exact} have the same {what} in another file, often in another encoding. Of each "
        f"group, the one with the most metadata is kept."
    )


def _near_text(context: ReportContext) -> str:
    unique, parts = context.unique, []
    if unique.clusters:
        parts.append(
            f"{unique.clustered} {context.noun} in {unique.clusters} groups are near duplicates; "
            "each group is in one split."
        )
    if unique.nearly:
        parts.append(
            f"{unique.nearly} {context.noun} are near duplicates of others and were removed."
        )
    if unique.turned:
        parts.append(f"{unique.turned} of {unique.pairs} pairs are rotated or flipped.")
    return " ".join(parts)


def _looked_for_near(context: ReportContext) -> bool:
    block = context.option("deduplicate")
    return block is not None and getattr(block, "near", "off") != "off"


def copies_sheet(catalog: Catalog, stored: WrittenSamples, run: Run) -> list[Figure]:
    """The samples with the most duplicates."""
    top = list(
        catalog.rows(
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
    pixels = [representative_image(sample.content) for sample, _ in here]
    captions = [f"{count} {'duplicate' if count == 1 else 'duplicates'}" for _, count in here]
    save(image_sheet(pixels, captions, COLUMNS, tile=160), run.path("figures", "copies.png"))
    caption = "The samples with the most duplicates, and how many were removed."
    alt = f"{len(here)} images with the number of their duplicates"
    return [Figure("figures/copies.png", caption, alt, wide=True)]


def near_sheet(catalog: Catalog, stored: WrittenSamples, run: Run) -> list[Figure]:
    """The largest groups of near duplicates, one row each."""
    for statement in _ALIKE:
        catalog.execute(statement)
    sql = (
        f"SELECT grp, COUNT(*) AS n FROM alike JOIN items USING (id) WHERE {_SEEN} "  # noqa: S608
        "GROUP BY 1 HAVING n > 1 ORDER BY n DESC, MIN(content_sha) LIMIT ?"
    )
    groups = [(row["grp"], row["n"]) for row in catalog.rows(sql, CLUSTERS)]
    members = (
        "SELECT id, content_sha, fate, split, thumb, width, height FROM alike "  # noqa: S608
        f"JOIN items USING (id) WHERE grp = ? AND {_SEEN} "
        "ORDER BY fate <> 'kept', content_sha LIMIT ?"
    )
    sheet = _Sheet(stored)
    for group, count in groups:
        rows = list(catalog.rows(members, group, COLUMNS))
        notes = [f"kept · {r['split']}" if r["fate"] == "kept" else "removed" for r in rows]
        notes[0] = f"{count} in group · {notes[0]}"
        sheet.add(rows, notes)
    if not groups:
        return []
    total = catalog.one(
        "SELECT COUNT(*) FROM (SELECT 1 FROM alike GROUP BY grp HAVING COUNT(*) > 1)"
    )
    caption = f"Near duplicates: {len(groups)} of {total} groups, the largest first."
    return sheet.figure("near", caption, f"{len(groups)} groups of near duplicates", run)


def doubtful_sheet(context: ReportContext, stored: WrittenSamples) -> list[Figure]:
    """The least similar pairs of near duplicates, to judge whether the threshold fits."""
    sheet = _Sheet(stored)
    for pair in context.unique.doubtful[:DOUBTFUL]:
        rows = [
            row
            for item in (pair.one, pair.other)
            for row in context.catalog.rows(
                "SELECT id, content_sha, fate, split, thumb, width, height FROM items WHERE id = ?",
                item,
            )
        ]
        turned = f" · {pair.turn}" if pair.turn else ""
        sheet.add(rows, [f"{pair.distance} bits apart{turned}", ""])
    if not context.unique.doubtful:
        return []
    caption = (
        "The least similar pairs that count as near duplicates, side by side. If they show "
        "different content, use a smaller deduplicate.distance."
    )
    return sheet.figure("doubtful", caption, "The least similar pairs", context.run)


class _Sheet:
    """Groups of images, each in one row, small ones side by side."""

    def __init__(self, stored: WrittenSamples) -> None:
        self._stored = stored
        self._pixels: list[NDArray[np.uint8] | None] = []
        self._captions: list[str] = []
        self._small = False

    def add(self, rows: Sequence[Any], notes: Sequence[str]) -> None:
        """Add a group; removed samples are shown by their thumbnail."""
        blank = -len(self._pixels) % COLUMNS
        if len(rows) > blank:
            self._pixels += [None] * blank
            self._captions += [""] * blank
        kept = [row["content_sha"] for row in rows if row["fate"] == "kept"]
        found = self._stored.samples(kept)
        for row, note in zip(rows, notes, strict=True):
            self._pixels.append(self._image(row, found))
            self._captions.append(f"{note}\n{row['width']} x {row['height']}")

    def figure(self, name: str, caption: str, alt: str, run: Run) -> list[Figure]:
        """Write the sheet; nothing if no image is available."""
        if all(tile is None for tile in self._pixels):
            return []
        sheet = image_sheet(self._pixels, self._captions, COLUMNS, tile=160)
        save(sheet, run.path("figures", f"{name}.png"))
        if self._small:
            caption += " Removed samples are shown by their thumbnail."
        return [Figure(f"figures/{name}.png", caption, alt, wide=True)]

    def _image(self, row: Any, found: dict[str, WrittenSample]) -> NDArray[np.uint8] | None:
        if row["content_sha"] in found:
            return representative_image(found[row["content_sha"]].content)
        if not row["thumb"]:
            return None
        self._small = True
        side = round(len(row["thumb"]) ** 0.5)
        return np.frombuffer(row["thumb"], np.uint8).reshape(side, side)


def representative_image(content: object) -> NDArray[np.uint8]:
    """An image of a sample: the middle slice of a volume, the first frame of a video."""
    if isinstance(content, Volume):
        return middle_slice(content)
    if isinstance(content, Video):
        first: NDArray[np.uint8] = content.frames[0]
        return first
    assert isinstance(content, Image2D)  # noqa: S101
    return content.pixels
