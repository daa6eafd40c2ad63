"""What kind of records a file holds, by its first bytes: texts, or questions and answers."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress

from medfm_cli.readers.records import json_stream, keys
from medfm_cli.readers.records.delimited import delimiter

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


def is_questions(names: set[str]) -> bool:
    """Whether these columns, in small letters, are those of questions and answers."""
    with_answers = "question" in names and bool(names & {"answer", "answers", "response"})
    return with_answers or "conversations" in names


def is_texts(head: bytes) -> bool:
    """Whether the first rows hold sentences, and nothing else that has them."""
    found = keys(head)
    if not found or any(other <= found for other in _OTHERS):
        return False
    return _speaks(head)


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
