"""Every item with all that is known of it: its own file, the table's row, the recipe.

Staged records go by one at a time and become rows of the catalog.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medfm_cli.commands.curate.catalog import Catalog, CatalogItem
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms, is_placeholder
from medfm_cli.commands.curate.deidentify.technical_attributes import harmless
from medfm_cli.commands.curate.metadata.file_metadata import SourceMetadata
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.reading.staging import WITHDRAWN, ItemRecord, RejectedRecord, Staging
from medfm_cli.commands.curate.tables.columns import person_folder, sex_name
from medfm_cli.errors import DataError
from medfm_cli.readers.demographics import age_of
from medfm_cli.samples.attributes import (
    attributes_of,
    parsed_attributes,
    predicted_attributes,
)
from medfm_cli.samples.modalities import modality_name

_REJECT = (
    "INSERT INTO refused (entry, file, block, frame, file_sha, step, reason, source) "
    "VALUES (:entry, :file, :block, :frame, :file_sha, :step, :reason, :source)"
)
_NOTE = "SELECT * FROM notes WHERE file = ?"
_PATIENT = "SELECT * FROM patients WHERE block = ? AND patient = ?"


@dataclass(frozen=True)
class SourceInfo:
    """One source, as the join needs to know it.

    Attributes:
        number: of the block.
        name: in a mixture, else empty.
        keys: what the recipe says of it.
        metadata: what tables and folders say.
        official: whether splits of the source are looked at.
        keep_paths: whether file names stay readable.
        modality, classes, licences: what is known of the source beforehand.
        deidentify: what may stand in the dataset.
    """

    number: int
    name: str
    keys: SourceKeys
    metadata: SourceMetadata
    official: bool
    keep_paths: bool
    modality: str
    classes: dict[str, str]
    deidentify: Deidentify
    licences: tuple[str, ...] = ()


@dataclass
class JoinSummary:
    """What happened to the labels.

    Attributes:
        unlisted: raw labels that `labels.classes` does not list.
        placeholders: subjects of the table that name nobody, such as `unknown`.
        torn: items whose rows of the table contradict each other.
        shared: items whose row of the table may mean another one.
    """

    unlisted: Counter[str] = field(default_factory=Counter)
    placeholders: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    shared: int = 0


def join(
    catalog: Catalog, staging: Staging, units: int, blocks: Sequence[SourceInfo], names: Pseudonyms
) -> JoinSummary:
    """Bring all staged records into the catalog.

    Raises:
        DataError: labels are configured from a field that no item has, or a table names no item.
    """
    joined = JoinSummary()
    joiners = [_Joiner(catalog, block, names, joined) for block in blocks]
    catalog.execute("SAVEPOINT joining")
    number = 0
    for unit, row, entry in _rows(catalog, staging, units):
        joiner = joiners[entry["block"]]
        if isinstance(row, RejectedRecord):
            catalog.execute(_REJECT, joiner.rejection(row, entry))
        else:
            catalog.add(joiner.item(number, unit, row, entry))
            for mark in row.marks:
                catalog.execute("INSERT OR IGNORE INTO marks VALUES (?)", mark)
            number += 1
    catalog.execute("RELEASE joining")
    catalog.index("items")
    for joiner in joiners:
        joiner.check()
    joined.shared = _unlabel_what_is_shared(catalog)
    return joined


def _rows(
    catalog: Catalog, staging: Staging, units: int
) -> Iterator[tuple[int, ItemRecord | RejectedRecord, sqlite3.Row]]:
    """The rows of all units, each with its entry's file, block and name."""
    sql = (
        "SELECT e.number, e.file, e.block, f.name FROM entries e JOIN files f ON f.number = e.file "
        "WHERE e.number = ?"
    )
    entry: sqlite3.Row | None = None
    for unit in range(units):
        for row in staging.load(unit):
            if entry is None or entry["number"] != row.entry:
                entry = catalog.db.execute(sql, (row.entry,)).fetchone()
            if entry is None:
                raise RuntimeError("a staged file is not in the catalog")
            yield unit, row, entry


def _unlabel_what_is_shared(catalog: Catalog) -> int:
    """Take label and target from items whose table row could mean another item's file as well."""
    targets = predicted_attributes()
    labelled = " OR ".join(f"n.{name} <> ''" for name in ("label", *targets))
    cleared = ", ".join(f"{name} = NULL" for name in ("label", "labels", *targets))
    catalog.execute(
        "CREATE TEMP TABLE ambiguous AS SELECT n.row, f.block FROM items i "  # noqa: S608
        "JOIN notes n ON n.file = i.file JOIN files f ON f.number = i.file "
        f"WHERE n.shared AND ({labelled}) GROUP BY n.row, f.block "
        "HAVING count(DISTINCT i.entry) > 1"
    )
    where = (
        "WHERE file IN (SELECT n.file FROM notes n JOIN files f ON f.number = n.file "
        "JOIN ambiguous a ON a.row = n.row AND a.block = f.block WHERE n.shared)"
    )
    count = catalog.one(f"SELECT count(*) FROM items {where}")  # noqa: S608
    catalog.execute(
        f"UPDATE items SET {cleared}, fate = 'kept', step = '', reason = '' "  # noqa: S608
        f"{where}"
    )
    catalog.execute("DROP TABLE ambiguous")
    return int(count)


