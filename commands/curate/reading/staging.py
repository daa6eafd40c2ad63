"""The staging folder: for every work unit its records, and the payloads of its samples.

A unit is written whole or not at all, so that a killed run finds its finished units again. Rows
hold pseudonyms only; no identifier of a patient is ever written here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from medfm_cli.commands.curate.annotations import Ref
from medfm_cli.runs.atomic import sync_folder, write_text
from medfm_cli.samples.attributes import Attributes

WITHDRAWN = "withdrawn"
"""The step of what is left out because its subject wants it so; nothing but its number is kept."""
PASSING = ("reading it crashed", "reading it took", "reading took", "it needs more memory")
"""How reasons begin that may not hold another time, or on another machine."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is read in one go: a file with those that belong to it, or a range of a large one.

    Attributes:
        index: its number among the entries.
        file: the file's number in the catalog; several entries may share it.
        block: the number of its source block.
        first, last: the range of the samples in a file that holds thousands, else −1.
        others: paths of the files that are read with it.
        kind: what a group of files is, such as `series`; empty for a single file.
        refs: annotations that are kept in other files.
        table_values: what a table says of it, as it is written there: private.
        key: what it is known by in later runs (see `earlier`), empty where it can change unseen.
        old: unit and number of an entry of an earlier run that it is copied from.
    """

    index: int
    file: int
    block: int
    name: str
    path: str
    size: int
    first: int = -1
    last: int = -1
    others: tuple[str, ...] = ()
    kind: str = ""
    refs: tuple[Ref, ...] = ()
    table_values: dict[str, str] = field(default_factory=dict)
    key: str = ""
    old: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """A few files that one process reads in one go; `skip` are those that killed a process."""

    number: int
    entries: tuple[Entry, ...]
    skip: dict[int, str] = field(default_factory=dict)

    @property
    def unchanged(self) -> bool:
        """Whether an earlier run has read all of it."""
        return all(entry.old is not None for entry in self.entries)


@dataclass(frozen=True, slots=True)
class StagedPart:
    """A staged sample: the whole of an item, or a part of it.

    Attributes:
        suffix: of its id; empty for the whole.
        kind: of its content, which need not be that of the whole.
        place: where in the item it lies, JSON.
        shape, height, width, channels, meta, boxes: as in the manifest.
        offset: of its first member in the unit's file of payloads; the others follow at once.
        lengths: of its members in bytes, by extension.
    """

    suffix: str
    kind: str
    place: str
    shape: list[int]
    height: int
    width: int
    channels: int
    meta: str
    boxes: str
    offset: int
    lengths: dict[str, int]

    def values(self) -> list[Any]:
        """The fields in their order."""
        return [getattr(self, name) for name in self.__slots__]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord(Attributes):
    """An item that was read and is good, with what its own file says of it (`Attributes`).

    `subject`, `study` and `site` are pseudonyms, `marks` keyed marks of the identifiers that were
    seen; `facts`, `meta` and `turns` are JSON.
    """

    entry: int
    frame: int
    part: str
    file_sha: str
    content_sha: str
    kind: str
    height: int
    width: int
    channels: int
    shape: list[int]
    parts: list[StagedPart]
    facts: str
    meta: str
    phash: int | None
    thumb: str | None
    subject: str | None
    study: str | None
    site: str | None
    time: str
    split: str | None
    text: str
    turns: str
    notes: list[str]
    marks: list[str]

    @property
    def shown(self) -> str:
        """What follows the file's name in the manifest: the part or frame, where it has several."""
        if self.part:
            return f"#{self.part}"
        return f"#{self.frame}" if '"frame"' in self.facts else ""

    @classmethod
    def from_values(cls, values: list[Any]) -> Self:
        """The record whose fields, in their order, are these."""
        fields = dict(zip(ITEM_FIELDS, values, strict=True))
        return cls(**fields | {"parts": [StagedPart(*part) for part in fields["parts"]]})

    def values(self) -> list[Any]:
        """The fields in their order (`dataclasses.astuple` copies all that is in them)."""
        values = {name: getattr(self, name) for name in ITEM_FIELDS}
        return list((values | {"parts": [part.values() for part in self.parts]}).values())


