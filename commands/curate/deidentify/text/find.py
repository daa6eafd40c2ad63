"""Finding identifiers in free text by patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from medfm_cli.commands.curate.deidentify.text.names import PEOPLE as NAMES
from medfm_cli.commands.curate.deidentify.text.names import PLACES
from medfm_cli.commands.curate.deidentify.text.numbers import (
    AGES,
    COMPUTERS,
    DATES,
    LONG_NUMBERS,
    NUMBERS,
)
from medfm_cli.commands.curate.deidentify.text.patterns import Span
from medfm_cli.commands.curate.deidentify.text.words import NO_NAME, is_thing

Finder = Callable[[str], list[Span]]


PATTERNS = (*COMPUTERS, *NUMBERS, *DATES, *AGES, *PLACES, *NAMES, *LONG_NUMBERS)
"""In the order of their right of way: what is found first is not cut up by what comes later."""


def find(text: str) -> list[Span]:
    """What the built-in patterns find in a text, in its order, not overlapping."""
    digits = any(letter.isdigit() for letter in text)
    patterns = (pattern for pattern in PATTERNS if digits or not pattern.digits)
    return settle(span for pattern in patterns for span in pattern.spans(text))


def again(text: str, spans: list[Span]) -> list[Span]:
    """With the names that were found also wherever they stand alone: `Smith` after `Dr. Smith`."""
    words = {
        word
        for span in spans
        if span.type == "NAME"
        for word in re.findall(r"[A-Z][a-zA-ZÀ-ÿ'’-]{2,}", text[span.start : span.end])
        if word.lower() not in NO_NAME and set(word) != {"X"}
    }
    if not words:
        return spans
    every = re.finditer(rf"\b(?:{'|'.join(map(re.escape, sorted(words)))})\b", text)
    more = [Span(m.start(), m.end(), "NAME") for m in every if not is_thing(text, m.end())]
    return settle([*spans, *more])


def settle(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, without overlaps: of two the first in the list stays whole."""
    settled: list[Span] = []
    for span in spans:
        start, end = span.start, span.end
        for other in settled:
            if other.start < end and start < other.end:
                if start < other.start:  # what lies before; a rest behind is found by its own label
                    end = other.start
                else:
                    start = other.end
        if start < end:
            settled.append(Span(start, end, span.type))
    return sorted(settled, key=lambda span: span.start)
