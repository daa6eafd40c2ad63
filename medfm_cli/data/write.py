"""Finish a dataset folder: the manifest, the quarantine and, last of all, the card."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from medfm_cli.data.card import (
    CARD_FILE,
    Counts,
    Cutting,
    DatasetCard,
    DatasetLineage,
    LabelSchema,
    ShardInfo,
    SplitCounts,
)
from medfm_cli.data.manifest import (
    MANIFEST_FILE,
    QUARANTINE_FILE,
    SPLITS,
    Quarantined,
    Sample,
    content_version,
    parquet_bytes,
    quarantine_table,
    samples_table,
)
from medfm_cli.data.shards import Shard
from medfm_cli.runs.atomic import write_bytes, write_text
from medfm_cli.version import __version__


def write_manifest(
    root: Path,
    samples: Iterable[Sample],
    *,
    name: str,
    label_schema: LabelSchema,
    shards: Sequence[Shard],
    quarantine: Iterable[Quarantined] = (),
    lineage: DatasetLineage | None = None,
    cutting: Cutting | None = None,
    licences: Sequence[str] = (),
    consent: str = "",
) -> DatasetCard:
    """Write `samples.parquet`, `quarantine.parquet` and then `dataset.json` into `root`.

    The order of `samples` is the manifest's order: everything that follows depends on it, so it
    must come from the content. `shards` are those of `ShardWriter.close()`, with the ones of an
    interrupted run before them. The card comes last: a folder with a card is complete.

    Raises:
        ValueError: a sample id occurs twice, or a split or label is not among the known ones.
        OSError: the disk refuses.
    """
    table = samples_table(samples)
    _check(table, label_schema)
    manifest = parquet_bytes(table)
    card = DatasetCard(
        name=name,
        version=content_version(table, label_schema),
        label_schema=label_schema,
        counts=count(table),
        cutting=cutting or Cutting(),
        licences=list(licences),
        consent=consent,
        medfm=__version__,
        lineage=lineage or DatasetLineage(),
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        shards=[ShardInfo(**shard._asdict()) for shard in shards],
    )
    root.mkdir(parents=True, exist_ok=True)
    (root / CARD_FILE).unlink(missing_ok=True)  # never a card beside a manifest it does not know
    write_bytes(root / QUARANTINE_FILE, parquet_bytes(quarantine_table(quarantine)))
    write_bytes(root / MANIFEST_FILE, manifest)
    write_text(root / CARD_FILE, card.model_dump_json(indent=2) + "\n")
    return card


def count(table: pa.Table) -> Counts:
    """Count the samples, images and subjects of a manifest, in all and by kind."""
    column = {
        name: table.column(name).to_pylist()
        for name in ("image_id", "subject_id", "split", "label", "labels", "modality", "site")
    }
    labels = Counter(label for label in column["label"] if label is not None)
    labels.update(label for several in column["labels"] for label in several or ())
    return Counts(
        samples=table.num_rows,
        images=len(set(column["image_id"])),
        subjects=len(set(column["subject_id"])),
        splits=_splits(column["split"], column["image_id"], column["subject_id"]),
        labels=_sorted(labels),
        modalities=_sorted(Counter(column["modality"])),
        sites=_sorted(Counter(column["site"])),
    )


def _check(table: pa.Table, label_schema: LabelSchema) -> None:
    if len(table.column("sample_id").unique()) != table.num_rows:
        raise ValueError("a sample id occurs twice")
    for name, known in (("split", SPLITS), ("label", label_schema.classes)):
        found = set(table.column(name).unique().to_pylist()) - {None}
        if unknown := sorted(found - set(known)):
            raise ValueError(f"unknown {name}: {', '.join(unknown)}")


def _splits(splits: list[str], images: list[str], subjects: list[str]) -> dict[str, SplitCounts]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, split in enumerate(splits):
        rows[split].append(row)
    return {
        split: SplitCounts(
            samples=len(members),
            images=len({images[row] for row in members}),
            subjects=len({subjects[row] for row in members}),
        )
        for split, members in sorted(rows.items())
    }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
