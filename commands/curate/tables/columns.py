"""Which column of a table means what, by its name and by what is in it.

Nothing is guessed in silence: every choice comes with its reason, and where two columns are as
likely the answer is an error that names them and says what to type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.tables.label_cells import is_measurement
from medfm_cli.commands.curate.tables.open import Rows
from medfm_cli.errors import DataError
from medfm_cli.readers.demographics import age_of, sex_of
from medfm_cli.recipe.problems import did_you_mean
from medfm_cli.samples.attributes import parsed, table_attributes

FILE_NAMES = frozenset(
    {"file", "filename", "file_name", "filepath", "file_path", "path", "image", "img", "image_id"}
    | {"imageid", "image_name", "image_path", "img_path", "image_file", "image_index", "name", "id"}
    | {"isic_id", "sopinstanceuid"}
)
_ID = r"[ _-]?(id|ids|no|nr|num|number|key|code|idx|index|uid|name)?"
_SUBJECT = re.compile(
    rf"(patient|subject|participant|person|donor|individual|mrn|pid|eid){_ID}", re.I
)
_SUBJECT_IF_NUMBERED = re.compile(
    rf"(case|lesion|animal|specimen|slide|biopsy|nodule|block){_ID}", re.I
)
_STUDY = re.compile(rf"(study|exam|examination|visit|accession|session|encounter){_ID}", re.I)
_SITE = re.compile(
    rf"(site|hospital|cent(?:er|re)|institution|clinic|source[ _-]?site|facility){_ID}", re.I
)
_SPLIT = re.compile(
    r"(split|subset|partition|set|phase|fold|usage|(data|dataset)[ _-]?split)", re.I
)
_MODALITY = re.compile(r"((image|imaging)[ _-]?)?modality", re.I)
_ANATOMY = re.compile(
    r"anatomy|body[ _-]?part([ _-]?examined)?|locali[sz]ation|organ|anatom\w*[ _-]?site\w*", re.I
)
_AGE = re.compile(r"(patient[ _-]?)?age([ _-]?(in[ _-]?)?(years?|y))?", re.I)
_SEX = re.compile(r"(patient[ _-]?)?(sex|gender)", re.I)
_TIME = re.compile(
    r"((study|series|acquisition|recording|exam|examination|scan|image|visit)[ _-]?)?"
    r"(date|datetime|time|timestamp)([ _-]?time)?",
    re.I,
)
_LABEL_TIERS = (
    re.compile(
        r"(class|image|disease|target|true|gt)?[ _-]?(label|labels|class|classes|category|target"
        r"|diagnosis|diagnoses|dx|y)([ _-]?(name|id|code|text))?",
        re.I,
    ),
    re.compile(
        r"findings?([ _-]?labels?)?|disease|pathology|condition|outcome|grade|severity|level|stage"
        r"|type|kind|status|result|ground[ _-]?truth|annotation|tissue|subtype|histology"
        r"|(tumou?r|lesion|cell|cancer|disease|tissue)([ _-]?(type|class|label|grade|category))?"
        r"|\w+[ _-](label|class|diagnosis|category|grade)",
        re.I,
    ),
)
_DESCRIBES = re.compile(
    r"(patient[ _-]?)?(age|sex|gender|race|ethnicity|weight|bmi)(\W.*|_.*)?"
    r"|.*(date|time|url|licen[cs]e|comment|note|description|author|doi).*"
    r"|(image[ _-]?)?(width|height|size|rows|cols|columns|view|position|laterality|eye|side)"
    r"|probe|device|scanner|manufacturer|format|md5|sha\d*",
    re.I,
)
_PERSON = re.compile(
    r"(patient|subject|subj|sub|participant|person|pat|pid|pt)s?[ _-]?\w*\d\w*", re.I
)
MANY = 1000
"""More distinct values than this are no classes."""
_SPLITS = {
    "train": "train",
    "training": "train",
    "tr": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "ts": "test",
    "holdout": "test",
}


@dataclass(frozen=True)
class Choice:
    """Columns and why they were chosen.

    Several columns spell out a label: which of them is 1, or with `several`, which of them are.
    """

    columns: tuple[str, ...]
    why: str
    several: bool = False

    @property
    def column(self) -> str:
        """The one column."""
        return self.columns[0]


def split_name(text: str) -> str:
    """`train`, `val` or `test` for one of their many names, else empty."""
    return _SPLITS.get(text.strip().lower(), "")


def person_folder(name: str) -> str:
    """The path down to the first folder that is named like a patient (`patient00001`, `sub-01`).

    Folders called train, val and test are left out: a patient in two of them is one patient.
    """
    parts = [part for part in name.split("/")[:-1] if not split_name(part)]
    for number, part in enumerate(parts):
        if _PERSON.fullmatch(part):
            return "/".join(parts[: number + 1])
    return ""


def named(column: str, header: Sequence[str], path: Path, key: str) -> str:
    """The column of this name.

    Raises:
        DataError: the table has none.
    """
    if column in header:
        return column
    known = listed(header)
    fix = did_you_mean(column, header)
    raise DataError(
        f"'{path}' has no column '{column}'",
        hint=f"set {key} to one of: {known}" + (f"; {fix}" if fix else ""),
    )


def listed(header: Sequence[str]) -> str:
    """The names of columns for a sentence, the first dozen of many."""
    names = [name for name in header if name]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def is_key(rows: Rows, name: str) -> bool:
    """Whether a column has a value of its own in (nearly) every row."""
    return _distinct(rows, name) >= 0.95 * len(rows.values)


def find_subject(rows: Rows, *, but: Iterable[str] = ()) -> Choice | None:
    """The column with whose image it is: the coarsest of those that are named so.

    Raises:
        DataError: two such columns, and neither groups the other.
    """
    names = [n for n in _matching(rows, _SUBJECT, but) if _tells_people_apart(rows, n)]
    names += [n for n in _matching(rows, _SUBJECT_IF_NUMBERED, but) if _numbered(rows, n)]
    if not names:
        return None
    if len(names) == 1:
        return Choice((names[0],), "the only column named like a patient or case")
    groups = {name: rows.column(name) for name in names}
    for name in names:
        if all(_nested(groups[other], groups[name]) for other in names):
            others = ", ".join(f"'{other}'" for other in names if other != name)
            return Choice((name,), f"groups the rows more coarsely than {others}")
    raise _ambiguous(rows, names, "the subject", "subject={}")


Finder = Callable[..., Choice | None]
"""Finds the column of one meaning in `Rows`, outside of the columns `but`."""


def _named_like(pattern: re.Pattern[str], why: str) -> Finder:
    def find(rows: Rows, *, but: Iterable[str] = ()) -> Choice | None:
        return _first(rows, _matching(rows, pattern, but), why)

    return find


find_study = _named_like(_STUDY, "named like an examination")
find_site = _named_like(_SITE, "named like a site")
find_modality = _named_like(_MODALITY, "named like a modality")
find_anatomy = _named_like(_ANATOMY, "named like a body part")
find_time = _named_like(_TIME, "named like a time")


def find_age(rows: Rows, *, but: Iterable[str] = ()) -> Choice | None:
    """The column with the age: named so, and most of its cells are ages."""
    names = [n for n in _matching(rows, _AGE, but) if _ages(rows.column(n))]
    return _first(rows, names, "named like an age, and holds ages")


def find_sex(rows: Rows, *, but: Iterable[str] = ()) -> Choice | None:
    """The column with the sex: named so, and holding words that are known for it."""
    for name in _matching(rows, _SEX, but):
        values = {value for value in rows.column(name) if value}
        if values and all(sex_name(value) for value in values):
            return Choice((name,), "named like a sex, and holds its words only")
    return None


def find_attribute(name: str) -> Finder:
    """A finder of the column with an attribute: named like it, and holding its values only."""
    attribute = next(item for item in table_attributes() if item.name == name)
    pattern = re.compile(attribute.column.headings, re.IGNORECASE)

    def find(rows: Rows, *, but: Iterable[str] = ()) -> Choice | None:
        for column in _matching(rows, pattern, but):
            values = {value for value in rows.column(column) if value}
            if values and all(parsed(name, value) != attribute.default for value in values):
                return Choice((column,), f"named like a {name.replace('_', ' ')}")
        return None

    return find


def sex_name(text: str) -> str:
    """`F`, `M`, `O` or `U` (unknown) for a word for it, else empty."""
    word = text.strip().lower()
    if word in ("u", "unknown", "unspecified"):
        return "U"
    return "O" if word == "x" else sex_of(text)  # in headers, X stands for nothing


def find_split(rows: Rows, *, but: Iterable[str] = ()) -> Choice | None:
    """The column with the official split: named so, and holding names of splits only."""
    for name in _matching(rows, _SPLIT, but):
        values = {value for value in rows.column(name) if value}
        if values and all(split_name(value) for value in values):
            return Choice((name,), "holds the names of splits only")
    return None


def find_label(rows: Rows, *, but: Iterable[str] = (), by_content: bool = True) -> Choice | None:
    """The column with the class, or the columns of 0 and 1 that spell it out.

    Args:
        but: columns that mean something else.
        by_content: take also a column that is named like nothing known, when it is the only one
            with repeating words.

    Raises:
        DataError: several columns are as likely and do not say the same.
    """
    excluded = set(but)
    for tier in _LABEL_TIERS:
        names = [n for n in _matching(rows, tier, excluded) if _classes(rows, n)]
        if names:
            return _one_label(rows, names)
    spread = _one_hot(rows, excluded)
    if spread:
        return Choice(spread, "of these columns exactly one is 1 in every row")
    several = _multi_hot(rows, excluded)
    if len(several) >= MULTI_HOT and by_content:
        return Choice(several, "each of these columns is 0, 1 or -1", several=True)
    others = [n for n in rows.header if n and n not in excluded and not _DESCRIBES.fullmatch(n)]
    words = [n for n in others if _classes(rows, n) and not _numeric(rows.column(n))]
    if by_content and len(words) == 1:
        return Choice((words[0],), "the only column with words that repeat")
    if by_content and len(words) > 1:
        raise _ambiguous(rows, words, "the label", "labels={{file: " + _q(rows) + ", column: {}}}")
    return None


def _one_label(rows: Rows, names: list[str]) -> Choice:
    if len(names) == 1:
        return Choice((names[0],), "the only column named like a label")
    columns = {name: rows.column(name) for name in names}
    same = all(
        _nested(columns[one], columns[other]) and _nested(columns[other], columns[one])
        for one in names
        for other in names
    )
    if not same:
        raise _ambiguous(rows, names, "the label", "labels={{file: " + _q(rows) + ", column: {}}}")
    words = [name for name in names if not _numeric(columns[name])]
    chosen = (words or names)[0]
    others = ", ".join(f"'{name}'" for name in names if name != chosen)
    return Choice((chosen,), f"named like a label; {others} says the same")


def _matching(rows: Rows, pattern: re.Pattern[str], but: Iterable[str]) -> list[str]:
    excluded = set(but)
    return [name for name in rows.header if name not in excluded and pattern.fullmatch(name)]


def _first(rows: Rows, names: list[str], why: str) -> Choice | None:
    filled = [name for name in names if any(rows.column(name))]
    return Choice((filled[0],), why) if filled else None


def _distinct(rows: Rows, name: str) -> int:
    return len({value for value in rows.column(name) if value})


def _tells_people_apart(rows: Rows, name: str) -> bool:
    """Whether a column named like a patient holds identifiers, not `yes` and `no`."""
    values = {value.lower() for value in rows.column(name) if value}
    return len(values) > 1 and not values <= _YES_NO


def _numbered(rows: Rows, name: str) -> bool:
    """Whether a column holds identifiers, not kinds: its values have digits, and are not few."""
    values = {value for value in rows.column(name) if value}
    return len(values) > 2 and sum(bool(re.search(r"\d", v)) for v in values) >= 0.9 * len(values)


def _classes(rows: Rows, name: str) -> bool:
    """Whether a column could be classes: filled, and its values repeat."""
    counts = Counter(value for value in rows.labels(name) if value)
    if is_measurement(rows.labels(name)):
        return False
    total = sum(counts.values())
    return bool(counts) and len(counts) <= MANY and (total < 20 or len(counts) <= total / 2)


def _ages(cells: Sequence[str]) -> bool:
    """Whether nearly all cells that say something are ages."""
    values = [value for value in cells if value]
    return bool(values) and sum(age_of(v) is not None for v in values) >= 0.9 * len(values)


def _numeric(values: Iterable[str]) -> bool:
    return all(re.fullmatch(r"[-+]?\d+(\.\d+)?", value) for value in values if value)


def _nested(fine: Sequence[str], coarse: Sequence[str]) -> bool:
    """Whether every value of `fine` goes with one value of `coarse`."""
    of: dict[str, str] = {}
    return all(of.setdefault(f, c) == c for f, c in zip(fine, coarse, strict=True) if f)


def conflicting_share(keys: Sequence[str], values: Sequence[str]) -> float:
    """The share of the distinct keys that have rows with different values."""
    seen: dict[str, set[str]] = {}
    for key, value in zip(keys, values, strict=True):
        if key:
            seen.setdefault(key, set()).add(value)
    return sum(len(found) > 1 for found in seen.values()) / max(1, len(seen))


def _one_hot(rows: Rows, excluded: set[str]) -> tuple[str, ...]:
    """Columns of which exactly one is 1 in (almost) every row."""
    names = [name for name in rows.header if name and name not in excluded]
    flags = {name: [_FLAGS.get(v.strip().lower()) for v in rows.column(name)] for name in names}
    flags = {n: f for n, f in flags.items() if None not in f and not _DESCRIBES.fullmatch(n)}
    if len(flags) < 2:
        return ()
    sums = [sum(values) for values in zip(*flags.values(), strict=True)]
    return tuple(flags) if sums.count(1) >= 0.99 * len(sums) else ()


MULTI_HOT = 3
"""From so many columns of 0 and 1 on, they are taken for labels without being named."""
UNCERTAIN = frozenset({"-1", "-1.0"})
_YES_NO = frozenset({"0", "1", "0.0", "1.0", "yes", "no", "y", "n", "true", "false"})
_FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


def _multi_hot(rows: Rows, excluded: set[str]) -> tuple[str, ...]:
    """Columns of 0 and 1 (and −1: uncertain, and empty cells: not mentioned), each a finding."""
    found = []
    for name in rows.header:
        values = {value.lower() for value in rows.column(name) if value}
        if not name or name in excluded or _DESCRIBES.fullmatch(name) or not values:
            continue
        if values <= {*_FLAGS, *UNCERTAIN} and values & {"1", "1.0", "true"}:
            found.append(name)
    return tuple(found)


def _q(rows: Rows) -> str:
    return rows.path.name


def _ambiguous(rows: Rows, names: Sequence[str], what: str, override: str) -> DataError:
    several = ", ".join(f"'{name}'" for name in names[:8])
    return DataError(
        f"'{rows.path}' has several columns that could be {what}: {several}",
        hint=f"say which, for example '{override.format(names[0])}'",
    )
