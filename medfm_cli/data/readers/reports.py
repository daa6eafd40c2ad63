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
"""Words of a cell of texts, at least, on average, when no recipe says that they are."""
REGULAR = 0.8
"""The share of the first rows that have as many cells as the header, in a table."""
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
    return _speaks(head)


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


def _speaks(head: bytes) -> bool:
    """Whether a column of the first rows holds sentences, or half of what JSON says is some."""
    text = head.decode("utf-8", "replace")
    if not json_stream.is_json(head):
        return _mean(text, delimiter(head)) >= SENTENCE
    found = _STRING.findall(text)
    long = [cell for cell in found if len(cell.split()) >= SENTENCE]
    return bool(long) and 2 * sum(map(len, long)) >= sum(map(len, found))


def _mean(text: str, mark: str) -> float:
    """The words of a cell on average, in the column with most, of those that are half filled.

    0 where the rows have not as many cells as the header: prose.
    """
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows += csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    header, *rows = rows or [[]]
    whole = rows[:-1]  # the last may be cut off
    if sum(len(row) == len(header) for row in whole) < REGULAR * len(whole):
        return 0
    best = 0.0
    for place in range(len(header)):
        words = [len(row[place].split()) for row in rows if place < len(row) <= len(header)]
        filled = [count for count in words if count]
        if filled and 2 * len(filled) >= len(words):
            best = max(best, sum(filled) / len(filled))
    return best
