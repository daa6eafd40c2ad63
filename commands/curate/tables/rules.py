"""Label rules: which rows of a table belong to which class, in a language of comparisons.

    normal: NORM > 50 and not (PACE > 0)      # keys inside of the cell that `labels.column` names
    ill: age >= 18 and sex in ["F", "M"]      # other columns
    unknown: heart_axis is missing
    abnormal: otherwise                       # rows that match no other rule

A rule compares numbers (`< <= > >= == !=`, also chained) and texts (the same, and `in`), or tests
whether something `is missing`. `"MI" in codes` looks into a list, a dict or a text. Names with
spaces or signs stand in backquotes; `codes.NORM` is a key of a column other than `labels.column`.

A key that a dict does not have compares as false, whatever it is compared with. A comparison with
an empty cell, or with one that is not a number, is unknown, and a rule that is not surely true does
not match. A row that matches no rule while some rule is unknown for it counts as missing, and
`otherwise` does not match it. Nothing is ever evaluated as Python. No numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medfm_cli.commands.curate.tables.rule_logic import ABSENT, parse_cell
from medfm_cli.commands.curate.tables.rule_parser import Column, parse
from medfm_cli.recipe.problems import did_you_mean

OTHERWISE = "otherwise"


@dataclass
class RuleCounts:
    """How many rows each rule matches, and how many match none.

    Attributes:
        rows: all rows that were tested.
        matched: class → rows; a row that matches several rules counts for each of them.
        none: rows that match no rule though all cells that the rules compare are filled.
        missing: rows that match no rule and lack a cell that one of them compares.
        several: rows that match more than one rule.
    """

    rows: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    none: int = 0
    missing: int = 0
    several: int = 0

    def add(self, classes: tuple[str, ...], *, missing: bool) -> None:
        """Count a row."""
        self.rows += 1
        for label in classes:
            self.matched[label] = self.matched.get(label, 0) + 1
        self.several += len(classes) > 1
        self.missing += not classes and missing
        self.none += not classes and not missing


class Rules:
    """The rules of one label, in their order.

    Args:
        rules: class → rule.
        column: `labels.column`, whose cell may hold a dict; empty when there is none.

    Raises:
        ValueError: a rule is wrong; the message has all problems of all rules, with positions.
    """

    def __init__(self, rules: Mapping[str, str], column: str = "") -> None:
        if every := problems(rules):
            raise ValueError("; ".join(every))
        self.column = column
        parsed = {label: parse(text)[0] for label, text in rules.items() if not _is_rest(text)}
        self._rules = {label: rule for label, rule in parsed.items() if rule is not None}
        self._rest = tuple(label for label, text in rules.items() if _is_rest(text))
        self.counts = RuleCounts(matched=dict.fromkeys(rules, 0))

    def names(self) -> tuple[str, ...]:
        """The columns and keys that the rules name, in their order."""
        columns = (column for rule in self._rules.values() for column in rule.columns)
        return tuple(dict.fromkeys(column.parts[0] for column in columns))

    def unknown_names(self, header: Iterable[str], keys: Iterable[str]) -> list[str]:
        """A problem for each name that is neither a column nor a key.

        Args:
            header: the table's columns.
            keys: the keys that occur in the dicts of `column`; a name may also be one of them.
        """
        known = [name for name in header if name]
        inside = set(keys)
        wrong = [name for name in self.names() if name not in known and name not in inside]
        return [
            f"'{name}' is not a column of the table"
            + (f" and not a key in its column '{self.column}'" if inside else "")
            + (f"; {fix}" if (fix := did_you_mean(name, [*known, *sorted(inside)])) else "")
            for name in wrong
        ]

    def match(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The classes whose rules a row matches, in the order of the rules; counts the row."""
        cells = _Cells(row, self.column)
        truths = {label: rule.test(cells.value) for label, rule in self._rules.items()}
        classes = tuple(label for label, truth in truths.items() if truth)
        missing = None in truths.values()
        if not classes and not missing:
            classes = self._rest[:1]
        self.counts.add(classes, missing=missing)
        return classes

    def label(self, row: Mapping[str, Any]) -> str:
        """The first class whose rule a row matches, empty without one; counts the row."""
        return next(iter(self.match(row)), "")


def problems(rules: Mapping[str, str]) -> list[str]:
    """All problems of all rules, each with the class and the position in its rule, from 1."""
    rest = [label for label, text in rules.items() if _is_rest(text)]
    every = [
        f"rule '{label}': {problem}"
        for label, text in rules.items()
        if label not in rest
        for problem in parse(text)[1]
    ]
    if len(rest) > 1:
        every.append(f"rule '{rest[1]}': only one rule can be '{OTHERWISE}'")
    if rules and len(rest) == len(rules):
        every.append(f"rule '{rest[0]}': '{OTHERWISE}' needs another rule beside it")
    return every


def _is_rest(text: str) -> bool:
    return text.strip().lower() == OTHERWISE


class _Cells:
    """Looks up names in a row: first the keys of the label's cell, then the columns."""

    def __init__(self, row: Mapping[str, Any], column: str) -> None:
        self._row = row
        self._column = column
        self._parsed: dict[str, Any] = {}

    def value(self, column: Column) -> Any:
        """The value of a name: None where it is missing, `ABSENT` for a key not in its dict."""
        first, *keys = column.parts
        main = self._cell(self._column) if self._column else None
        value: Any
        if isinstance(main, dict) and (first in main or first not in self._row):
            value = main.get(first, ABSENT)
        elif first in self._row:
            value = self._cell(first)
        else:
            return None
        for key in keys:
            if value is None or value is ABSENT:
                return value
            if not isinstance(value, dict):
                return None
            value = value.get(key, ABSENT)
        return value

    def _cell(self, column: str) -> Any:
        if column not in self._parsed:
            value = parse_cell(self._row.get(column))
            empty = value == "" or (isinstance(value, float) and math.isnan(value))
            self._parsed[column] = None if empty else value
        return self._parsed[column]