ITEM_FIELDS = tuple(item.name for item in fields(ItemRecord))
"""What stands in a staged row, in this order."""


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A file, or the rest of one from `frame` on, that gives no sample."""

    entry: int
    frame: int
    file_sha: str
    step: str
    reason: str


class Staging:
    """The folder of finished work units."""

    def __init__(self, folder: Path, mark: str) -> None:
        """`mark` names the settings: units made under others do not count."""
        self.folder = folder
        self.mark = mark

    def records_path(self, number: int) -> Path:
        """The rows of a unit, one JSON line each, after a line about them all."""
        return self.folder / f"{number:06d}.jsonl"

    def payload_path(self, number: int) -> Path:
        """The payloads of a unit, one after the other."""
        return self.folder / f"{number:06d}.bin"

    def progress_path(self, number: int) -> Path:
        """Which file a process is at, while it works on a unit."""
        return self.folder / f"{number:06d}.progress"

    def is_done(self, unit: WorkUnit, *, packed: bool) -> bool:
        """Whether a unit is finished; once all is packed its payloads are not needed any more."""
        try:
            with self.records_path(unit.number).open(encoding="utf-8") as file:
                head = json.loads(file.readline())
            keys = [entry.key for entry in unit.entries]
            if not self._is_current(head) or head["entries"] != _entries(unit):
                return False
            if head["keys"] != keys:  # made of other files: their source was going away
                return False
            return packed or self.payload_path(unit.number).stat().st_size == head["bytes"]
        except (OSError, ValueError, KeyError):
            return False

    def load(self, number: int) -> Iterator[ItemRecord | RejectedRecord]:
        """The rows of a finished unit."""
        with self.records_path(number).open(encoding="utf-8") as file:
            next(file)
            for line in file:
                kind, values = json.loads(line)
                yield ItemRecord.from_values(values) if kind == "item" else RejectedRecord(*values)

    def heads(self) -> Iterator[tuple[int, int, list[str]]]:
        """Number, first entry and the entries' keys of every unit that was made under the mark."""
        for path in sorted(self.folder.glob("*.jsonl")):
            with suppress(OSError, ValueError, KeyError), path.open(encoding="utf-8") as file:
                head = json.loads(file.readline())
                if self._is_current(head):
                    yield int(path.stem), head["entries"][0], head["keys"]

    def _is_current(self, head: dict[str, Any]) -> bool:
        """Whether a unit was made under these settings, and its rows have the fields of today."""
        return bool(head["fields"] == list(ITEM_FIELDS) and head["mark"] == self.mark)

    def withdraw(self, number: int, items: set[tuple[Any, ...]], reason: str) -> None:
        """Put bare refusals in the place of items (entry, frame and part) in a finished unit."""
        path = self.records_path(number)
        with path.open(encoding="utf-8") as file:
            lines = [next(file)]
        for row in self.load(number):
            kept: ItemRecord | RejectedRecord = row
            if isinstance(row, ItemRecord) and (row.entry, row.frame, row.part) in items:
                kept = RejectedRecord(row.entry, row.frame, "", WITHDRAWN, reason)
            lines.append(_line(kept) + "\n")
        write_text(path, "".join(lines))

    def drop_payloads(self) -> None:
        """Remove all payloads: they are in the shards now."""
        for path in self.folder.glob("*.bin*"):
            path.unlink()


class WorkUnitWriter:
    """Writes one unit; leaving the `with` block by an error leaves nothing."""

    def __init__(self, staging: Staging, unit: WorkUnit) -> None:
        self.staging = staging
        self.unit = unit
        self.items = 0
        self.rejected = 0
        self.stored: dict[str, list[StagedPart]] = {}
        """What is stored of the contents of this unit by their sha256: copies are stored once."""
        self._rows: list[str] = []
        own = os.urandom(4).hex()  # a process of another machine may have our number
        self._temporary = staging.folder / f"{unit.number:06d}.bin.{own}.tmp"
        self._file = self._temporary.open("wb")

    def payload(self, members: Mapping[str, bytes]) -> int:
        """Append the members of a sample; gives the offset of the first."""
        offset = self._file.tell()
        for data in members.values():
            self._file.write(data)
        return offset

    def add(self, row: ItemRecord | RejectedRecord) -> None:
        """Add a row."""
        self.items += isinstance(row, ItemRecord)
        self.rejected += isinstance(row, RejectedRecord)
        self._rows.append(_line(row))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # closing writes what is buffered: the disk may be full
                self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        head: dict[str, Any] = {
            "fields": ITEM_FIELDS,
            "mark": self.staging.mark,
            "entries": _entries(self.unit),
            "keys": [entry.key for entry in self.unit.entries],
            "bytes": self._file.tell(),
        }
        self._temporary.replace(self.staging.payload_path(self.unit.number))
        sync_folder(self.staging.folder)
        lines = [json.dumps(head, separators=(",", ":")), *self._rows]
        text = "".join(f"{line}\n" for line in lines)
        write_text(self.staging.records_path(self.unit.number), text)


class ProgressFile:
    """Says to the parent which file a process is at. One small file, written over in place: to make
    one for each of them would cost more than reading many an image."""

    LENGTH = 64

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def at(self, entry: int) -> None:
        """Note the entry that is read from now on."""
        text = json.dumps([os.getpid(), entry, time.time()])
        os.pwrite(self._file, text.ljust(self.LENGTH).encode("ascii"), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        os.close(self._file)
        if kind is None:
            self._path.unlink(missing_ok=True)


def _line(row: ItemRecord | RejectedRecord) -> str:
    if isinstance(row, ItemRecord):
        return json.dumps(["item", row.values()], separators=(",", ":"))
    return json.dumps(["rejected", astuple(row)], separators=(",", ":"))


def _entries(unit: WorkUnit) -> list[int]:
    """The range of entries that a unit covers; it says whether a unit was cut the same way."""
    return [unit.entries[0].index, unit.entries[-1].index]
