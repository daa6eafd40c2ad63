"""Texts and rows of tables: empty, too short, or no language."""

from __future__ import annotations

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.samples.content import Row, Text

_LETTERS = 0.5
"""Share of the signs of a text (spaces aside) that are letters, at least."""
_DAMAGED = 0.05
"""Share of signs that could not be decoded or are no text, at most."""
_WORD = 40
"""Mean length of words above which a text is a code; scripts without spaces are distinguished."""
_HEAD = 20000
"""Signs of a long text that are looked at."""


def rejection_reason(content: Text, quality: Quality) -> str:
    """Why a text is not kept, empty when it is."""
    text = content.text.strip()
    if not text:
        return "an empty text"
    letters = sum(map(str.isalpha, text))
    if quality.min_letters is not None and letters < quality.min_letters:
        return f"fewer than {quality.min_letters} letters"
    if quality.language and (reason := _no_language(text[:_HEAD])):
        return f"no language: {reason}"
    return ""


def row_rejection_reason(content: Row, quality: Quality) -> str:
    """Why a row is not kept, empty when it is."""
    filled = sum(value is not None and value != "" for value in content.cells.values())
    if not filled:
        return "an empty row"
    if quality.min_measurements is not None and filled < quality.min_measurements:
        return f"fewer than {quality.min_measurements} filled cells"
    return ""


def _no_language(text: str) -> str:
    signs = [sign for sign in text if not sign.isspace()]
    damaged = sum(sign == "\ufffd" or not sign.isprintable() for sign in signs)
    if damaged > _DAMAGED * len(signs):
        return "damaged signs"
    if sum(map(str.isalnum, signs)) < _LETTERS * len(signs):
        return "signs instead of letters"
    if sum(map(str.isalpha, signs)) < _LETTERS / 2 * len(signs):
        return "figures only"
    words = text.split()
    if len(signs) / len(words) > _WORD and text.isascii():
        return "one long code"
    if len(words) >= 20 and len({word.lower() for word in words}) <= 2:
        return "one word over and over"
    return ""
