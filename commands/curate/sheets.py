"""The pictures of the report: samples of every class and modality, and what came most often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medfm_cli.commands.curate.ledger import Ledger
from medfm_cli.data.dataset import SHARDS_FOLDER
from medfm_cli.data.manifest import MANIFEST_FILE
from medfm_cli.data.payload import picture_of
from medfm_cli.data.shards import ShardReader
from medfm_cli.runs import Figure, Run
from medfm_cli.runs.figures import image_sheet, save

COLUMNS = 6
MOST_ROWS = 12
_HAS_LABEL = (
    "(label = ? OR EXISTS (SELECT 1 FROM json_each(coalesce(labels, '[]')) WHERE value = ?))"
)
Few = list[tuple[str, str]]
"""Image ids with a caption each."""


def class_sheet(ledger: Ledger, classes: Sequence[str], run: Run) -> Figure:
    """One row of images for every class."""
    shown = list(classes)[:MOST_ROWS]
    chosen = {name: _few(ledger, _HAS_LABEL, name, name) for name in shown}
    caption = "Images of every class, each row from as many subjects as there are."
    if len(classes) > MOST_ROWS:
        caption = f"Images of the first {MOST_ROWS} of {len(classes)} classes."
    return _sheet(chosen, run, name="classes", caption=caption)


def modality_sheet(ledger: Ledger, run: Run) -> Figure:
    """One row of images for every modality."""
    names = ledger.rows(
        "SELECT modality FROM items WHERE fate = 'kept' AND kind = 'image' "
        "GROUP BY modality ORDER BY count(*) DESC, modality LIMIT ?",
        MOST_ROWS,
    )
    chosen = {name or "unknown modality": _few(ledger, "modality = ?", name) for (name,) in names}
    caption = "Images of every modality, each row from as many subjects as there are."
    if len(chosen) == 1:
        caption = "Some of the images, from as many subjects as there are."
    return _sheet(chosen, run, name="modalities", caption=caption)


def copies_sheet(ledger: Ledger, run: Run) -> Figure:
    """The pictures with the most copies."""
    top = list(
        ledger.rows(
            "SELECT substr(t.content_sha, 1, 16), count(*) AS n FROM items i "
            "JOIN items t ON t.id = i.twin WHERE i.fate = 'duplicate' AND t.kind = 'image' "
            "GROUP BY i.twin ORDER BY n DESC, i.twin LIMIT ?",
            COLUMNS,
        )
    )
    captions = [f"{count} {'copy' if count == 1 else 'copies'}" for _, count in top]
    found = _pixels(run.path("dataset"), [name for name, _ in top])
    path = run.path("figures", "copies.png")
    save(image_sheet([found[name] for name, _ in top], captions, COLUMNS, tile=160), path)
    return Figure(
        "figures/copies.png",
        "The pictures that came most often, and how many copies were left out.",
        f"{len(top)} images with the number of their copies",
        wide=True,
    )


def _sheet(chosen: dict[str, Few], run: Run, *, name: str, caption: str) -> Figure:
    found = _pixels(run.path("dataset"), [image for few in chosen.values() for image, _ in few])
    pixels: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    for label, few in chosen.items():
        blank = COLUMNS - len(few)
        pixels += [*(found[image] for image, _ in few), *[None] * blank]
        captions += [f"{label}\n{about}" for _, about in few] + [""] * blank
    path = run.path("figures", f"{name}.png")
    save(image_sheet(pixels, captions, COLUMNS, tile=160), path)
    return Figure(
        f"figures/{name}.png",
        caption + " Large ones are shown by one tile.",
        f"Sample images of {', '.join(chosen)}",
        wide=True,
    )


def _few(ledger: Ledger, where: str, *args: str) -> Few:
    """Up to a row of images, of different subjects as far as there are some."""
    rows = ledger.rows(
        "SELECT content_sha, split, width, height, row_number() OVER "  # noqa: S608
        "(PARTITION BY subject ORDER BY content_sha) AS turn FROM items "
        f"WHERE fate = 'kept' AND kind = 'image' AND {where} ORDER BY turn, subject LIMIT ?",
        *args,
        COLUMNS,
    )
    return [(r["content_sha"][:16], f"{r['split']} · {r['width']} x {r['height']}") for r in rows]


def _pixels(root: Path, wanted: Iterable[str]) -> dict[str, NDArray[np.uint8]]:
    """The images of these ids as they lie in the dataset; of a tiled one its middle tile."""
    ids = sorted(set(wanted))
    columns = ["image_id", "shard", "offset", "length"]
    table = pq.read_table(
        root / MANIFEST_FILE, columns=columns, filters=[("image_id", "in", ids)] if ids else None
    )
    places: dict[str, list[tuple[str, int, int]]] = {}
    for row in table.to_pylist() if ids else []:
        place = (row["shard"], row["offset"], row["length"])
        places.setdefault(row["image_id"], []).append(place)
    reader = ShardReader(root / SHARDS_FOLDER)
    return {
        name: picture_of(reader.read(*found[len(found) // 2])) for name, found in places.items()
    }
