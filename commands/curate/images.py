"""Every image with all that is known of it: its own file, the table's row, the recipe."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from medfm_cli.commands.curate.columns import split_name
from medfm_cli.commands.curate.deidentify import Pseudonyms, is_placeholder
from medfm_cli.commands.curate.notes import Note, Notes
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import Source
from medfm_cli.commands.curate.spool import Entry, Found
from medfm_cli.data.modalities import modality_name
from medfm_cli.errors import DataError


@dataclass(slots=True)
class Image:
    """An image on its way into the dataset.

    `subject` is a pseudonym; `known` tells whether it stands for a patient, or only for a study or
    a file for lack of better. `official` is the source's own split.
    """

    row: Found
    source: str
    subject: str
    known: bool
    study: str
    site: str
    modality: str
    anatomy: str
    label: str | None
    labels: list[str] | None
    official: str
    split: str = ""

    @property
    def image_id(self) -> str:
        """The first 16 hex digits of the pixels' sha256."""
        return self.row.pixels_sha[:16]

    @property
    def labelled(self) -> bool:
        """Whether it has a label."""
        return self.label is not None or self.labels is not None


@dataclass
class Described:
    """All images, those whose label says to leave them out, and what happened to the labels."""

    images: list[Image] = field(default_factory=list)
    dropped: list[tuple[Image, str]] = field(default_factory=list)
    unlisted: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    shared: int = 0


