"""Questions and answers about images: rows that name an image of the source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medfm_cli.commands.curate.annotations.refs import Link, Listed, Missing, Ref
from medfm_cli.readers.item import Turn
from medfm_cli.readers.records import Broken, open_records
from medfm_cli.readers.records.column_roles import find_meaning
from medfm_cli.readers.records.questions import turns_of


def find(file: Listed, match: Callable[[str], list[int]]) -> Iterator[Link | Missing]:
    """Which question belongs to which image; nothing when no column names one.

    Raises:
        DataError: the file cannot be read.
    """
    records = open_records(Path(file.path))
    meaning = find_meaning(records, {})
    if not meaning.of("image"):
        return
    last_name, numbers = "", list[int]()
    for row in records.rows():
        if isinstance(row, Broken):
            yield Missing(file.number, file.name, f"row {row.number}: {row.reason}")
            continue
        name = meaning.cell(row, "image")
        turns = turns_of(row, meaning)
        if not turns or not name:
            what = "no question or no answer" if name else "a question without an image"
            yield Missing(file.number, file.name, f"row {row.number}: {what}")
            continue
        if name != last_name:
            last_name, numbers = name, match(name)
        if len(numbers) == 1:
            said_of_it = [meaning.cell(row, word) for word in ("anatomy", "modality", "split")]
            for turn in turns:
                key = json.dumps([turn.question, turn.answer, turn.facts, *said_of_it])
                yield Link(numbers[0], file.number, Ref("turns", file.path, key))
        else:
            yield Missing(file.number, name, "the image of a question is missing")


def load(refs: Sequence[Ref]) -> tuple[tuple[Turn, ...], dict[str, str]]:
    """The questions about one image, in the order of their file, and what all of them agree on.

    The latter is under `anatomy`, `modality` and `split`; a split that only some rows say is none.
    """
    turns: list[Turn] = []
    columns: dict[str, set[str]] = {"anatomy": set(), "modality": set(), "split": set()}
    for ref in refs:
        question, answer, facts, *of_it = json.loads(ref.key)
        turns.append(Turn(question, answer, facts))
        for values, value in zip(columns.values(), of_it, strict=True):
            values.add(value)
    return tuple(turns), {n: next(iter(v)) for n, v in columns.items() if len(v) == 1 and all(v)}
