"""Finish a dataset folder: the manifest, the quarantine and, last of all, the card."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
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
    FINGERPRINTS_FILE,
    MANIFEST_FILE,
    QUARANTINE_FILE,
    QUARANTINE_SCHEMA,
    SAMPLES_SCHEMA,
    SPLITS,
    ContentVersion,
    ParquetRows,
    Quarantined,
    Sample,
)
from medfm_cli.data.shards import Shard
from medfm_cli.runs.atomic import write_text
from medfm_cli.runs.hashes import file_sha256
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
    must come from the content. They are written as they come, and may be very many. `shards` are
    those of `ShardWriter.close()`, with the ones of an interrupted run before them. The card comes
    last: a folder with a card is complete.

    Raises:
        ValueError: a sample id occurs twice, or a split or label is not among the known ones.
        OSError: the disk refuses.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / CARD_FILE).unlink(missing_ok=True)  # never a card beside a manifest it does not know
    manifest = ParquetRows(root / MANIFEST_FILE, SAMPLES_SCHEMA)
    counter, version = ManifestCounter(label_schema), ContentVersion(label_schema)

    def seen(batch: pa.RecordBatch) -> None:
        counter.add(batch)
        version.add(batch)

    manifest.write(samples, seen=seen, check=counter.check_ids)
    ParquetRows(root / QUARANTINE_FILE, QUARANTINE_SCHEMA).write(quarantine)
    present = [name for name in (QUARANTINE_FILE, FINGERPRINTS_FILE) if (root / name).is_file()]
    card = DatasetCard(
        name=name,
        version=version.hexdigest(),
        label_schema=label_schema,
        counts=counter.counts(),
        cutting=cutting or Cutting(),
        licences=list(licences),
        consent=consent,
        medfm=__version__,
        lineage=lineage or DatasetLineage(),
        manifest_sha256=manifest.sha256,
        files={name: file_sha256(root / name) for name in present},
        shards=[ShardInfo(**shard._asdict()) for shard in shards],
    )
    card = card.sealed()
    write_text(root / CARD_FILE, card.to_file())
    return card


class ManifestCounter:
    """Counts samples, images and subjects while the rows of a manifest go by.

    Names are kept as 64 bits of their hash, 8 bytes each: two of a million have the same ones once
    in 37 million manifests.
    """

    def __init__(self, label_schema: LabelSchema) -> None:
        self._known = {"split": set(SPLITS), "label": set(label_schema.classes)}
        self._ids = array("Q")
        self._images: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
        self._subjects: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
        self._samples: Counter[str] = Counter()
        self._of: dict[str, Counter[str]] = {
            name: Counter() for name in ("label", "kind", "modality", "site", "origin", "client")
        }

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the next rows.

        Raises:
            ValueError: a split or label is unknown.
        """
        for name, known in self._known.items():
            present = set(batch.column(name).unique().to_pylist()) - {None}
            if unknown := sorted(present - known):
                raise ValueError(f"unknown {name}: {', '.join(unknown)}")
        self._ids.extend(map(_short, batch.column("sample_id").to_pylist()))
        splits = batch.column("split").to_pylist()
        self._samples.update(splits)
        for column, groups in (("image_id", self._images), ("subject_id", self._subjects)):
            for split, value in zip(splits, batch.column(column).to_pylist(), strict=True):
                groups[split].append(_short(value))
        for name, counter in self._of.items():
            counter.update(v for v in batch.column(name).to_pylist() if v is not None)
        several = batch.column("labels").to_pylist()
        self._of["label"].update(label for labels in several for label in labels or ())

    def check_ids(self) -> None:
        """See that no sample id occurs twice.

        Raises:
            ValueError: one does.
        """
        if _distinct(self._ids) != len(self._ids):
            raise ValueError("a sample id occurs twice")

    def counts(self) -> Counts:
        """What there was, in all and by kind."""
        splits = {
            split: SplitCounts(
                samples=samples,
                images=_distinct(self._images[split]),
                subjects=_distinct(self._subjects[split]),
            )
            for split, samples in sorted(self._samples.items())
        }
        of = {name: _sorted(counter) for name, counter in self._of.items()}
        return Counts(
            samples=self._samples.total(),
            images=_distinct(*self._images.values()),
            subjects=_distinct(*self._subjects.values()),
            splits=splits,
            labels=of["label"],
            kinds=of["kind"],
            modalities=of["modality"],
            sites=of["site"],
            origins={name: n for name, n in of["origin"].items() if name},
            clients={name: n for name, n in of["client"].items() if name},
        )


def _distinct(*names: array[int]) -> int:
    """How many different numbers some lists hold."""
    parts = [np.frombuffer(part, dtype=np.uint64) for part in names if part]
    return len(np.unique(np.concatenate(parts))) if parts else 0


def _short(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
