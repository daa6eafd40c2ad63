"""All files under a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from medfm_cli.commands.curate.sources.base import (
    HIDDEN,
    File,
    LeftOut,
    Listing,
    printable,
    stamp_of,
    unordered_fingerprint,
)
from medfm_cli.commands.curate.sources.vanished import must_stay
from medfm_cli.errors import DataError


class FolderSource:
    """Every regular file under `root`; hidden files and run directories of medfm are left out.

    A link is read only with `follow_links`, and never in circles.
    """

    public = False
    modality = ""
    licences: tuple[str, ...] = ()

    def __init__(self, root: Path, *, follow_links: bool = False, by_content: bool = False) -> None:
        self.root = root
        self.follow_links = follow_links
        self.by_content = by_content
        self.classes: dict[str, str] = {}

    def fingerprint(self) -> str:
        """Changes when a file comes, goes, or changes its size and time, or its content.

        Raises:
            DataError: the folder holds no file.
        """
        return unordered_fingerprint(found for found in self.walk() if isinstance(found, File))

    def walk(self) -> Iterator[File | LeftOut]:
        """Everything under the folder as it is found.

        Raises:
            DataError: the folder holds no file, or goes away meanwhile.
        """
        empty = True
        with must_stay(str(self.root)):
            walk = _Walk(self.root, follow_links=self.follow_links, by_content=self.by_content)
            for found in walk.entries():
                empty = empty and isinstance(found, LeftOut)
                yield found
        if empty:
            raise DataError(
                f"the source folder '{self.root}' holds no files to read",
                hint="set source to the folder that holds the images",
            )

    def survey(self) -> Listing:
        """The files, sorted by name.

        Raises:
            DataError: the folder holds no file.
        """
        found = list(self.walk())
        files = sorted((f for f in found if isinstance(f, File)), key=lambda file: file.name)
        left_out = sorted((f.name, f.reason) for f in found if isinstance(f, LeftOut))
        return Listing(files, left_out, self.root)

    def open(self, work: Path) -> Listing:
        """The same: nothing has to be fetched."""
        del work
        return self.survey()


class _Walk:
    """One walk through a folder."""

    def __init__(self, root: Path, *, follow_links: bool, by_content: bool) -> None:
        self.by_content = by_content
        self.root = root
        self.inside = str(root.resolve())
        self.follow_links = follow_links
        status = root.stat()
        self._seen = {(status.st_dev, status.st_ino)}

    def entries(self) -> Iterator[File | LeftOut]:
        """Files and what is left out.

        Raises:
            OSError: a folder or a file has gone since it was seen.
        """
        pending = [(str(self.root), "")]
        while pending:
            folder, prefix = pending.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except PermissionError:
                yield LeftOut(prefix.rstrip("/") or ".", "no permission to read it")
                continue
            if prefix and {"recipe.yaml", "environment.json"} <= {e.name for e in entries}:
                yield LeftOut(prefix.rstrip("/"), "a run directory of medfm")
                continue
            for entry in entries:
                name = printable(prefix + entry.name)
                if reason := self._refusal(entry):
                    yield LeftOut(name, reason)
                elif entry.is_dir():
                    if self._is_new(entry):
                        pending.append((entry.path, f"{prefix}{entry.name}/"))
                else:
                    status = entry.stat()
                    stamp = stamp_of(entry.path, status, by_content=self.by_content)
                    yield File(name, entry.path, status.st_size, stamp)

    def _refusal(self, entry: os.DirEntry[str]) -> str:
        """Why an entry is not read, empty when it is."""
        if entry.name.startswith(".") or entry.name in HIDDEN:
            return "hidden"
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not os.path.exists(target):  # noqa: PTH110 - a path may loop
                return "a link that leads nowhere"
            if not self.follow_links:
                inside = target == self.inside or target.startswith(self.inside + os.sep)
                return "a link to another place of the source" if inside else _LEAVES
        if not entry.is_dir() and not entry.is_file():
            return "no regular file"
        return ""

    def _is_new(self, entry: os.DirEntry[str]) -> bool:
        """Whether this folder is seen for the first time: links may lead back."""
        if not self.follow_links:
            return True
        status = entry.stat()
        place = (status.st_dev, status.st_ino)
        if place in self._seen:
            return False
        self._seen.add(place)
        return True


_LEAVES = "a link that leaves the source folder (follow_links: true reads it)"
