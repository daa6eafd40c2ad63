"""Questions and their answers, as rows of JSON or of a table hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medfm_cli.readers.item import Turn
from medfm_cli.readers.records import Record
from medfm_cli.readers.records.column_roles import Meaning, plain

LONGEST_FACT = 100
"""Longest text that is a fact of a question, in characters."""


def turns_of(record: Record, meaning: Meaning) -> tuple[Turn, ...]:
    """The questions of a row: its one question, or those of a conversation (LLaVA's layout)."""
    messages = record.cells.get("conversations")
    if isinstance(messages, list):
        return tuple(conversation(messages))
    turn = turn_of(record, meaning)
    return (turn,) if turn else ()


def conversation(messages: list[Any]) -> Iterator[Turn]:
    """The turns of `[{"from": "human", "value": …}, {"from": "gpt", "value": …}, …]`.

    A question without an answer is left out, and so are marks for where the image stands.
    """
    question = ""
    for one in messages:
        if not isinstance(one, dict):
            continue
        who = plain(one.get("from", one.get("role"))).lower()
        text = plain(one.get("value", one.get("content"))).replace("<image>", "").strip()
        if who in ("human", "user"):
            question = text
        elif question and text:
            yield Turn(question, text)
            question = ""


def turn_of(record: Record, meaning: Meaning) -> Turn | None:
    """The question of a row; None where it has no question or no answer.

    Short cells beside question, answer, image and text are facts of the turn: `question_type`,
    `answer_type`, options, …
    """
    question = meaning.cell(record, "question")
    answer = answer_of(record.cells.get(meaning.of("answer")))
    if not question or not answer:
        return None
    used = {
        name
        for word in ("question", "answer", "image", "text", "context", "subject", "study")
        for name in meaning.columns.get(word, ())
    }
    facts = {
        name: value
        for name, cell in record.cells.items()
        if name not in used and (value := _fact(cell)) is not None
    }
    return Turn(question, answer, facts)


def answer_of(cell: Any) -> str:
    """The answer as text; of several the most frequent, the first of equally frequent ones."""
    if isinstance(cell, dict):
        return answer_of(next((cell[key] for key in ("answer", "text") if key in cell), None))
    if isinstance(cell, list):
        texts = [text for text in map(answer_of, cell) if text]
        return max(texts, key=texts.count, default="")
    return plain(cell)


def _fact(cell: Any) -> Any:
    """A short cell as it is; None for what is too long or empty."""
    if isinstance(cell, bool | int | float):
        return cell
    if isinstance(cell, dict | list):
        values = list(cell.values()) if isinstance(cell, dict) else cell
        short = all(
            isinstance(v, str | int | float) and len(str(v)) <= LONGEST_FACT for v in values
        )
        return cell if short and 0 < len(values) <= 10 else None
    text = plain(cell)
    return text if 0 < len(text) <= LONGEST_FACT else None
