"""The step that writes the dataset: payloads into shards, rows into the manifest.

The door of this folder for the engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.dicom.copies import Copies, count_copies, write_copies
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.duplicates.step import fingerprints
from medfm_cli.commands.curate.instructions.records import write_instructions
from medfm_cli.commands.curate.options.source import Labels
from medfm_cli.commands.curate.reading.step import Reading, SourceInfo
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.similarity.fingerprint_file import write_fingerprints
from medfm_cli.commands.curate.writing.croissant import write_croissant
from medfm_cli.commands.curate.writing.linkage import write_linkage
from medfm_cli.commands.curate.writing.pack import Packer, pending_samples
from medfm_cli.data.card import Cutting, DatasetCard, DatasetLineage, LabelSchema
from medfm_cli.data.dataset import SHARDS_FOLDER
from medfm_cli.data.manifest import Quarantined
from medfm_cli.data.shards import Shard
from medfm_cli.data.write import write_manifest
from medfm_cli.runs import Run
from medfm_cli.runs.machine import give_back_memory

__all__ = ["write_croissant", "write_dataset", "write_dicom", "write_linkage"]

JOURNAL = ("checkpoints", "shards")
_LEFT_OUT = (
    "SELECT source, file_sha, frame, step, reason, NULL AS twin FROM refused "
    "ORDER BY entry, frame, reason",
    "SELECT source, file_sha, frame, step, reason, NULL AS twin FROM items "
    "WHERE fate = 'dropped' ORDER BY id",
    "SELECT i.source, i.file_sha, i.frame, i.step, i.reason, "
    "substr(t.content_sha, 1, 16) AS twin FROM items i JOIN items t ON t.id = i.twin "
    "WHERE i.fate = 'duplicate' ORDER BY i.twin, i.id",
)
"""What was refused while it was read, what its label excludes, and copies."""


def write_dataset(
    recipe: CurateRecipe,
    run: Run,
    catalog: Catalog,
    reading: Reading,
    blocks: Sequence[SourceInfo],
    names: Pseudonyms,
) -> DatasetCard:
    """Write the shards, the fingerprints, the manifest, the quarantine and the card.

    Args:
        recipe: says how large shards are and what the card says.
        run: where all this goes.
        catalog: after all decisions.
        reading: holds the payloads.
        blocks: the sources, by their number.
        names: makes the pseudonyms of files that are named in the quarantine.

    Raises:
        OSError: the disk refuses.
    """
    root = run.path("dataset")
    packer = Packer(
        root / SHARDS_FOLDER,
        run.path(*JOURNAL),
        reading.staging,
        shard_bytes=recipe.shard_bytes,
        samples=lambda: pending_samples(catalog, [block.name for block in blocks]),
    )
    shards = _pack(run, catalog, packer)
    give_back_memory()

    def source_name(block: int, name: str) -> str:
        return name if blocks[block].keep_paths else names.of("file", name)

    count, digest = _sources(catalog)
    licences = [licence for block in blocks for licence in block.keys.licences]
    licences += [licence for block in blocks for licence in block.licences]
    write_fingerprints(root, fingerprints(catalog), key=names.fingerprint)
    card = write_manifest(
        root,
        packer.samples(shards),
        name=run.name,
        label_schema=_label_schema(catalog, [block.keys.label_spec() for block in blocks]),
        shards=shards,
        quarantine=_quarantined(catalog, source_name),
        lineage=DatasetLineage(source_count=count, source_digest=digest, recipe=run.hash),
        cutting=_cutting(run, blocks, reading.cuttings),
        licences=list(dict.fromkeys(licences)),
        consent="; ".join(dict.fromkeys(b.keys.consent for b in blocks if b.keys.consent)),
    )
    if recipe.derive.instructions is not None and recipe.derive.instructions.export:
        write_instructions(root)
    run.log("dataset", version=card.version, samples=card.counts.samples)
    return card


def write_dicom(
    recipe: CurateRecipe, run: Run, catalog: Catalog, names: Pseudonyms
) -> Copies | None:
    """De-identified copies of the DICOM files, where the recipe requests them."""
    options = recipe.deidentify
    if options.dicom is None or not options.dicom.export:
        return None
    total = count_copies(catalog)
    with run.console.progress("copying DICOM", total=total, unit="files") as meter:

        def between(count: int) -> None:
            meter.advance(count)
            run.check_stop()

        return write_copies(catalog, run.path("dataset"), options, names, between=between)


def _sources(catalog: Catalog) -> tuple[int, str]:
    """How many different files were read, and `manifest.source_digest` of them, streamed."""
    digest, count = hashlib.sha256(), 0
    for (sha,) in catalog.rows(
        "SELECT file_sha FROM (SELECT file_sha FROM items UNION SELECT file_sha FROM refused) "
        "WHERE file_sha <> '' ORDER BY file_sha"
    ):
        digest.update(f"{sha}\n".encode())
        count += 1
    return count, digest.hexdigest()


def _pack(run: Run, catalog: Catalog, packer: Packer) -> list[Shard]:
    packer.journal.mkdir(exist_ok=True)
    parts = catalog.one(
        "SELECT coalesce(sum(json_array_length(parts)), 0) FROM items WHERE fate = 'kept'"
    )
    with run.console.progress("writing shards", total=parts, unit="samples") as meter:

        def between(count: int) -> None:
            meter.advance(count)
            run.check_stop()

        return packer.pack(between=between)


def _cutting(run: Run, blocks: Sequence[SourceInfo], cuttings: Sequence[Cutting]) -> Cutting:
    """How images were cut, which models take over; of a mixture that is cut in several ways, how
    its first source was."""
    if len(set(map(repr, cuttings))) > 1:
        run.console.warn(
            f"the sources are cut in different ways; models that learn from all of them will cut "
            f"new images as those of '{blocks[0].name}' (tile, planes, frames: see dataset.json)"
        )
    return cuttings[0]


def _label_schema(catalog: Catalog, specs: Sequence[Labels]) -> LabelSchema:
    """The classes: in the order of `labels.classes` where the recipe lists them, else by name."""
    kept = "FROM items WHERE fate = 'kept'"
    present = {
        label for (label,) in catalog.rows(f"SELECT DISTINCT label {kept} AND label IS NOT NULL")
    }
    several = f"SELECT DISTINCT labels {kept} AND labels IS NOT NULL"
    multi = False
    for (labels,) in catalog.rows(several):
        present.update(json.loads(labels))
        multi = True
    if not present:
        return LabelSchema()
    listed = dict.fromkeys(name for spec in specs for name in spec.classes.values())
    ordered = [name for name in listed if name in present]
    ordered += sorted(present - set(ordered), key=_by_number)
    return LabelSchema(kind="multi" if multi else "single", classes=ordered)


def _by_number(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def _quarantined(catalog: Catalog, source_name: Callable[[int, str], str]) -> Iterator[Quarantined]:
    """What was left out.

    Args:
        catalog: after all decisions.
        source_name: how the dataset calls a file, given its block and its name.
    """
    for block, name, reason in catalog.rows("SELECT * FROM left_out ORDER BY block, name, reason"):
        yield Quarantined(source=source_name(block, name), step="source", reason=reason)
    absent = "SELECT DISTINCT block, name, reason FROM absent ORDER BY block, name, reason"
    for block, name, reason in catalog.rows(absent):
        yield Quarantined(source=source_name(block, name), step="table", reason=reason)
    for row in (row for sql in _LEFT_OUT for row in catalog.rows(sql)):
        yield Quarantined(
            source=row["source"],
            source_sha256=row["file_sha"],
            frame=row["frame"],
            step=row["step"],
            reason=row["reason"],
            image_id=row["twin"],
        )
