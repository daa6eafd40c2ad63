"""Which column of a file of records means what: named in the recipe, or found by name and content.

What was found is said in words (`why`), never guessed in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from medfm_cli.errors import DataError
from medfm_cli.readers.records import HEAD_ROWS, Record, Records
from medfm_cli.recipe.problems import did_you_mean
from medfm_cli.samples.attributes import table_attributes

_ID = r"[ _-]?(id|ids|no|nr|num|number|key|code|idx|index|uid)?"
_NAMES: dict[str, str] = {
    "subject": rf"(patient|subject|participant|person|donor|individual|mrn|pid|eid){_ID}",
    "study": rf"(study|exam|examination|visit|accession|session|encounter|report|note|document)"
    rf"{_ID}|id|uid|[a-z]+[ _-]uid",
    "site": rf"(site|hospital|cent(er|re)|institution|clinic|facility){_ID}",
    "time": r"((study|exam|report|note|recording|acquisition|visit|chart|admission)[ _-]?)?"
    r"(date|time|datetime|timestamp)",
    "age": r"(patient[ _-]?)?age([ _-](in[ _-])?years?)?",
    "sex": r"(patient[ _-]?)?(sex|gender)",
    "split": r"(official[ _-]?)?(split|subset|partition|fold[ _-]?name)",
    "modality": r"((image|imaging)[ _-]?)?modality",
    "anatomy": r"anatomy|body[ _-]?part([ _-]?examined)?|(image[ _-]?)?organ",
    "label": r"labels?|class(es)?|category|target|diagnosis|dx|(class|label)[ _-]?name",
    "image": r"(image|img|figure|pict(?:ure)|photo)s?([ _-]?(id|name|path|file|filename|url))?"
    r"|file([ _-]?(name|path))?|filename|path",
    "question": r"question(s|[ _-]?text)?|query|prompt",
    "answer": r"(gold[ _-]?|correct[ _-]?|long[ _-]?)?answers?([ _-]?text)?|response",
    "context": r"contexts?|passage|abstract|background|document|paragraph|history",
}
_NAMES |= {item.name: item.column.headings for item in table_attributes()}
_TEXT = re.compile(
    r"(.*[ _-])?(findings?|impressions?|conclusions?|reports?|text|notes?|narrative|transcription"
    r"|transcript|caption|abstract|body|discharge[ _-]summary|summary)([ _-]text)?",
    re.I,
)
WORDS = ("text", *_NAMES)
"""What a column may mean: words that a recipe's `format:` block takes for records."""
FEW = 3.0
"""Words on average of a column that is named like a text, at least."""
MANY = 8.0
"""Words on average of a column that counts as text by its content alone, at least."""


@dataclass(frozen=True)
class Meaning:
    """The columns of each meaning, and why; several only of text, nothing where there is none."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)

    def of(self, word: str) -> str:
        """The column of a meaning, empty when there is none."""
        return next(iter(self.columns.get(word, ())), "")

    def cell(self, record: Record, word: str) -> str:
        """What a row says of a meaning, as text; empty where it says nothing."""
        return plain(record.cells.get(self.of(word)))


def find_meaning(records: Records, format_: Mapping[str, Any]) -> Meaning:
    """What the columns mean, as the recipe says or as their names and first rows tell.

    Args:
        records: the rows.
        format_: column (or columns) by meaning, out of `WORDS`; other words are for others.

    Raises:
        DataError: a named column is not there.
    """
    header = records.columns()
    configured = {word: _listed(format_[word]) for word in WORDS if format_.get(word)}
    for word, names in configured.items():
        for name in names:
            if name not in header:
                fix = did_you_mean(name, header)
                raise DataError(f"format.{word} names no column '{name}'", hint=fix or None)
    found, why = _by_name(header, configured)
    if "text" not in configured:
        head = [row for row in islice(records.rows(), HEAD_ROWS) if isinstance(row, Record)]
        kept = {"question", "answer", "image"} if "question" in found else set()
        spoken = {name for word in kept for name in found.get(word, ())}
        texts, reason = _texts([n for n in header if n not in spoken], head)
        if texts:
            found["text"], why["text"] = texts, reason
    return Meaning(found, why)


def meaning_of_names(names: Iterable[str]) -> Meaning:
    """What columns or keys mean by their names alone; texts too."""
    header = tuple(names)
    found, why = _by_name(header, {})
    texts = tuple(name for name in header if _TEXT.fullmatch(name.strip()))
    return Meaning(found | ({"text": texts} if texts else {}), why)


def _by_name(
    header: Sequence[str], configured: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The columns that the recipe names, and the first that is named like each other meaning."""
    found = dict(configured)
    why = dict.fromkeys(configured, "named in the recipe")
    used = {name for names in configured.values() for name in names}
    for word, pattern in _NAMES.items():
        fit = [n for n in header if n not in used and re.fullmatch(pattern, n.strip(), re.I)]
        if pattern and word not in configured and fit:
            found[word], why[word] = (fit[0],), f"named like {_article(word)}"
            used.add(fit[0])
    return found, why


def _texts(header: Sequence[str], head: Sequence[Record]) -> tuple[tuple[str, ...], str]:
    """The columns of free text, and why."""
    words = {name: _words(record.cells.get(name) for record in head) for name in header}
    named = tuple(n for n in header if _TEXT.fullmatch(n.strip()) and words[n] >= FEW)
    if named:
        return named, "named like a report, and holds sentences"
    longest = max(header, key=lambda name: words[name], default="")
    if longest and words[longest] >= MANY:
        return (longest,), f"the longest text, of {words[longest]:.0f} words on average"
    return (), ""


def _words(cells: Iterable[Any]) -> float:
    """The mean number of words of the cells that say something."""
    counts = [len(cell.split()) for cell in cells if isinstance(cell, str) and cell.strip()]
    return sum(counts) / max(1, len(counts))


def plain(value: Any) -> str:
    """A cell as text, in Unicode that can be written; empty for nothing, lists and objects."""
    if value is None or isinstance(value, list | dict | bytes):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).encode("utf-8", "replace").decode("utf-8").strip()


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(name) for name in value)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
