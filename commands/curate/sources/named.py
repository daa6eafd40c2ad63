"""What a recipe's source block names on this machine: the source, and the table of labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medfm_cli.commands.curate.options.source import WORDS, SourceKeys
from medfm_cli.commands.curate.sources import File, Source, find_source
from medfm_cli.errors import DataError
from medfm_cli.recipe.problems import did_you_mean


def open_source(keys: SourceKeys) -> Source:
    """The source of a block.

    Raises:
        DataError: there is none.
    """
    return find_source(
        keys.source or "",
        follow_links=keys.follow_links,
        by_content=keys.check == "content",
        files_column=keys.label_spec().files,
        readers=() if keys.readers == "auto" else keys.readers,
    )


def label_table(keys: SourceKeys, inside: Iterable[File] = ()) -> Path | None:
    """The label table of a block: in the source, beside it, or in the current folder.

    A table in an archive that is not yet unpacked has an empty path.

    Args:
        keys: the block.
        inside: the files of a packed source, in which the table may lie.

    Raises:
        DataError: there is no such table.
    """
    name = keys.label_spec().file
    if name is None:
        return None
    for file in inside:
        if file.name == name:
            return Path(file.path)
    base = Path(keys.source or "").expanduser()
    places = [(base if base.is_dir() else base.parent) / name, Path(name).expanduser()]
    for place in places:
        if place.is_file():
            return place
    raise _no_table(name, places)


def is_packed(keys: SourceKeys) -> bool:
    """Whether the source is one file, in which the label table may lie."""
    file = Path(keys.source or "").expanduser()
    return keys.label_spec().file is not None and file.is_file()


def _no_table(name: str, places: list[Path]) -> DataError:
    folder = places[0].parent
    nearby = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    fix = did_you_mean(name, [*WORDS, *nearby])
    return DataError(
        f"the label table '{name}' is neither in '{folder}' nor here",
        hint=fix or f"labels takes a table, or one of {', '.join(WORDS)}",
    )