@dataclass(frozen=True)
class _Labels:
    """The label or labels of an item, or why they leave it out of the dataset."""

    label: str | None = None
    labels: list[str] | None = None
    dropped: str = ""


class _Joiner:
    """Joins what is known of the items of one block."""

    def __init__(
        self, catalog: Catalog, block: SourceInfo, names: Pseudonyms, joined: JoinSummary
    ) -> None:
        self.catalog = catalog
        self.block = block
        self.keys = block.keys
        self.metadata = block.metadata
        self.names = names
        self.joined = joined
        spec = block.keys.label_spec()
        self.field = spec.field
        self.classes = {str(raw): name for raw, name in spec.classes.items()}
        self.drop = {str(raw) for raw in spec.drop}
        self.items = self.labelled = self.matched = 0

    def rejection(self, row: RejectedRecord, entry: sqlite3.Row) -> dict[str, Any]:
        """A row of `refused`."""
        source = "" if row.step == WITHDRAWN else self._source(entry["name"])
        return asdict(row) | {"file": entry["file"], "block": entry["block"], "source": source}

    def item(self, number: int, unit: int, row: ItemRecord, entry: sqlite3.Row) -> CatalogItem:
        """A row of `items`."""
        note = self._note(row, entry["file"])
        labels = self._item_labels(row, note)
        subject, known = self._subject(row, note, entry["name"])
        study = note.get("study")
        attributes = attributes_of(row) | self._noted(row, note)
        if note.get("torn"):
            attributes |= dict.fromkeys(predicted_attributes())
        attributes |= {
            "modality": self._modality(row, note),
            "anatomy": self._anatomy(row, note),
            "label": labels.label,
            "labels": labels.labels,
        }
        return CatalogItem(
            id=number,
            block=entry["block"],
            file=entry["file"],
            entry=row.entry,
            unit=unit,
            frame=row.frame,
            part=row.part,
            source=self._source(entry["name"]) + row.shown,
            file_sha=row.file_sha,
            content_sha=row.content_sha,
            kind=row.kind,
            height=row.height,
            width=row.width,
            channels=row.channels,
            shape=json.dumps(row.shape),
            parts=json.dumps([part.values() for part in row.parts], separators=(",", ":")),
            facts=row.facts,
            meta=row.meta,
            phash=row.phash,
            thumb=base64.b64decode(row.thumb) if row.thumb else None,
            subject=subject,
            known=known,
            study=self.names.of("study", study) if study else row.study or "",
            site=self._site(row, note),
            official=(note.get("split") or row.split or "") if self.block.official else "",
            time=row.time,
            text=row.text,
            turns=row.turns,
            boxes=_boxes(row),
            notes=json.dumps(row.notes, ensure_ascii=False),
            fate="dropped" if labels.dropped else "kept",
            step="labels" if labels.dropped else "",
            reason=labels.dropped,
            **attributes,
        )

    def check(self) -> None:
        """Check that labels were found where the recipe says they are.

        Raises:
            DataError: they were not.
        """
        if self.field and self.items and not self.labelled:
            raise self._no_field()
        if self.metadata.patients and self.items and not self.matched:
            raise DataError(
                f"'{self.metadata.table}' names neither a file of the source nor a patient in the "
                "headers of its files",
                hint="name the column with the files with labels.files, or use another table",
            )

    def _note(self, row: ItemRecord, file: int) -> dict[str, Any]:
        """What tables and folders say of an item's file, else of its patient."""
        row_of_table = self.catalog.db.execute(_NOTE, (file,)).fetchone()
        if row_of_table is None and row.subject is not None and self.metadata.patients:
            key = (self.block.number, row.subject)
            row_of_table = self.catalog.db.execute(_PATIENT, key).fetchone()
            self.matched += row_of_table is not None
        return dict(row_of_table) if row_of_table else {}

    def _source(self, name: str) -> str:
        """How the manifest calls a file."""
        return name if self.block.keep_paths else self.names.of("file", name)

    def _raw_labels(self, row: ItemRecord, note: dict[str, Any]) -> list[str]:
        """The labels as the source writes them."""
        origin = self.metadata.origin
        if origin in ("table", "folders"):
            text = note.get("label") or ""
            parts = text.split(self.metadata.separator) if self.metadata.separator else [text]
            return [part.strip() for part in parts if part.strip()]
        if origin == "own":
            return row.labels if row.labels is not None else [row.label] if row.label else []
        if origin == "field" and self.field:
            if self.field in ("modality", "anatomy") and not self.classes:
                value = getattr(row, self.field)
            else:
                value = json.loads(row.facts).get(self.field) or getattr(row, self.field, "")
            return [str(value)] if value else []
        return []

    def _item_labels(self, row: ItemRecord, note: dict[str, Any]) -> _Labels:
        """The labels of an item, or why they leave it out."""
        raws = self._raw_labels(row, note)
        if note.get("torn") and note.get("label"):
            raws, self.joined.torn = [], self.joined.torn + 1
        self.items += 1
        self.labelled += bool(raws)
        for raw in raws:
            if raw in self.drop:
                return _Labels(dropped=f"label '{raw}' is in labels.drop")
        noted = bool(note.get("label")) and not note.get("torn")
        return _Labels(*self._labels(raws, row, noted=noted or self.metadata.origin == "own"))

    def _labels(
        self, raws: Sequence[str], row: ItemRecord, *, noted: bool
    ) -> tuple[str | None, list[str] | None]:
        """The one label, or the several ones."""
        several = self.metadata.several or (
            self.metadata.origin == "own" and row.labels is not None
        )
        classes = [(raw, self._class(raw, row)) for raw in raws]
        self.joined.unlisted.update(raw for raw, name in classes if name is None)
        known = [name for _, name in classes if name is not None]
        if several:
            return None, known if noted else None
        return (known[0] if known else None), None

    def _class(self, raw: str, row: ItemRecord) -> str | None:
        """The class of a raw label; None when the recipe lists classes and this is none of them."""
        known = self.block.classes.get(raw, raw)
        if self.classes:
            candidates = [raw, known, row.modality if self.field == "modality" else raw]
            return next((self.classes[c] for c in candidates if c in self.classes), None)
        return known

    def _subject(self, row: ItemRecord, note: dict[str, Any], file: str) -> tuple[str, bool]:
        """The patient's pseudonym; else the study's, the file's or, in a file of many, its own."""
        if self.keys.subject != "none":
            subject = note.get("subject")
            if subject and not is_placeholder(subject):
                return self.names.of("subject", subject), True
            if subject:
                self.joined.placeholders[subject.strip().lower()] += 1
            if row.subject:
                return row.subject, True
            if self.metadata.person_folders and (person := person_folder(file)):
                return self.names.of("subject", person), True
            study = note.get("study")
            pseudonym = self.names.of("study", study) if study else row.study
            if pseudonym:
                return pseudonym, False
        if row.part:
            return self.names.of("image", row.content_sha), False
        return self.names.of("file", row.file_sha), False

    def _site(self, row: ItemRecord, note: dict[str, Any]) -> str:
        """The pseudonym of where it was acquired, by the table or by the file."""
        if self.keys.site == "none":
            return ""
        noted = note.get("site")
        return self.names.of("site", noted) if noted else row.site or ""

    def _noted(self, row: ItemRecord, note: dict[str, Any]) -> dict[str, Any]:
        """Attributes that a table says of the item's file, or of its patient.

        What it says of a file counts for more than the file's own, what it says of a patient for
        less. Age and sex of a file were given to the worker that read it.
        """
        noted = parsed_attributes(lambda name: str(note.get(name, "")))
        noted = harmless(noted, self.block.deidentify) if self.block.deidentify.on else noted
        if not self.metadata.patients:
            return noted
        age = age_of(note.get("age", ""))
        if age is not None and self.block.deidentify.on:
            age = min(age, float(self.block.deidentify.oldest))
        noted |= {"age": age, "sex": sex_name(note.get("sex", ""))}
        return {n: value for n, value in noted.items() if getattr(row, n) in (None, "")}

    def _modality(self, row: ItemRecord, note: dict[str, Any]) -> str:
        configured = self.keys.modality
        if configured != "auto" and configured not in self.metadata.columns:
            return modality_name(configured) or configured
        noted = note.get("modality")
        if noted:
            return modality_name(noted) or str(noted)
        return row.modality or self.block.modality

    def _anatomy(self, row: ItemRecord, note: dict[str, Any]) -> str:
        configured = self.keys.anatomy
        if configured != "auto" and configured not in self.metadata.columns:
            return configured.lower()
        return str(note.get("anatomy") or "").lower() or row.anatomy

    def _no_field(self) -> DataError:
        some = self.catalog.rows(
            "SELECT facts FROM items WHERE block = ? LIMIT 1000", self.block.number
        )
        known = sorted({key for row in some for key in json.loads(row["facts"])})
        return DataError(
            f"labels are to come from the field '{self.field}', which no sample has",
            hint=f"fields of these samples: modality, anatomy, {', '.join(known)}",
        )


def _boxes(row: ItemRecord) -> str:
    """The boxes of an item that is stored whole; those of parts lie with the parts."""
    return row.parts[0].boxes if len(row.parts) == 1 else "[]"


def labels_of(row: sqlite3.Row) -> Iterable[str]:
    """The labels of an item of the catalog: none, one or several."""
    if row["label"] is not None:
        return [row["label"]]
    several: list[str] = json.loads(row["labels"]) if row["labels"] is not None else []
    return several
