"""What Parquet and Arrow files hold in a row: an image or sound, a text, or plain cells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medfm_cli.errors import DataError, Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.memory import first_of, read_bytes
from medfm_cli.readers.records import HEAD_ROWS, Broken, Record
from medfm_cli.readers.records.column_roles import Meaning, find_meaning, plain
from medfm_cli.readers.records.person import person
from medfm_cli.readers.records.questions import turns_of
from medfm_cli.readers.tables.cells import cell, private
from medfm_cli.readers.tables.reports import sections
from medfm_cli.readers.tables.rows import unreadable
from medfm_cli.samples.content import Image2D, Row, Text

LARGEST_INFO = 4 << 20
"""Largest dataset_info.json that is read, in bytes."""


@dataclass(frozen=True)
class Table:
    """How the rows of a file are to be understood.

    Attributes:
        form: `Parquet` or `Arrow`.
        names: the columns.
        files: the columns whose cells hold files: bytes, or `{"bytes": …, "path": …}`, or lists.
        classes: column of class numbers → the classes' names.
        head: the first rows.
    """

    form: str
    names: tuple[str, ...]
    files: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head: tuple[Record, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """The columns whose cells are no files."""
        return tuple(name for name in self.names if name not in self.files)

    def rows(self, first: int = 0, last: int | None = None) -> Iterator[Record | Broken]:
        """The first rows, as far as they are kept here."""
        yield from self.head[first:last]

    def count(self) -> int:
        """How many rows are kept here."""
        return len(self.head)


def describe(schema: Any, form: str, path: Path, head: list[dict[str, Any]]) -> Table:
    """How the rows of a file are to be understood, by its schema and first rows.

    Class names come from the schema's metadata as Hugging Face `datasets` writes it, or from the
    `dataset_info.json` beside the file.
    """
    import pyarrow as pa

    files = tuple(
        column.name for column in schema if _holds_files(column.type, pa) and not _is_plain(column)
    )
    features = _features(schema, path)
    classes = {
        name: tuple(str(one) for one in feature["names"])
        for name, feature in features.items()
        if isinstance(feature, dict) and isinstance(feature.get("names"), list)
    }
    rows = tuple(
        Record(number, {name: value for name, value in row.items() if name not in files})
        for number, row in enumerate(head[:HEAD_ROWS], 1)
    )
    return Table(form, tuple(schema.names), files, classes, rows)


def understand(table: Table, options: ReadOptions) -> Meaning:
    """What the columns mean.

    Raises:
        Unreadable: the recipe names a column that is not there.
    """
    try:
        return find_meaning(table, options.format)
    except DataError as error:
        raise unreadable(error, Path()) from None


def item_of(
    row: dict[str, Any],
    number: int,
    table: Table,
    meaning: Meaning,
    options: ReadOptions,
    *,
    cells_only: bool = False,
) -> Iterator[Item]:
    """The sample of a row: its image or sound if it has one, else its text, else its cells.

    Raises:
        Unreadable: the row gives none.
    """
    cells = {n: _class(value, table.classes.get(n)) for n, value in row.items()}
    cells = {name: value for name, value in cells.items() if name not in table.files}
    record = Record(number, cells)
    common: dict[str, Any] = dict(person(record, meaning)) | {
        "part": str(number),
        "turns": turns_of(record, meaning),
    }
    facts = {"format": table.form}
    columns = meaning.columns.get("text", ())
    text = sections({name: plain(cells.get(name)) for name in columns}) if columns else ""
    if table.files and not cells_only:
        files = [data for name in table.files for data in _files(row.get(name))]
        if not files:
            raise Unreadable("no image or audio in it, only a path")
        yield from _of_files(files, text, common, facts, options)
    elif columns and not cells_only:
        if not text:
            raise Unreadable("an empty report", step="quality")
        yield Item(Text(text), facts | {"text": ", ".join(columns)}, frame=number - 1, **common)
    else:
        hidden = private(meaning)
        values = {n: cell(v, number=False) for n, v in cells.items() if n not in hidden}
        yield Item(Row(values), facts, frame=number - 1, **common)


def _of_files(
    files: list[bytes],
    text: str,
    common: dict[str, Any],
    facts: dict[str, Any],
    options: ReadOptions,
) -> Iterator[Item]:
    further: tuple[Image2D, ...] = ()
    if len(files) > 1:
        contents = [first_of(data, options).content for data in files[1:]]
        further = tuple(content for content in contents if isinstance(content, Image2D))
    for item in read_bytes(files[0], options):
        fields = {
            name: value
            for name, value in common.items()
            if value not in (None, "", ()) or not getattr(item, name)
        }
        format_ = f"{facts['format']}, {item.facts.get('format', '')}".rstrip(", ")
        item = replace(item, facts=item.facts | {"format": format_}, text=text, **fields)
        yield replace(item, pictures=further) if further else item


def _holds_files(kind: Any, pa: Any) -> bool:
    """Whether cells of this type are bytes of files."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_files(kind.value_type, pa)
    if pa.types.is_struct(kind):
        names = {kind.field(i).name for i in range(kind.num_fields)}
        return "bytes" in names and names <= {"bytes", "path", "sampling_rate"}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_plain(column: Any) -> bool:
    """A column of bytes that is none of files: a hash, an index."""
    return column.name.startswith("__") or "hash" in column.name.lower()


def _files(value: Any) -> Iterator[bytes]:
    """The files in a cell; those that lie elsewhere are none."""
    if isinstance(value, list):
        for one in value:
            yield from _files(one)
    elif isinstance(value, dict):
        yield from _files(value.get("bytes"))
    elif isinstance(value, bytes) and value:
        yield value


def _class(value: Any, names: tuple[str, ...] | None) -> Any:
    """The name of a class for its number; −1 means none."""
    if names is None or not isinstance(value, int) or isinstance(value, bool):
        if names is not None and isinstance(value, list):
            return [_class(one, names) for one in value]
        return value
    return names[value] if 0 <= value < len(names) else None


def _features(schema: Any, path: Path) -> dict[str, Any]:
    """What `datasets` says of the columns."""
    metadata = schema.metadata or {}
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {})
    if not isinstance(found, dict) or not found.get("features"):
        beside = path.parent / "dataset_info.json"
        with suppress(OSError, ValueError, RecursionError):
            if beside.stat().st_size <= LARGEST_INFO:
                found = json.loads(beside.read_text("utf-8"))
    features = found.get("features") if isinstance(found, dict) else None
    return features if isinstance(features, dict) else {}
