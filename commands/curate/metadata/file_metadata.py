"""Metadata of files, collected from tables and folders; they lie in the catalog's `notes`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.catalog import NOTED, Catalog
from medfm_cli.commands.curate.tables.rules import Rules
from medfm_cli.samples.attributes import predicted_attributes

Resolve = Callable[[str, Any, str], None]
"""Records what an `auto` became: key, value, reason."""


@dataclass
class SourceMetadata:
    """What is known of the files of one source; the values themselves are rows of the catalog.

    Attributes:
        block: the number of the source.
        origin: `table`, `folders`, `field`, `own` (what the files themselves say) or `none`.
        table: the table that was used.
        labelled: whether the metadata hold labels.
        columns: names of the table's columns.
        patients: whether the table describes patients by the files' headers, not files.
        rules: the rules that made the labels, with their counts.
        separator: between several labels in one cell; empty where each holds one.
        several: whether a sample may have several labels.
        person_folders: whether the folders are named like patients; they say whose a file is
            where nothing else does.
        warnings: what the report and the terminal must say, one sentence each without a full stop.
        suggestion: how the recipe could name the subject, where it is not known.
    """

    block: int
    origin: str = "none"
    table: Path | None = None
    labelled: bool = False
    columns: tuple[str, ...] = ()
    patients: bool = False
    rules: Rules | None = None
    separator: str = ""
    several: bool = False
    person_folders: bool = False
    warnings: list[str] = field(default_factory=list)
    suggestion: str = ""


Entry = tuple[int, str, int, Mapping[str, str]]
"""File (or −1), patient's pseudonym (or empty), row of the table, and what it says."""


def write_metadata(
    catalog: Catalog, block: int, names: Iterable[str], entries: Iterable[Entry]
) -> None:
    """Write what rows of a table say of files, or of patients.

    A later row on the same file replaces what was said; when it gives another label or target, the
    note is torn.
    """
    fields = [name for name in NOTED if name in set(names)]
    of_files, of_patients = _upsert("notes", fields), _upsert("patients", fields)
    catalog.execute("SAVEPOINT notes")
    for file, patient, row, values in entries:
        cells = [row, *(values.get(name, "") for name in fields)]
        if patient:
            catalog.execute(of_patients, block, patient, *cells)
        else:
            catalog.execute(of_files, file, *cells)
    catalog.execute("RELEASE notes")


def _upsert(table: str, fields: list[str]) -> str:
    keys = ["file"] if table == "notes" else ["block", "patient"]
    columns = [*keys, "row", *fields]
    unique = [name for name in ("label", *predicted_attributes()) if name in fields]
    differs = " OR ".join(f"{name} <> excluded.{name}" for name in unique)
    torn = f"torn OR (row >= 0 AND ({differs}))" if differs else "torn"
    updates = ", ".join(f"{name} = excluded.{name}" for name in [*fields, "row"])
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608
        f"VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET torn = {torn}, {updates}"
    )


def set_field(catalog: Catalog, name: str, values: Iterable[tuple[int, str]]) -> None:
    """Set one field of the metadata of many files, given as (file, value)."""
    if name not in NOTED:
        raise ValueError(f"a note has no {name}")
    catalog.many(
        f"INSERT INTO notes (file, {name}) VALUES (?, ?) "  # noqa: S608
        f"ON CONFLICT (file) DO UPDATE SET {name} = excluded.{name}",
        values,
    )