class Describer:
    """Joins what is known of an image.

    Args:
        recipe: says what to believe.
        source: may know classes and modality beforehand.
        notes: what tables and folders say.
        names: makes the pseudonyms.
        keep_paths: whether file names stay readable.
    """

    def __init__(
        self,
        recipe: CurateRecipe,
        source: Source,
        notes: Notes,
        names: Pseudonyms,
        *,
        keep_paths: bool,
    ) -> None:
        self.recipe = recipe
        self.source = source
        self.notes = notes
        self.names = names
        self.keep_paths = keep_paths
        spec = recipe.label_spec()
        self.field = spec.field
        self.classes = {str(raw): name for raw, name in spec.classes.items()}
        self.drop = {str(raw) for raw in spec.drop}
        by_name = {names.of_person(patient): note for patient, note in notes.by_patient.items()}
        self._by_patient = {name: note for name, note in by_name.items() if name is not None}

    def describe(self, rows: Sequence[Found], entries: Sequence[Entry]) -> Described:
        """Describe all images, in the order of the rows.

        Raises:
            DataError: labels are asked from a field that no image has.
        """
        done = Described()
        ambiguous = self._ambiguous(rows, entries)
        asked = 0
        for row in rows:
            note = self._note(row, entries)
            raws = self._raw_labels(row, note)
            if note.torn and note.label:
                raws, done.torn = [], done.torn + 1
            elif row.entry in ambiguous:
                raws, done.shared = [], done.shared + 1
            asked += bool(raws)
            image = self._image(row, note, entries[row.entry])
            out = next((raw for raw in raws if raw in self.drop), None)
            if out is not None:
                done.dropped.append((image, f"label '{out}' is in labels.drop"))
                continue
            self._put_labels(image, raws, row, done.unlisted)
            done.images.append(image)
        if self.field and rows and not asked:
            raise self._no_field(rows)
        if self._by_patient and rows and not any(row.subject in self._by_patient for row in rows):
            raise DataError(
                f"'{self.notes.table}' names neither a file of the source nor a patient in the "
                "headers of its files",
                hint="name the column with the files with labels.files, or use another table",
            )
        return done

    def _note(self, row: Found, entries: Sequence[Entry]) -> Note:
        note = self.notes.by_file.get(entries[row.entry].file)
        if note is None and row.subject is not None:
            note = self._by_patient.get(row.subject)
        return note or Note()

    def source_name(self, name: str) -> str:
        """How the manifest calls a file."""
        return name if self.keep_paths else self.names.of("file", name)

    def _ambiguous(self, rows: Sequence[Found], entries: Sequence[Entry]) -> set[int]:
        """Files with an image whose table row may mean another file with an image as well."""
        by_row: defaultdict[int, set[int]] = defaultdict(set)
        for row in rows:
            note = self.notes.by_file.get(entries[row.entry].file)
            if note is not None and note.shared and note.label:
                by_row[note.row].add(row.entry)
        return {entry for entries in by_row.values() if len(entries) > 1 for entry in entries}

    def _raw_labels(self, row: Found, note: Note) -> list[str]:
        """The labels as the source writes them."""
        if self.notes.origin in ("table", "folders"):
            return [note.label] if note.label else []
        if self.notes.origin == "own":
            return row.labels if row.labels is not None else [row.label] if row.label else []
        if self.notes.origin == "field" and self.field:
            if self.field in ("modality", "anatomy") and not self.classes:
                value = getattr(row, self.field)
            else:
                facts = json.loads(row.facts)
                value = facts.get(self.field) or getattr(row, self.field, "")
            return [str(value)] if value else []
        return []

    def _put_labels(
        self, image: Image, raws: list[str], row: Found, unlisted: Counter[str]
    ) -> None:
        several = self.notes.origin == "own" and row.labels is not None
        named = [name for raw in raws if (name := self._class(raw, row)) is not None]
        unlisted.update(raw for raw in raws if self._class(raw, row) is None)
        if several:
            image.labels = named
        elif named:
            image.label = named[0]

    def _class(self, raw: str, row: Found) -> str | None:
        """The class of a raw label; None when the recipe lists classes and this is none of them."""
        if self.classes:
            known = self.source.classes.get(raw, raw)
            candidates = [raw, known, row.modality if self.field == "modality" else raw]
            return next((self.classes[c] for c in candidates if c in self.classes), None)
        return self.source.classes.get(raw, raw)

    def _image(self, row: Found, note: Note, entry: Entry) -> Image:
        subject, known = self._subject(row, note)
        part = f"#{row.part}" if row.part else f"#{row.frame}" if '"frame"' in row.facts else ""
        site = "" if self.recipe.site == "none" else note.site or row.site or ""
        official = "" if self.recipe.split.official == "none" else note.split or row.split or ""
        return Image(
            row=row,
            source=self.source_name(entry.name) + part,
            subject=subject,
            known=known,
            study=self.names.of("study", note.study) if note.study else row.study or "",
            site=site,
            modality=self._modality(row, note),
            anatomy=self._anatomy(row, note),
            label=None,
            labels=None,
            official=split_name(official),
        )

    def _subject(self, row: Found, note: Note) -> tuple[str, bool]:
        """The patient's pseudonym; else the study's, the file's or, in a file of many, its own."""
        if self.recipe.subject != "none":
            if note.subject and not is_placeholder(note.subject):
                return self.names.of("subject", note.subject), True
            if row.subject:
                return row.subject, True
            study = self.names.of("study", note.study) if note.study else row.study
            if study:
                return study, False
        if row.part:
            return self.names.of("image", row.pixels_sha), False
        return self.names.of("file", row.file_sha), False

    def _modality(self, row: Found, note: Note) -> str:
        asked = self.recipe.modality
        if asked != "auto" and asked not in self.notes.columns:
            return modality_name(asked) or asked
        if note.modality:
            return modality_name(note.modality) or note.modality
        return row.modality or self.source.modality

    def _anatomy(self, row: Found, note: Note) -> str:
        asked = self.recipe.anatomy
        if asked != "auto" and asked not in self.notes.columns:
            return asked.lower()
        return note.anatomy.lower() or row.anatomy

    def _no_field(self, rows: Sequence[Found]) -> DataError:
        known = sorted({key for row in rows[:1000] for key in json.loads(row.facts)})
        return DataError(
            f"labels are to come from the field '{self.field}', which no image has",
            hint=f"fields of these images: modality, anatomy, {', '.join(known)}",
        )
