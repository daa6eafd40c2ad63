"""Reports and notes in the rows of a table or of JSON: one row one text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import Record, is_records
from medfm_cli.readers.records.column_roles import Meaning, plain
from medfm_cli.readers.records.kinds import is_texts
from medfm_cli.readers.records.person import person
from medfm_cli.readers.tables.rows import count_rows, items
from medfm_cli.samples.content import Text


def sniff(head: bytes) -> bool:
    """Whether the first rows hold sentences."""
    return is_texts(head)


def accepts(head: bytes) -> bool:
    """Whether it could be read when a recipe says what it is."""
    return is_records(head)


def count(path: Path) -> int:
    """How many rows the file has.

    Raises:
        Unreadable: it is no table and no list of objects.
    """
    return count_rows(path)


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """The text of each row; several columns become sections that begin with the column's name.

    Columns are named by `format:` (`text`, `subject`, `study`, `time`, `label`, …) or found by
    name and content; which were taken is in the facts.
    """
    return items(path, options, _item)


def _item(record: Record, meaning: Meaning, facts: dict[str, Any]) -> Item:
    columns = meaning.columns.get("text", ())
    if not columns:
        raise Unreadable("no column holds text; name it with format.text")
    text = sections({name: plain(record.cells.get(name)) for name in columns})
    if not text:
        raise Unreadable("an empty report", step="quality")
    return Item(
        Text(text),
        facts | {"text": ", ".join(columns)},
        frame=record.number - 1,
        part=str(record.number),
        **person(record, meaning),
    )


def sections(texts: dict[str, str]) -> str:
    """One text of several: each under its name, those that say nothing left out."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    full = {name: text for name, text in texts.items() if text}
    return "\n\n".join(f"{_title(name)}: {text}" for name, text in full.items())


def _title(name: str) -> str:
    words = re.sub(r"[_\s]+", " ", name.strip())
    return words[:1].upper() + words[1:]
