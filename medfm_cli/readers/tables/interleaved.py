"""Interleaved documents of text and images, in JSON lines or a JSON list: a row one sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import Record, is_records, keys
from medfm_cli.readers.records.column_roles import Meaning
from medfm_cli.readers.records.documents import NoDocumentError, document_of, is_documents
from medfm_cli.readers.records.person import person
from medfm_cli.readers.tables.rows import count_rows, items
from medfm_cli.samples.content import Image2D, Text

MOST = 64
"""Most images of a document."""


def sniff(head: bytes) -> bool:
    """Whether the rows have texts and images."""
    return is_documents(keys(head))


def accepts(head: bytes) -> bool:
    """Whether it could be read when a recipe says what it is."""
    return is_records(head)


def count(path: Path) -> int:
    """How many documents the file has.

    Raises:
        Unreadable: it is no list of objects.
    """
    return count_rows(path)


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """Each document: its first image with the others and the text, or its text alone.

    Images lie in the file's folder or below it; paths and links that lead out are refused.
    """
    root = path.parent.resolve()

    def make(record: Record, meaning: Meaning, facts: dict[str, Any]) -> Item:
        try:
            text, paths = document_of(record.cells)
        except NoDocumentError as error:
            raise Unreadable(str(error), step="quality") from None
        if len(paths) > MOST:
            raise Unreadable(f"a document of more than {MOST} images")
        images = [_image(inside(root, name), options) for name in paths]
        common: dict[str, Any] = dict(person(record, meaning)) | {"part": str(record.number)}
        if not images:
            return Item(Text(text), facts, frame=record.number - 1, **common)
        facts = facts | {"pictures": len(images)}
        return Item(images[0], facts, text=text, pictures=tuple(images[1:]), **common)

    return items(path, options, make)


def inside(root: Path, name: str) -> Path:
    """The file of this name below a folder, which is resolved.

    Raises:
        Unreadable: it leads out of the folder, or is not there.
    """
    plain = name.replace("\\", "/")
    if "://" in plain or "\0" in plain:
        raise Unreadable("an image that is not in the source, but elsewhere")
    try:
        found = (root / plain).resolve()
        if not found.is_relative_to(root):
            raise Unreadable("an image outside of the source")
        there = found.is_file()
    except (OSError, RuntimeError):  # a name that is too long, links that loop
        there = False
    if not there:
        raise Unreadable("an image file that is missing")
    return found


def _image(path: Path, options: ReadOptions) -> Image2D:
    """The first image of a file."""
    from medfm_cli.readers import sniff as reader_of

    try:
        item = next(reader_of(path).read(path, options), None)
    except OSError:
        raise Unreadable("an image that cannot be opened") from None
    if isinstance(item, Unreadable):
        raise item
    if item is None or not isinstance(item.content, Image2D):
        raise Unreadable("not an image")
    return item.content
