"""Staged payloads are copied into shards, in the manifest's order, shard by shard.

Every finished shard is written down at once, so that a killed run continues after the last of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.reading.staging import StagedPart, Staging
from medfm_cli.data.manifest import SAMPLE_COLUMNS, SPLITS, Sample
from medfm_cli.data.shards import Location, Shard, ShardWriter, member_places
from medfm_cli.errors import RunFailed
from medfm_cli.runs.atomic import write_text
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.samples.fields import RecordField

_RANK = " ".join(f"WHEN '{split}' THEN {rank}" for rank, split in enumerate(SPLITS))
_ORDER = (
    f"SELECT * FROM items WHERE fate = 'kept' "  # noqa: S608
    f"ORDER BY CASE split {_RANK} END, content_sha, id"
)
_REPEATED = (
    "SELECT content_sha FROM items WHERE fate = 'kept' GROUP BY content_sha HAVING count(*) > 1"
)
_OF_ITEM = [column for column in SAMPLE_COLUMNS if column.column.source == "item"]
_PLACES = "offset, length, lengths, sums"
"""What stands in a line of the places."""
_OF_PART = [column for column in SAMPLE_COLUMNS if column.column.source == "part"]


@dataclass(frozen=True, slots=True)
class PendingSample:
    """One sample that is to be written: an item or a part of it.

    `copy` counts items of the same content that are kept.
    """

    row: sqlite3.Row
    part: StagedPart
    copy: int
    origin: str

    @property
    def image_id(self) -> str:
        """The id that all parts of the item share."""
        return str(self.row["content_sha"])[:16] + (f"-copy{self.copy}" if self.copy else "")

    @property
    def sample_id(self) -> str:
        """The id of this part."""
        return self.image_id + self.part.suffix

    def facts(self) -> str:
        """The item's facts, and where in it the part lies."""
        place = json.loads(self.part.place)
        if not place:
            return str(self.row["facts"])
        return _json(json.loads(self.row["facts"]) | place)

    def json_member(self) -> bytes:
        """The member that says what the sample is, for readers without the manifest."""
        row = self.row
        fields: dict[str, Any] = {
            "label": row["label"] if row["labels"] is None else json.loads(row["labels"]),
            "modality": row["modality"],
            "split": row["split"],
            "subject": row["subject"],
        }
        for name, value in (
            ("kind", "" if self.part.kind == "image" else self.part.kind),
            ("meta", json.loads(self.part.meta)),
            ("text", row["text"]),
            ("turns", json.loads(row["turns"] or "[]")),
            ("boxes", json.loads(self.part.boxes)),
        ):
            if value:
                fields[name] = value
        return _json(fields).encode("utf-8", "surrogatepass")

    def sample(self, place: Location, lengths: dict[str, int], sums: dict[str, int]) -> Sample:
        """The row of the manifest."""
        row = self.row
        copied: dict[str, Any] = {c.name: _value(row[c.name], c) for c in _OF_ITEM}
        copied |= {c.name: _value(getattr(self.part, c.name), c) for c in _OF_PART}
        return Sample(
            sample_id=self.sample_id,
            image_id=self.image_id,
            subject_id=row["subject"],
            study_id=row["study"],
            origin=self.origin,
            cluster="" if row["cluster"] is None else f"cluster-{row['cluster']}",
            facts=self.facts(),
            source_sha256=row["file_sha"],
            shard=place.shard,
            offset=place.offset,
            length=place.length,
            members=_json(member_places(place, lengths, sums)),
            crc32=next(iter(sums.values())),
            **copied,
        )


def _value(value: Any, column: RecordField) -> Any:
    """A value of the catalog as the manifest has it: nothing is None, lists are no JSON."""
    if column.nullable and (value == "" or (value == "[]" and column.name in ("turns", "boxes"))):
        return None
    if column.kind is list and isinstance(value, str):
        return json.loads(value)
    return bool(value) if column.kind is bool and value is not None else value


def pending_samples(catalog: Catalog, origins: Sequence[str]) -> Iterator[PendingSample]:
    """All samples in the manifest's order: by split, then by id, which is a hash of the content.

    So the order depends on the content alone, and neighbours have nothing in common.

    Args:
        catalog: after all decisions.
        origins: the names of the source blocks.
    """
    # without exact deduplication, copies may lie in several splits; else nothing is remembered
    copies = {row[0]: -1 for row in catalog.rows(_REPEATED)}
    for row in catalog.rows(_ORDER):
        sha, copy = row["content_sha"], 0
        if sha in copies:
            copies[sha] = copy = copies[sha] + 1
        parts = sorted((StagedPart(*part) for part in json.loads(row["parts"])), key=_suffix)
        for part in parts:
            yield PendingSample(row, part, copy, origins[row["block"]])


def _suffix(part: StagedPart) -> str:
    return part.suffix


