"""Keyed marks of identifiers, by which they can be found again without being written down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms, is_placeholder
from medfm_cli.commands.curate.deidentify.text.words import FIRST_NAMES, NO_NAME

_TOKEN = re.compile(r"[^\W_]+")
LONGEST = 4
"""Words of an identifier that are looked for together, at most."""


def marks(identifiers: Iterable[str], names: Pseudonyms) -> frozenset[str]:
    """The marks of those identifiers that tell one person from others wherever they stand."""
    return frozenset(names.mark(form) for text in identifiers for form in _forms(text))


def _forms(identifier: str) -> Iterator[str]:
    """The ways in which an identifier may stand in a text: as a whole, and its telling numbers.

    Of a long one, such as a UID, it is the last words that tell it from others.
    """
    if is_placeholder(identifier):
        return
    tokens = [token.casefold() for token in _TOKEN.findall(identifier)]
    last = tokens[-LONGEST:]
    if telling(" ".join(last), words=len(last)):
        yield " ".join(last)
    if len(tokens) <= LONGEST:
        numbers = (token for token in tokens if token.isdigit())
        yield from (number for number in numbers if telling(number, words=1))


def telling(text: str, *, words: int) -> bool:
    """Whether finding this text somewhere means that an identifier is there: no everyday word, no
    short number, no common first name alone.
    """
    digits = sum(letter.isdigit() for letter in text)
    if digits:
        return len(text) >= 6 and digits >= 3
    if text in NO_NAME or text in FIRST_NAMES:
        return False
    return words >= 2 and len(text) >= 7


def windows(text: str) -> Iterator[str]:
    """Every run of 1 … `LONGEST` words of a text, in the form that is marked."""
    tokens = [token.casefold() for token in _TOKEN.findall(text)]
    for i in range(len(tokens)):
        for length in range(1, LONGEST + 1):
            if i + length <= len(tokens):
                yield " ".join(tokens[i : i + length])
