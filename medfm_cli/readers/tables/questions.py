"""Questions and answers about texts: one row one text with a turn.

Rows that are about an image of the source belong to that image (see the annotations of curate);
those that name an image that is not there are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import Record, is_records, keys
from medfm_cli.readers.records.column_roles import Meaning, plain
from medfm_cli.readers.records.kinds import is_questions
from medfm_cli.readers.records.person import person
from medfm_cli.readers.records.questions import turns_of
from medfm_cli.readers.tables.rows import count_rows, items
from medfm_cli.samples.content import Text


def sniff(head: bytes) -> bool:
    """Whether the rows have a question and an answer."""
    return is_questions(keys(head))


def accepts(head: bytes) -> bool:
    """Whether it could be read when a recipe says what it is."""
    return is_records(head)


def count(path: Path) -> int:
    """How many questions the file has.

    Raises:
        Unreadable: it is no table and no list of objects.
    """
    return count_rows(path)


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """Each row as the text that it is about (its question where there is none), with its turns."""
    return items(path, options, _item)


def _item(record: Record, meaning: Meaning, facts: dict[str, Any]) -> Item:
    if meaning.cell(record, "image"):
        raise Unreadable("its image is not in the source")
    turns = turns_of(record, meaning)
    if not turns:
        raise Unreadable("no question or no answer", step="quality")
    context = record.cells.get(meaning.of("context"))
    parts = context.values() if isinstance(context, dict) else [context]
    parts = [p for part in parts for p in (part if isinstance(part, list) else [part])]
    text = "\n\n".join(filter(None, map(plain, parts))) or meaning.cell(record, "text")
    return Item(
        Text(text or turns[0].question),
        facts,
        frame=record.number - 1,
        part=str(record.number),
        turns=turns,
        **person(record, meaning),
    )