class Packer:
    """Writes the shards of a dataset.

    Args:
        folder: where the shards go.
        journal: folder of one file a finished shard.
        staging: where the payloads are.
        shard_bytes: size of a shard, about.
        samples: gives all samples in order, as often as it is called.
    """

    def __init__(
        self,
        folder: Path,
        journal: Path,
        staging: Staging,
        *,
        shard_bytes: int,
        samples: Callable[[], Iterator[PendingSample]],
    ) -> None:
        self.folder = folder
        self.journal = journal
        self.staging = staging
        self.shard_bytes = shard_bytes
        self.ordered = samples

    def pack(self, *, between: Callable[[int], None]) -> list[Shard]:
        """Write what is not yet written; give all shards.

        Args:
            between: called after each sample with 1; may raise to stop the run.

        Raises:
            RunFailed: the staging lacks a payload.
            OSError: the disk refuses.
        """
        mark, total = self._mark()
        shards = self._finished(mark, check=True)
        done = sum(shard.samples for shard in shards)
        if done == total:
            return shards
        reader = _PayloadReader(self.staging)
        writer = ShardWriter(self.folder, max_bytes=self.shard_bytes, start=len(shards))
        with writer, reader, _Places(self._places(len(shards))) as places:
            for number, sample in enumerate(self.ordered()):
                if number < done:
                    continue
                finished = len(writer.finished)
                members = reader.read(sample) | {"json": sample.json_member()}
                location = writer.add(sample.sample_id, members)
                if len(writer.finished) > finished:
                    places.finish()
                    self._note(mark, writer.finished[-1])
                    places.begin(self._places(len(shards) + len(writer.finished)))
                places.add(location, members)
                between(1)
            last = writer.close()[-1]
            places.finish()
            self._note(mark, last)
        return self._finished(mark)

    def samples(self, shards: Sequence[Shard]) -> Iterator[Sample]:
        """The rows of the manifest, once all is packed."""
        pending = self.ordered()
        for number, shard in enumerate(shards):
            with self._places(number).open(encoding="ascii") as file:
                for line in file:
                    offset, length, lengths, sums = json.loads(line)
                    place = Location(shard.name, offset, length)
                    yield next(pending).sample(place, lengths, sums)

    def _note(self, mark: str, shard: Shard) -> None:
        """Write down a finished shard, whose places are written already."""
        entry = {"mark": mark, "shard": shard._asdict()}
        write_text(self._path(_number(shard)), json.dumps(entry, separators=(",", ":")))

    def _path(self, number: int) -> Path:
        return self.journal / f"shard-{number:05d}.json"

    def _places(self, number: int) -> Path:
        """Where the samples of a shard lie in it, a line each."""
        return self.journal / f"places-{number:05d}.jsonl"

    def _finished(self, mark: str, *, check: bool = False) -> list[Shard]:
        """The shards that are written down and there, from the first on; `check` their content."""
        shards: list[Shard] = []
        for number in range(1 << 20):
            entry = _read(self._path(number))
            if entry is None or entry["mark"] != mark:
                break
            shard = Shard(**entry["shard"])
            path = self.folder / shard.name
            if not path.is_file() or path.stat().st_size != shard.bytes:
                break
            if check and file_sha256(path) != shard.sha256:
                break
            if not self._places(number).is_file():
                break
            shards.append(shard)
        for leftover in self.journal.glob("places-*.tmp"):  # of a try that was killed
            leftover.unlink()
        for stale in list(self.journal.glob("shard-*.json")):
            if int(stale.stem.partition("-")[2]) >= len(shards):
                stale.unlink()
        return shards

    def _mark(self) -> tuple[str, int]:
        """Names what the shards hold and how they are cut; shards of another plan do not count.

        Gives the number of samples as well.
        """
        digest = hashlib.sha256(f"{self.shard_bytes} {_PLACES}\n".encode())
        total = 0
        for sample in self.ordered():
            digest.update(sample.sample_id.encode() + sample.json_member())
            total += 1
        return digest.hexdigest(), total


class _Places:
    """Writes where samples lie as they come: a shard may hold a great many of them.

    A file appears under its name when its shard is finished.
    """

    def __init__(self, path: Path) -> None:
        self.begin(path)

    def begin(self, path: Path) -> None:
        """Begin the next shard."""
        self._path = path
        self._temporary = path.with_suffix(f".{os.getpid()}.tmp")
        self._file = self._temporary.open("w", encoding="ascii")

    def add(self, first: Location, members: Mapping[str, bytes]) -> None:
        """Note a sample: where its first payload lies, and length and CRC-32 of all its members."""
        lengths = {name: len(data) for name, data in members.items()}
        sums = {name: zlib.crc32(data) for name, data in members.items()}
        line = json.dumps([first.offset, first.length, lengths, sums], separators=(",", ":"))
        self._file.write(line + "\n")

    def finish(self) -> None:
        """Give the file its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):  # closing writes what is buffered: the disk may be full
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _number(shard: Shard) -> int:
    return int(Path(shard.name).stem.partition("-")[2])


class _PayloadReader:
    """Reads payloads out of the staging; keeps a few files open."""

    MOST = 64

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self._open: dict[int, int] = {}

    def read(self, sample: PendingSample) -> dict[str, bytes]:
        """The members of a sample."""
        unit, part = sample.row["unit"], sample.part
        total = sum(part.lengths.values())
        data = os.pread(self._descriptor(unit), total, part.offset)
        if len(data) != total:
            raise RunFailed(
                f"the work file '{self.staging.payload_path(unit)}' is cut short",
                hint="run again with --force",
            )
        members: dict[str, bytes] = {}
        start = 0
        for name, length in part.lengths.items():
            members[name] = data[start : start + length]
            start += length
        return members

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, unit: int) -> int:
        if unit not in self._open:
            if len(self._open) >= self.MOST:
                os.close(self._open.pop(next(iter(self._open))))
            try:
                self._open[unit] = os.open(self.staging.payload_path(unit), os.O_RDONLY)
            except FileNotFoundError:
                raise RunFailed(
                    "shards of the dataset were changed after they were written",
                    hint="run again with --force",
                ) from None
        return self._open[unit]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return entry
