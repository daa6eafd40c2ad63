"""Metadata from a table: which column means what, and which row belongs to which file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.metadata.file_metadata import (
    Entry,
    Resolve,
    SourceMetadata,
    write_metadata,
)
from medfm_cli.commands.curate.metadata.label_values import join_spellings
from medfm_cli.commands.curate.metadata.table_cells import CellReader
from medfm_cli.commands.curate.options.source import Labels, SourceKeys
from medfm_cli.commands.curate.options.split import Split
from medfm_cli.commands.curate.sources.matching import ENOUGH, Matcher
from medfm_cli.commands.curate.tables import columns
from medfm_cli.commands.curate.tables import open as tables
from medfm_cli.commands.curate.tables.columns import Choice
from medfm_cli.commands.curate.tables.label_cells import is_measurement
from medfm_cli.commands.curate.tables.open import Rows, read_rows
from medfm_cli.commands.curate.tables.rule_logic import parse_cell
from medfm_cli.commands.curate.tables.rules import Rules
from medfm_cli.errors import DataError
from medfm_cli.samples.attributes import table_attributes
from medfm_cli.samples.fields import RecordField

Meant = Literal["files", "folders", "patients"]
SAMPLE = 20_000
"""Rows from the start of a table that decide what its columns mean; all rows are then used."""


def read_table_metadata(
    metadata: SourceMetadata,
    catalog: Catalog,
    keys: SourceKeys,
    split: Split,
    path: Path,
    names: Pseudonyms,
    resolve: Resolve,
) -> None:
    """Store a table as metadata of files, choosing columns where the recipe says `auto`.

    Raises:
        DataError: no column names files, folders or patients, or it is not clear what one means.
    """
    rows = read_rows(path, SAMPLE)
    metadata.columns = tuple(rows.header)
    matcher = Matcher(catalog, metadata.block)
    key, meant = _key_column(keys, rows, matcher, resolve)
    used = [] if meant == "patients" else [key]
    picked: dict[str, Choice] = {}
    for name, configured, find in (
        ("subject", keys.subject_column, columns.find_subject),
        ("site", keys.site, columns.find_site),
        ("modality", keys.modality, columns.find_modality),
        ("anatomy", keys.anatomy, columns.find_anatomy),
        ("split.official", _official(split), columns.find_split),
        ("study", keys.study, columns.find_study),
        ("time", keys.time, columns.find_time),
        ("age", keys.age, columns.find_age),
        ("sex", keys.sex, columns.find_sex),
        ("text", keys.text, _never),
        *((item.name, _key(keys, item), _finder_of(item)) for item in table_attributes()),
    ):
        choice = _pick(name, configured, rows, find, used)
        if choice:
            picked[name] = choice
            used.append(choice.column)
            if configured == "auto" and name not in _QUIET and name not in _ATTRIBUTES:
                resolve(name, choice.column, choice.why)
    metadata.rules = _rules(keys, rows)
    label = _pick_label(keys, rows, used, resolve) if metadata.rules is None else Choice((), "")
    if label:
        metadata.labelled, metadata.origin = True, "table"
        picked["label"] = label
    if meant == "folders" and "subject" not in picked and keys.subject == "auto":
        picked["subject"] = Choice((key,), "")
        resolve("subject", key, "its values are the names of the folders that images lie in")
    metadata.patients = meant == "patients"
    cells = CellReader(keys, rows, picked)
    if label and metadata.rules is None:
        metadata.separator, metadata.several = cells.separator, cells.several
    _fill(metadata, catalog, path, key, cells, _finder(matcher, meant, names))
    metadata.warnings += cells.warnings(path.name)
    if label and metadata.rules is None:
        metadata.warnings += join_spellings(catalog, metadata, listed=cells.listed)
    if meant == "files":
        _mark_ambiguous(catalog, path, key, matcher)


_ATTRIBUTES = frozenset(item.name for item in table_attributes())
_QUIET = ("study", "time", "age", "sex")
"""What is used from a table without a report of it: nothing depends on it."""


def _official(split: Split) -> str:
    """The configured official split: a column's name, or a keyword."""
    return split.official_column or str(split.official)


