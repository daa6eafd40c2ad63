"""A problem in a recipe: where it is, what was expected, what to do."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Place:
    """Where something is written: a file with line and column (from 1), or an override."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe.

    Attributes:
        place: where it is written.
        key: the dotted key, empty for the whole file.
        message: what is wrong and what was expected.
        fix: what to do, often a "did you mean".
    """

    place: Place
    key: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.place}: {key}{self.message}{fix}"


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order in which a person reads the recipe."""
    return sorted(problems, key=lambda p: (p.place.source, p.place.line, p.place.column))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known word, else an empty string."""
    lowered = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"did you mean '{lowered[close[0]]}'?" if close else ""
