"""Where the files come from: a folder, one file, a table, an archive, packages, MedMNIST.

Nothing here imports numpy: recipes list their source to know whether anything changed.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

from medfm_cli.commands.curate.sources.base import File, LeftOut, Listing, Source, walk
from medfm_cli.errors import DataError
from medfm_cli.readers.tables.tar_index import endings_in
from medfm_cli.recipe.problems import did_you_mean

PROBE = 20
"""Samples of an archive that are looked at."""
__all__ = ["File", "LeftOut", "Listing", "Source", "find_source", "walk"]


def find_source(
    spec: str,
    *,
    follow_links: bool = False,
    by_content: bool = False,
    files_column: str = "auto",
    readers: Collection[str] = (),
) -> Source:
    """The source that a recipe names; a file is recognised by its content, never by its name.

    Args:
        spec: a path, `packages:NAME` or `medmnist:NAME`.
        follow_links: read what symbolic links in a folder lead to.
        by_content: tell changed files by their content, not by size and time alone.
        files_column: the column that names the files, when the source is a table.
        readers: those that the recipe names; a table that is to be read is no list of files.

    Raises:
        DataError: there is nothing of that name, or it is of no known kind.
    """
    kind, _, name = spec.partition(":")
    if kind == "packages" and name:
        from medfm_cli.commands.curate.sources.packages import PackageSource

        return PackageSource(name)
    if kind == "medmnist" and name:
        from medfm_cli.commands.curate.sources.medmnist import MedmnistSource

        return MedmnistSource(name)
    path = Path(spec).expanduser()
    if path.is_dir():
        from medfm_cli.commands.curate.sources.folder import FolderSource

        return FolderSource(path, follow_links=follow_links, by_content=by_content)
    if path.is_file():
        return _of_file(path, files_column, readers, by_content=by_content)
    raise _missing(path)


def _of_file(
    path: Path, files_column: str, readers: Collection[str], *, by_content: bool
) -> Source:
    from medfm_cli.commands.curate.sources.archive import ArchiveSource, is_archive
    from medfm_cli.commands.curate.sources.single import SingleSource, holds_records
    from medfm_cli.commands.curate.sources.table import TableSource, is_table

    with path.open("rb") as file:
        head = file.read(4096)
    if is_archive(path, head):
        if not _is_shard(path, head, readers):
            return ArchiveSource(path, by_content=by_content)
    elif not readers and is_table(head):
        table = TableSource(path, files_column, by_content=by_content)
        if table.names_files() or not holds_records(path):
            return table
    return SingleSource(path, by_content=by_content)


def _is_shard(path: Path, head: bytes, readers: Collection[str]) -> bool:
    """Whether an archive holds the members of samples, and not the files of a folder."""
    if head[257:262] != b"ustar":
        return False
    if readers:
        return "webdataset" in readers
    some = list(islice(endings_in(path), PROBE))
    return bool(some) and all({"cls", "json", "txt"} & endings for endings in some)


def _missing(path: Path) -> DataError:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    fix = did_you_mean(path.name, siblings)
    return DataError(
        f"the source '{path}' does not exist",
        hint=fix or "set source to a folder, a file, packages:pydicom or medmnist:NAME",
    )