def _key(keys: SourceKeys, attribute: RecordField) -> str:
    """What the recipe says of an attribute's column; an attribute without a key is `auto`."""
    return str(getattr(keys, attribute.name, "auto"))


def _finder_of(attribute: RecordField) -> Callable[..., Choice | None]:
    return columns.find_attribute(attribute.name) if attribute.column.headings else _never


def _never(_rows: Rows, *, but: Iterable[str] = ()) -> None:
    """This has no column unless the recipe names one."""
    del but


def _key_column(
    keys: SourceKeys, rows: Rows, matcher: Matcher, resolve: Resolve
) -> tuple[str, Meant]:
    """The column that says which images a row means, and how: as files, folders or patients.

    Raises:
        DataError: none does.
    """
    configured = keys.label_spec().files
    if configured != "auto":
        column = columns.named(configured, rows.header, rows.path, "labels.files")
        files, folders = (matcher.share(rows.column(column), folders=f) for f in (False, True))
        if files == folders == 0:
            raise no_match(rows, f"the column '{column}'")
        return column, "folders" if files < ENOUGH <= folders else "files"
    column, share, by_folder = files_column(rows, matcher)
    if share == 0:
        patient = columns.find_subject(rows)
        if patient is None:
            raise no_match(rows, "no column")
        why = "no column names files, so it is compared with the patients in the files' headers"
        resolve("labels.files", patient.column, why)
        return patient.column, "patients"
    meant: Meant = "folders" if by_folder else "files"
    resolve("labels.files", column, f"{share:.0%} of its values name {meant} of the source")
    return column, meant


def files_column(rows: Rows, matcher: Matcher) -> tuple[str, float, bool]:
    """The column that names most files, else most folders; the share of its values that do."""
    for by_folder in (False, True):
        shares = {
            name: matcher.share(rows.column(name), folders=by_folder)
            for name in rows.header
            if not by_folder or columns.is_key(rows, name)
        }
        if not shares:
            break
        best = max(shares, key=lambda name: (shares[name], name.lower() in columns.FILE_NAMES))
        if shares[best] >= ENOUGH:
            return best, shares[best], by_folder
    shares = {name: matcher.share(rows.column(name)) for name in rows.header}
    best = max(shares, key=lambda name: shares[name])
    return best, shares[best], False


def no_match(rows: Rows, what: str) -> DataError:
    """The error for a table that has nothing to do with the source."""
    names = "names a file" if what.startswith("no ") else "names no file"
    return DataError(
        f"{what} of '{rows.path}' {names} of the source",
        hint=f"its columns are {columns.listed(rows.header)}; name the right one with labels.files",
    )


def _pick(
    name: str,
    configured: str,
    rows: Rows,
    find: Callable[..., Choice | None],
    used: Sequence[str],
) -> Choice | None:
    """The column for one meaning: the one that the recipe names, or the one that is found."""
    if configured == "auto":
        return find(rows, but=used)
    words = {"subject": ("none", "folders"), "split.official": ("none", "keep")}
    if configured in words.get(name, ("none",)):
        return find(rows, but=used) if configured == "keep" else None
    if name in ("modality", "anatomy") and configured not in rows.header:
        return None  # one name for all images
    return Choice((columns.named(configured, rows.header, rows.path, name),), "named in the recipe")


def _pick_label(
    keys: SourceKeys, rows: Rows, used: Sequence[str], resolve: Resolve
) -> Choice | None:
    """The label's column.

    Raises:
        DataError: the recipe takes labels from this table, and no column is clearly the label.
    """
    spec = keys.label_spec()
    if keys.labels == "none" or spec.field or spec.folders:
        return None
    if spec.column != "auto":
        column = columns.named(spec.column, rows.header, rows.path, "labels.column")
        _refuse_measurements(rows, column, spec)
        return Choice((column,), "named in the recipe")
    choice = columns.find_label(rows, but=used)
    if choice:
        resolve("labels.column", ", ".join(choice.columns), choice.why)
    elif spec.file is not None:
        raise DataError(
            f"no column of '{rows.path}' is clearly the label",
            hint=f"name it: 'labels={{file: {spec.file}, column: NAME}}'; "
            f"its columns are {columns.listed(rows.header)}",
        )
    return choice


