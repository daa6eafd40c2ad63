"""The step that takes people out of one sample: its texts, times, age, facts and pixels.

It runs in the workers, right after quality. What it hands back names nobody; what identifies and
was seen on the way is known to the rest of the run by keyed marks only (`Pseudonyms.mark`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from medfm_cli.commands.curate.deidentify.burned_in_kinds import blank, regions
from medfm_cli.commands.curate.deidentify.identifier_hashes import marks
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.rows import clean_row, clean_static
from medfm_cli.commands.curate.deidentify.technical_attributes import harmless
from medfm_cli.commands.curate.deidentify.text.clean import clean, engine, finder
from medfm_cli.commands.curate.deidentify.times import shifted
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.readers.item import Item, Turn
from medfm_cli.samples.attributes import table_attributes
from medfm_cli.samples.content import Content, Image2D, Row, Series, Text, Video, Volume

LEAST = 5.0
"""Strokes of a line of burned-in text that make an image suspicious: three or four letters."""
LEAST_EXPECTED = 4.0
"""The same where the header, the modality or the kind of object lets text be expected."""

LEAST_MASKED = 3.0
"""The same where text was found already and all of it is to be masked."""


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A sample without the people in it.

    Attributes:
        item: the sample; of no use when there is a reason.
        notes: remarks for the report, the same words for the same thing.
        reason: why the sample is to be quarantined, else empty.
        removed: how many names, dates, … were taken out of its texts, by type.
        marks: keyed marks of the identifiers that were seen, for `rescan`.
    """

    item: Item
    notes: tuple[str, ...] = ()
    reason: str = ""
    removed: Counter[str] = field(default_factory=Counter)
    marks: frozenset[str] = frozenset()


def deidentify(item: Item, options: Deidentify, names: Pseudonyms) -> Deidentified:
    """Clean one sample.

    Args:
        item: as the reader gave it, identifiers and all.
        options: the recipe's block.
        names: the key that dates move by and that identifiers are marked with.
    """
    makers = {_letters(str(value)) for value in item.facts.values()}
    identifiers = [
        text
        for text in (item.subject, item.study, item.site)
        if text and _letters(text) not in makers  # scanners may give their maker as hospital
    ]
    if not options.on:
        return Deidentified(item, marks=marks(identifiers, names))
    cleaner = TextCleaner(options)
    item = _without_text(item, cleaner)
    item, notes, reason = _without_burned_in(item, options)
    item = replace(
        item,
        time=shifted(item.time, _whose(item, names), options, names),
        age=cap(item.age, options.oldest),
        facts=harmless(item.facts, options),
        **_harmless_attributes(item, options),
    )
    if cleaner.removed:
        notes = (*notes, *(f"text: {kind} taken out" for kind in sorted(cleaner.removed)))
    found = marks([*identifiers, *cleaner.words], names)
    return Deidentified(item, notes, reason, cleaner.removed, found)


def _harmless_attributes(item: Item, options: Deidentify) -> dict[str, Any]:
    """The technical attributes of an item, empty where they could tell whose it is."""
    own = {attribute.name: attribute for attribute in table_attributes()}
    kept = harmless({name: getattr(item, name) for name in own}, options)
    return {name: kept.get(name, attribute.default) for name, attribute in own.items()}


def _letters(text: str) -> str:
    """A name without the dots and spaces in which its spellings differ."""
    return "".join(filter(str.isalnum, text.casefold()))


def _whose(item: Item, names: Pseudonyms) -> str | None:
    """The pseudonym that dates move by: the subject's, else the study's."""
    study = names.of("study", item.study) if item.study else None
    return names.of_person(item.subject) or study


def cap(age: float | None, oldest: int) -> float | None:
    """An age in years; from `oldest` on it is `oldest`."""
    return age if age is None else min(age, float(oldest))


class TextCleaner:
    """Cleans texts, of a sample or of a table, and keeps count of what it took out."""

    def __init__(self, options: Deidentify) -> None:
        self._keep = frozenset({"DATE"}) if options.dates == "keep" else frozenset[str]()
        self.options = options
        self.removed: Counter[str] = Counter()
        self.words: list[str] = []

    def __call__(self, text: str) -> str:
        """The text with placeholders. A configured language model is loaded here."""
        name = engine(self.options) if text else "off"
        if name == "off":
            return text
        cleaned = clean(text, finder(name), keep=self._keep)
        self.removed += cleaned.counts
        self.words += cleaned.removed
        return cleaned.text


def _without_text(item: Item, clean_text: TextCleaner) -> Item:
    """The item with every text cleaned: its own, those of its turns, cells and static facts."""
    content: Content = item.content
    if isinstance(content, Text):
        content = Text(clean_text(content.text))
    elif isinstance(content, Row):
        content = clean_row(content, clean_text, clean_text.options.oldest)
    elif isinstance(content, Series):
        content = clean_static(content, clean_text.options.oldest)
    turns = tuple(
        Turn(
            clean_text(turn.question),
            clean_text(turn.answer),
            harmless(turn.facts, clean_text.options),
        )
        for turn in item.turns
    )
    same = content is item.content and not item.text and not item.turns
    return item if same else replace(item, content=content, text=clean_text(item.text), turns=turns)


def _without_burned_in(item: Item, options: Deidentify) -> tuple[Item, tuple[str, ...], str]:
    """The item after what the recipe says of burned-in text; remarks; a reason to refuse it."""
    declared = str(item.facts.get("burned_in", "")).upper() == "YES"
    seen = isinstance(item.content, Image2D | Video | Volume)
    if options.burned_in == "off" or not (seen or item.pictures):
        return item, (), ""
    expected = declared or item.modality == "US" or bool(item.facts.get("secondary_capture"))
    least = LEAST_EXPECTED if expected else LEAST
    found = [bool(regions(one, least=least)) for one in (item.content, *item.pictures)]
    if not any(found) and not declared:
        return item, (), ""
    note = "burned-in text suspected" if any(found) else "burned-in text declared, none found"
    if options.burned_in == "quarantine":
        return item, (note,), note
    if options.burned_in == "flag" or not (declared or options.burned_in == "blank"):
        return item, (note,), ""
    if not any(found):  # declared, but not to be seen: nothing can be promised
        return item, (note,), "" if options.burned_in == "auto" else note
    masked = _mask_text(item, found)
    if masked is None:
        return item, (note,), "burned-in text that could not be masked"
    return masked, ("burned-in text masked",), ""


def _mask_text(item: Item, found: list[bool]) -> Item | None:
    """The item with its text masked, of its content and of further images."""
    clean: list[Content] = []
    for one, has_text in zip((item.content, *item.pictures), found, strict=True):
        after = blank(one, least=LEAST_MASKED) if has_text else one
        if after is None:
            return None
        clean.append(after)
    pictures = tuple(one for one in clean[1:] if isinstance(one, Image2D))
    return replace(item, content=clean[0], pictures=pictures)
