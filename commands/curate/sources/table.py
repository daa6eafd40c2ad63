"""A table as the source: the files it names, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from medfm_cli.commands.curate.sources.base import (
    File,
    Listing,
    fingerprint,
    printable,
    stamp_of,
)
from medfm_cli.commands.curate.tables.columns import FILE_NAMES, listed, named
from medfm_cli.commands.curate.tables.open import Rows, delimiter, read_rows
from medfm_cli.errors import DataError

PROBE = 50
"""Rows that are tried to find the column with the files."""
ENOUGH = 0.5
"""The share of them that must be there."""


def is_table(head: bytes) -> bool:
    """Whether a file begins like delimited text with a header."""
    return bool(delimiter(head))


class TableSource:
    """The files that a column of the table names, relative to the table or absolute.

    The table itself is where labels and subjects are looked for first.
    """

    public = False
    modality = ""
    licences: tuple[str, ...] = ()

    def __init__(self, path: Path, column: str = "auto", *, by_content: bool = False) -> None:
        self.path = path
        self.by_content = by_content
        self.column = column
        self.classes: dict[str, str] = {}

    def fingerprint(self) -> str:
        """Changes with the table or with any file it names."""
        status = self.path.stat()
        stamp = stamp_of(str(self.path), status, by_content=self.by_content)
        table = fingerprint([(self.path.name, status.st_size, stamp)])
        listing = self.survey()
        both = fingerprint([(table, 0, 0), (listing.fingerprint(), 0, 0)])
        return f"{both}-{len(listing.files)}"

    def names_files(self) -> bool:
        """Whether a column names files that are there, or is said to do so."""
        try:
            return bool(self._files_column(read_rows(self.path, PROBE)))
        except DataError:
            return self.column != "auto"

    def survey(self) -> Listing:
        """The files that are there; the others are left out by name.

        Raises:
            DataError: no column names files, or none of them is there.
        """
        rows = read_rows(self.path)
        index = rows.header.index(self._files_column(rows))
        files: dict[str, File] = {}
        left_out: list[tuple[str, str]] = []
        for values in rows.values:
            name = values[index].strip()
            if not name or name in files:
                continue
            path = self._path(name)
            if _is_file(path):
                status = path.stat()
                shown = printable(name.replace("\\", "/"))
                stamp = stamp_of(str(path), status, by_content=self.by_content)
                files[name] = File(shown, str(path), status.st_size, stamp)
            else:
                left_out.append((printable(name), f"named in {self.path.name}, but not there"))
        if not files:
            raise DataError(
                f"none of the files that '{self.path}' names is there",
                hint="paths in the table are relative to the table's folder",
            )
        return Listing(
            sorted(files.values(), key=lambda file: file.name),
            sorted(set(left_out)),
            self.path.parent,
        )

    def open(self, work: Path) -> Listing:
        """The same: nothing has to be fetched."""
        del work
        return self.survey()

    def _path(self, name: str) -> Path:
        return self.path.parent / os.path.expanduser(name.replace("\\", "/"))  # noqa: PTH111

    def _files_column(self, rows: Rows) -> str:
        """The column whose values are files, by looking on the disk."""
        if self.column != "auto":
            return named(self.column, rows.header, self.path, "labels.files")
        shares = {
            name: self._share([values[i] for values in rows.values[:PROBE]])
            for i, name in enumerate(rows.header)
        }
        best = max(shares, key=lambda name: (shares[name], name.lower() in FILE_NAMES))
        if shares[best] < ENOUGH:
            raise DataError(
                f"no column of '{self.path}' names files that are there",
                hint=f"its columns are {listed(rows.header)}; "
                "paths are relative to the table's folder",
            )
        return best

    def _share(self, values: list[str]) -> float:
        names = [value.strip() for value in values if value.strip()]
        return sum(_is_file(self._path(name)) for name in names) / max(1, len(names))


def _is_file(path: Path) -> bool:
    """Whether a cell names a file that is there; a text is no name, however long it is."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