def _refuse_measurements(rows: Rows, column: str, spec: Labels) -> None:
    """Refuse a column of measured numbers as classes."""
    cells = rows.labels(column)
    if spec.classes or not is_measurement(cells):
        return
    count = len({cell for cell in cells if cell})
    raise DataError(
        f"the column '{column}' of '{rows.path}' holds {count} different numbers, not classes",
        hint=f"a number to predict is target={column} with labels=none; classes come from "
        f"'labels={{file: {rows.path.name}, column: {column}, rules: …}}'",
    )


Find = Callable[[str], list[tuple[int, str]]]
"""The files, or the patient's pseudonym, that a cell of the key column means."""


def _rules(keys: SourceKeys, rows: Rows) -> Rules | None:
    """The rules that make the label, if the recipe has some.

    Raises:
        DataError: they speak of what the table does not have.
    """
    spec = keys.label_spec()
    if not spec.rules:
        return None
    column = "" if spec.column == "auto" else spec.column
    if column:
        columns.named(column, rows.header, rows.path, "labels.column")
    rules = Rules(spec.rules, column)
    cells = (parse_cell(cell) for cell in (rows.column(column) if column else ()))
    inside = {key for cell in cells if isinstance(cell, dict) for key in cell}
    if wrong := rules.unknown_names(rows.header, inside):
        raise DataError(
            f"labels.rules do not fit '{rows.path}': {'; '.join(wrong)}",
            hint=f"its columns are {columns.listed(rows.header)}",
        )
    return rules


def _finder(matcher: Matcher, meant: Meant, names: Pseudonyms) -> Find:
    if meant == "patients":

        def patient(cell: str) -> list[tuple[int, str]]:
            pseudonym = names.of_person(cell)
            return [(-1, pseudonym)] if pseudonym else []

        return patient
    find = matcher.in_folder if meant == "folders" else matcher.find
    return lambda cell: [(number, "") for number in find(cell)]


def _fill(
    metadata: SourceMetadata,
    catalog: Catalog,
    path: Path,
    key: str,
    reader: CellReader,
    find: Find,
) -> None:
    """Store the values of all rows for the files that they name."""
    header = tables.header(path)
    place = {name: number for number, name in enumerate(header)}

    def entries() -> Iterator[Entry]:
        for number, cells in _whole_rows(path, catalog, metadata.block):
            cell = tables.meaning(cells[place[key]])
            found = find(cell) if cell else []
            if cell and not found:
                _absent(catalog, metadata.block, cell, "the table names a missing file")
            values = reader.values(cells, place)
            if metadata.rules is not None and found:
                values["label"] = metadata.rules.label(dict(zip(header, cells, strict=True)))
            for file, patient in found:
                yield file, patient, number, values

    write_metadata(catalog, metadata.block, reader.names, entries())


def _whole_rows(path: Path, catalog: Catalog, block: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table; a broken one is written down with its number."""
    for row in tables.rows(path):
        if isinstance(row, tables.Broken):
            reason = f"row {row.number} (line {row.line}): {row.reason}"
            _absent(catalog, block, path.name, reason)
        else:
            yield row.number, row.cells


def _absent(catalog: Catalog, block: int, name: str, reason: str) -> None:
    catalog.execute("INSERT INTO absent VALUES (?, ?, ?)", block, name, reason)


def _mark_ambiguous(catalog: Catalog, path: Path, key: str, matcher: Matcher) -> None:
    """Mark files of which a row's name cannot tell which is meant."""
    place = tables.header(path).index(key)

    def shared() -> Iterator[tuple[int]]:
        for row in tables.rows(path):
            if isinstance(row, tables.Broken):
                continue
            found = matcher.find(tables.meaning(row.cells[place]))
            yield from ((number,) for number in found if len(found) > 1)

    catalog.many("UPDATE notes SET shared = 1 WHERE file = ?", shared())
