"""The text that belongs to a sample: its report, its questions with their answers. Torch-free."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.data.dataset import Dataset

TEMPLATE_FIELDS = ("label", "modality", "anatomy")
"""What a template may name."""
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")


def row_texts(dataset: Dataset, *, template: str | None = None) -> list[str]:
    """Give the text of every row of the manifest, one statement a line; empty where there is none.

    A statement is a sentence of the report or caption, or a question with its answer. A row that
    has neither is described by the `template` (`a photograph of {label}`) where it has a label.
    """
    columns = (dataset.column(name) for name in ("text", "turns", "label", "modality", "anatomy"))
    return [
        "\n".join([*_sentences(text), *_answers(turns)])
        or _from_template(template, label=label, modality=modality, anatomy=anatomy)
        for text, turns, label, modality, anatomy in zip(*columns, strict=True)
    ]


def _sentences(text: str | None) -> Iterable[str]:
    parts = (" ".join(part.split()) for part in _SENTENCE_END.split(text or ""))
    return filter(None, parts)


def _answers(turns: str | None) -> Iterable[str]:
    """One line for each of the stored `[question, answer, facts]`."""
    lines = (f"{question} {answer}" for question, answer, *_ in json.loads(turns or "[]"))
    return filter(None, (" ".join(line.split()) for line in lines))


def _from_template(template: str | None, *, label: str | None, modality: str, anatomy: str) -> str:
    if template is None or label is None:
        return ""
    return " ".join(template.format(label=label, modality=modality, anatomy=anatomy).split())
