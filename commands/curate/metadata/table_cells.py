"""What the cells of a row say, one meaning at a time, and how many could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.tables import dates
from medfm_cli.commands.curate.tables.columns import UNCERTAIN, Choice
from medfm_cli.commands.curate.tables.label_cells import separator_of
from medfm_cli.commands.curate.tables.open import Rows, label_meaning, meaning
from medfm_cli.readers.demographics import age_of

JOIN = "|"
"""Between the names of columns that are 1 in one row."""
_ONES = frozenset({"1", "1.0", "true"})


class CellReader:
    """Reads the chosen columns of a table.

    Attributes:
        names: what is read, as the catalog calls it.
        separator: between several labels in one cell.
        several: whether a row may have several labels.
        listed: values that the recipe names.
    """

    def __init__(self, keys: SourceKeys, rows: Rows, picked: Mapping[str, Choice]) -> None:
        self.choices = {
            "split" if name == "split.official" else name: c for name, c in picked.items()
        }
        self.names = tuple(self.choices)
        self._spec = spec = keys.label_spec()
        self.listed = {str(raw) for raw in (*spec.classes, *spec.drop)}
        self._missing = None if spec.missing == "auto" else {w.lower() for w in spec.missing}
        self._columns: dict[str, tuple[str, int]] = {}
        self._lost: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._why_no_time = ""
        self._sexes = {
            str(code).strip().lower(): str(sex)
            for code, sex in (keys.format.get("sexes") or {}).items()
        }
        label = self.choices.get("label")
        columns = label.columns if label else ()
        self.separator = JOIN if label is not None and label.several else ""
        if len(columns) == 1:
            self.separator = self._separator(rows, columns[0])
        self.several = bool(self.separator)
        self._to_iso = self._time_reader(keys, rows)
        self._flags = len(columns) == 1 and _is_flag(rows.labels(columns[0], self._missing))

    def values(self, cells: Sequence[str], place: Mapping[str, int]) -> dict[str, str]:
        """What a row says, by name; empty where it says nothing."""
        return {name: self._value(name, choice, cells, place) for name, choice in self._items()}

    def warnings(self, table: str) -> list[str]:
        """What was lost or read in a way that could be wrong, with counts."""
        sentences = []
        if self._why_no_time:
            sentences.append(
                f"The times in '{self.choices['time'].column}' of {table} were left out, since "
                f"{self._why_no_time}: set time_format, for example to '%d/%m/%Y'"
            )
        for name, count in sorted(self._lost.items()):
            what = {"age": "an age", "time": "a time", "target": "a number"}.get(name, f"a {name}")
            sentences.append(
                f"{count} cells of '{self.choices[name].column}' in {table} could not be read as "
                f"{what} and were left out"
            )
        for word, count in sorted(self._words.items()):
            sentences.append(self._about(word, count))
        return sentences

    def _items(self) -> list[tuple[str, Choice]]:
        return list(self.choices.items())

    def _value(
        self, name: str, choice: Choice, cells: Sequence[str], place: Mapping[str, int]
    ) -> str:
        if name == "label":
            return self._label(choice, cells, place)
        text = meaning(cells[place[choice.column]])
        if name == "sex":
            return self._sexes.get(text.lower(), text)
        if name == "age" and text and age_of(text) is None:
            self._lost["age"] += 1
        if name == "time" and text:
            return self._time(text)
        return text

    def _time(self, text: str) -> str:
        if self._to_iso is None:
            return ""
        time = self._to_iso(text)
        if time is None:
            self._lost["time"] += 1
        return time or ""

    def _label(self, choice: Choice, cells: Sequence[str], place: Mapping[str, int]) -> str:
        if len(choice.columns) != 1:  # none: rules make the label
            return self._findings(choice, cells, place)
        cell = cells[place[choice.column]]
        text = label_meaning(cell, self._missing)
        if self._flags and text in UNCERTAIN:
            self._words["uncertain"] += 1
            return {"positive": "1", "negative": "0"}.get(self._spec.uncertain, "")
        word = cell.strip().lower()
        if not text and word:
            self._words[f"missing {word}"] += 1
        elif text != meaning(cell):
            self._words[f"class {word}"] += 1
        return text

    def _findings(self, choice: Choice, cells: Sequence[str], place: Mapping[str, int]) -> str:
        """The columns that are 1, joined; the mark alone where none of several is."""
        found = []
        for column in choice.columns:
            flag = cells[place[column]].strip().lower()
            if flag in UNCERTAIN:
                self._words["uncertain"] += 1
            if flag in _ONES or (flag in UNCERTAIN and self._spec.uncertain == "positive"):
                found.append(column)
        return (JOIN.join(found) or JOIN) if self.several else next(iter(found), "")

    def _about(self, word: str, count: int) -> str:
        column = self.choices["label"].column
        kind, _, text = word.partition(" ")
        if kind == "missing":
            return (
                f"{count} labels '{text}' in '{column}' were read as no label; labels.missing "
                "lists what means none"
            )
        if kind == "class":
            return (
                f"'{text}' in '{column}' is a class ({count} rows); if it means no label, set "
                f"labels.missing=['{text}']"
            )
        default = "negative" if self.several else "no label"
        how = default if self._spec.uncertain == "auto" else self._spec.uncertain
        return f"{count} labels of -1 (uncertain) were read as {how}; labels.uncertain says how"

    def _separator(self, rows: Rows, column: str) -> str:
        chosen = self._spec.separator
        if chosen == "none":
            return ""
        return separator_of(rows.labels(column, self._missing)) if chosen == "auto" else chosen

    def _time_reader(self, keys: SourceKeys, rows: Rows) -> Callable[[str], str | None] | None:
        if "time" not in self.choices:
            return None
        try:
            return dates.reader(rows.column(self.choices["time"].column), keys.time_format)
        except dates.UnclearDates as error:
            self._why_no_time = str(error)
            return None


def _is_flag(cells: Sequence[str]) -> bool:
    """Whether a label column says 1, 0 and −1 for present, absent and uncertain."""
    values = {cell for cell in cells if cell}
    return bool(values & UNCERTAIN) and values <= {"0", "1", "0.0", "1.0", *UNCERTAIN}
