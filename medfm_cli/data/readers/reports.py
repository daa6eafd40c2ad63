"""Reports and notes in the rows of a table or of JSON: one row one text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from medfm_cli.data.content import Text
from medfm_cli.data.delimited import delimiter
from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable
from medfm_cli.data.readers.rows import count_rows, items
from medfm_cli.data.records import Record, is_records, json_stream, keys
from medfm_cli.data.records.meaning import Meaning, plain
from medfm_cli.data.records.person import person

SENTENCE = 12
"""Words of a cell that is a text, at least, when no recipe says that it is."""
_OTHERS = (
    {"question", "answer"},
    {"question", "answers"},
    {"images", "annotations"},
    {"bbox"},
    {"text_list"},
    {"@context"},
)
"""Keys of files that hold texts, and are something else."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)')


def sniff(head: bytes) -> bool:
    """Whether the first rows hold sentences."""
    found = keys(head)
    if not found or any(other <= found for other in _OTHERS):
        return False
    return _longest(head) >= SENTENCE


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
        raise Unreadable("no column holds texts; name it with format.text")
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


def _longest(head: bytes) -> int:
    """The words of the longest cell among the first rows."""
    text = head.decode("utf-8", "replace")
    if json_stream.is_json(head):
        return max((len(cell.split()) for cell in _STRING.findall(text)), default=0)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(head))
    longest = 0
    with suppress(csv.Error):
        for number, line in enumerate(lines):
            longest = max([longest, *(len(cell.split()) for cell in line if number)])
    return longest
