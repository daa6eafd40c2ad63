"""The files to predict: those that are named, and those under folders that are named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.errors import DataError

RUN_FILES = {"recipe.yaml", "environment.json"}
"""A folder with these is a run of medfm: its figures are no images to predict."""
HIDDEN = {"__MACOSX", "Thumbs.db", "desktop.ini"}
"""Names that file managers leave behind."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to predict.

    Attributes:
        path: as given, or below the folder as given.
        named: whether the user named this very file; else it lies under a folder.
        skipped: why it is not opened, or "".
    """

    path: str
    named: bool = True
    skipped: str = ""


def list_files(paths: Iterable[str]) -> list[ListedFile]:
    """The named files in their order, folders replaced by all files under them, sorted.

    Hidden files are left out; links to folders and runs of medfm are listed as skipped.

    Raises:
        DataError: a folder cannot be listed, or there is no file under it.
    """
    files: list[ListedFile] = []
    for path in paths:
        if not Path(path).is_dir():
            files.append(ListedFile(path))
            continue
        found = list(_under(path))
        if not any(not file.skipped for file in found):
            raise DataError(
                f"there is no file in the folder '{path}'",
                hint="give image files, or a folder with image files",
            )
        files += found
    return files


def _under(folder: str) -> Iterator[ListedFile]:
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in [*folders]:
            path = Path(parent, name)
            if path.is_symlink():
                yield ListedFile(str(path), named=False, skipped="a link to a folder")
            elif all((path / file).is_file() for file in RUN_FILES):
                yield ListedFile(str(path), named=False, skipped="a run directory of medfm")
                folders.remove(name)
        for name in sorted(names):
            if not _is_hidden(name):
                yield ListedFile(str(Path(parent, name)), named=False)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in HIDDEN


def _refuse(error: OSError) -> None:
    raise DataError(
        f"the folder '{error.filename}' cannot be listed: {(error.strerror or '').lower()}",
        hint="give yourself permission to read it, or name the files",
    ) from None
