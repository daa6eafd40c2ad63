"""What the newest finished run of the same recipe has read already: its staged records, and the
payloads in its shards.

A file that is unchanged (name, size, time; the files and table rows that are read with it, too) and
was read under the same settings need not be read again. Everything else is read again: a previous
run saves time and changes nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.reading.staging import (
    PASSING,
    WITHDRAWN,
    Entry,
    ItemRecord,
    RejectedRecord,
    StagedPart,
    Staging,
    WorkUnit,
    WorkUnitWriter,
)
from medfm_cli.data.card import DatasetCard, read_card
from medfm_cli.data.dataset import SHARDS_FOLDER
from medfm_cli.data.manifest import MANIFEST_FILE
from medfm_cli.data.shards import ShardReader
from medfm_cli.errors import DataError
from medfm_cli.runs import Run
from medfm_cli.runs.identity import folder_name

UNITS = ("checkpoints", "units")
CHUNK = 8192
_COLUMNS = ["sample_id", "image_id", "source", "shard", "members"]


def key_of(names: Pseudonyms, entry: Entry, block: str, stamps: list[tuple[str, int, int]]) -> str:
    """What an entry is known by in later runs: a keyed hash, since file names may name patients.

    Args:
        names: holds the key.
        entry: the entry.
        block: the name of its source block.
        stamps: name, size and time of its file and of those that are read with it; a time of 0 says
            nothing of the content, and such an entry is known by nothing.
    """
    refs = [(ref.kind, _stamp(ref.path), ref.key) for ref in entry.refs]
    if any(not time for _, _, time in (*stamps, *(stamp for _, stamp, _ in refs))):
        return ""
    what = (
        block,
        stamps,
        entry.first,
        entry.last,
        entry.kind,
        refs,
        sorted(entry.table_values.items()),
    )
    text = json.dumps(what, separators=(",", ":"))
    return hmac.new(names.key, b"entry\0" + text.encode(), hashlib.sha256).hexdigest()[:32]


def _stamp(path: str) -> tuple[str, int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - any name will do
    except (OSError, ValueError):
        return "", 0, 0
    return Path(path).name, status.st_size, status.st_mtime_ns


class PreviousRun:
    """A finished run that read with the same settings. A context manager.

    Attributes:
        name: of its run directory.
    """

    def __init__(self, folder: Path, card: DatasetCard, staging: Staging, scratch: Path) -> None:
        self.name = folder.name
        self._shards = folder / "dataset" / SHARDS_FOLDER
        self._reader = ShardReader(self._shards)
        self._sums = {shard.name: shard.sha256 for shard in card.shards}
        self._sound: dict[str, bool] = {}
        self._staging = staging
        self._scratch = scratch
        self._unit: tuple[int, list[ItemRecord | RejectedRecord]] = (-1, [])
        scratch.unlink(missing_ok=True)
        self._db = sqlite3.connect(scratch, isolation_level=None)
        scratch.chmod(0o600)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN")
        self._load(folder / "dataset" / MANIFEST_FILE)

    @classmethod
    def find(cls, run: Run, mark: str) -> PreviousRun | None:
        """The run that `<out>/curate-<recipe>` leads to, if it can be of use.

        A forced run uses no previous run.
        """
        link = run.dir.parent / folder_name(run.verb, run.name)
        if not link.is_symlink() or (run.dir / "previous").exists():
            return None
        folder = link.resolve()
        if folder == run.dir.resolve() or not (folder / "DONE").is_file():
            return None
        staging = Staging(folder.joinpath(*UNITS), mark)
        try:
            card = read_card(folder / "dataset")
            with (folder / "dataset" / MANIFEST_FILE).open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == card.manifest_sha256
            if not whole or not any(staging.heads()):
                return None
            return cls(folder, card, staging, run.path("checkpoints", "previous.sqlite"))
        except (DataError, OSError, pa.ArrowException):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._reader.close()
        self._db.close()
        self._scratch.unlink(missing_ok=True)

    def place(self, entry: Entry, names: Pseudonyms) -> tuple[int, int] | None:
        """Unit and number of an entry in that run, if it read it and all its payloads are there."""
        row = self._db.execute("SELECT unit, entry FROM entries WHERE key = ?", (entry.key,))
        place = row.fetchone()
        if place is None:
            return None
        rows = self._rows(*place)
        sources = (entry.name, names.of("file", entry.name))
        return place if rows and all(self._can_give(row, sources) for row in rows) else None

    def adopt(self, unit: WorkUnit, staging: Staging, names: Pseudonyms) -> bool:
        """Write a unit out of what that run holds; False where something has gone since."""
        with suppress(LookupError, DataError), WorkUnitWriter(staging, unit) as writer:
            for entry in unit.entries:
                if entry.old is None:
                    raise LookupError
                sources = (entry.name, names.of("file", entry.name))
                for row in self._rows(*entry.old):
                    writer.add(self._renumbered(row, entry.index, sources, writer))
            return True
        return False

    def _load(self, manifest: Path) -> None:
        self._db.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, unit, entry) WITHOUT ROWID")
        keys = (
            (key, unit, entry)
            for unit, first, known in self._staging.heads()
            for entry, key in enumerate(known, first)
            if key
        )
        self._db.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", keys)
        self._db.execute("CREATE TABLE samples (content, suffix, source, shard, members)")
        self._db.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", _samples(manifest))
        self._db.execute("CREATE INDEX samples_content ON samples (content, suffix)")

    def _rows(self, unit: int, entry: int) -> list[ItemRecord | RejectedRecord]:
        """The rows of an entry; entries come in the order of their units."""
        if self._unit[0] != unit:
            self._unit = unit, list(self._staging.load(unit))
        return [row for row in self._unit[1] if row.entry == entry]

    def _can_give(self, row: ItemRecord | RejectedRecord, sources: tuple[str, str]) -> bool:
        if isinstance(row, RejectedRecord):
            return row.step != WITHDRAWN and not row.reason.startswith(PASSING)
        return all(self._member_places(row, part, sources) for part in row.parts)

    def _member_places(
        self, row: ItemRecord, part: StagedPart, sources: tuple[str, str]
    ) -> tuple[str, list[tuple[int, ...]]] | None:
        """Shard, and places of a part's members, where the shards hold just these.

        A sample without a mask or further images follows from its content, so that of a copy
        serves as well.
        """
        samples = self._db.execute(
            "SELECT source, shard, members FROM samples WHERE content = ? AND suffix = ?",
            (row.content_sha[:16], part.suffix),
        )
        own = {source + row.shown for source in sources}
        for source, shard, members in samples:
            places = json.loads(members)
            if len(part.lengths) > 1 and source not in own:
                continue
            places.pop("json", None)  # it is made anew
            if {name: length for name, (_, length, *_) in places.items()} == part.lengths:
                return shard, [tuple(places[name]) for name in part.lengths]
        return None

    def _renumbered(
        self,
        row: ItemRecord | RejectedRecord,
        index: int,
        sources: tuple[str, str],
        writer: WorkUnitWriter,
    ) -> ItemRecord | RejectedRecord:
        if isinstance(row, RejectedRecord):
            return replace(row, entry=index)
        parts = [self._copied(row, part, sources, writer) for part in row.parts]
        return replace(row, entry=index, parts=parts)

    def _copied(
        self, row: ItemRecord, part: StagedPart, sources: tuple[str, str], writer: WorkUnitWriter
    ) -> StagedPart:
        place = self._member_places(row, part, sources)
        if place is None or not self._is_sound(place[0]):
            raise LookupError
        data = [self._reader.read(place[0], *member) for member in place[1]]
        return replace(part, offset=writer.payload(dict(zip(part.lengths, data, strict=True))))

    def _is_sound(self, shard: str) -> bool:
        """Whether a shard is as it was written; looked at once."""
        if shard not in self._sound:
            digest = ""
            with suppress(OSError), (self._shards / shard).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._sound[shard] = digest == self._sums.get(shard)
        return self._sound[shard]


def _samples(manifest: Path) -> Iterator[tuple[Any, ...]]:
    """Content, suffix, source, shard and members of every sample."""
    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(CHUNK, columns=_COLUMNS):
            for row in zip(*(batch.column(name).to_pylist() for name in _COLUMNS), strict=True):
                sample, image, source, shard, members = row
                yield image[:16], sample[len(image) :], source, shard, members
