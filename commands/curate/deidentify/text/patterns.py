"""Patterns of what identifies a person in a text: after HIPAA's list, 45 CFR 164.514(b)(2).

They know how such things are written in reports, not what a word means: a name is found after a
title, a label or a common first name, before a degree, and not elsewhere. `text_names` and
`text_numbers` hold the patterns, this what they are made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Part = Callable[[str], slice | None]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` … `end` (outside) of a text, and what they are (`NAME`, `DATE`, …)."""

    start: int
    end: int
    type: str


def _whole(_text: str) -> slice:
    return slice(None)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way of writing something.

    Attributes:
        type: what it is: `NAME`, `DATE`, …
        regex: the pattern; where it has a group `x`, only that group identifies.
        part: what of the match counts, as a slice of it; None when it is something else after all.
        digits: whether only a text with digits can have it, which saves looking.
    """

    type: str
    regex: re.Pattern[str]
    part: Part = _whole
    digits: bool = False

    def spans(self, text: str) -> Iterator[Span]:
        """Every match."""
        group = "x" if "x" in self.regex.groupindex else 0
        for match in self.regex.finditer(text):
            part = self.part(match[group])
            if part is not None:
                start, end, _ = part.indices(len(match[group]))
                if end > start:
                    offset = match.start(group)
                    yield Span(offset + start, offset + end, self.type)


def pattern(
    type_: str, regex: str, part: Part = _whole, *, any_case: bool = False, digits: bool = False
) -> Pattern:
    """A pattern from a regular expression in which white space does not count."""
    flags = re.VERBOSE | (re.IGNORECASE if any_case else 0)
    return Pattern(type_, re.compile(regex, flags), part, digits)


def only(test: Callable[[str], bool]) -> Part:
    """The whole match where it passes a test."""
    return lambda text: slice(None) if test(text) else None
