"""Label rules: which rows of a table belong to which class, in a language of comparisons.

    normal: NORM > 50 and not (PACE > 0)      # keys inside of the cell that `labels.column` names
    ill: age >= 18 and sex in ["F", "M"]      # other columns
    unknown: heart_axis is missing
    abnormal: otherwise                       # rows that no other rule takes

Compared are numbers (`< <= > >= == !=`, also chained), texts (the same, and `in`), and whether
something `is missing`. `"MI" in codes` looks into a list, a dict or a text. Names that are no
words stand in backquotes; `codes.NORM` is the key of a column that is not `labels.column`.

A key that a dict does not have compares as false, whatever it is compared with. What an empty cell,
or one that is no number, is compared with is unknown, and a rule that is not surely true takes
nothing; a row that no rule takes and some rule is unknown for is counted as missing, and
`otherwise` does not take it. Nothing is ever evaluated as Python. No numpy.
"""

from __future__ import annotations

import ast
import json
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medfm_cli.commands.curate.tables.open import meaning
from medfm_cli.commands.curate.tables.rule_parser import (
    Compare,
    Literal,
    Logic,
    Missing,
    Name,
    Node,
    Problem,
    names_of,
    parse,
)
from medfm_cli.recipe.problems import did_you_mean

OTHERWISE = "otherwise"
LARGEST_CELL = 1 << 16
"""Longest cell that is read as a dict or list, in characters."""
Truth = bool | None
"""True, false, or unknown."""
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Absent:
    """A key that its dict does not have: nothing is true of it."""


ABSENT = _Absent()


@dataclass
class RuleCounts:
    """How many rows each rule took, and how many none did.

    Attributes:
        rows: all rows that were judged.
        matched: class → rows; a row that several rules take counts for each of them.
        none: rows that no rule took though all that they compare was there.
        missing: rows that no rule took and that lack what one of them compares.
        several: rows that more than one rule took.
    """

    rows: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    none: int = 0
    missing: int = 0
    several: int = 0

    def add(self, taken: tuple[str, ...], *, missing: bool) -> None:
        """Count a row."""
        self.rows += 1
        for label in taken:
            self.matched[label] = self.matched.get(label, 0) + 1
        self.several += len(taken) > 1
        self.missing += not taken and missing
        self.none += not taken and not missing


class Rules:
    """The rules of one label, in their order.

    Args:
        rules: class → rule.
        column: `labels.column`, whose cell may hold a dict; empty when there is none.

    Raises:
        ValueError: a rule is wrong; the message has all problems of all rules, with positions.
    """

    def __init__(self, rules: Mapping[str, str], column: str = "") -> None:
        found = problems(rules)
        if found:
            raise ValueError("; ".join(found))
        self.column = column
        self.classes = tuple(rules)
        self._rules = {label: parse(text)[0] for label, text in rules.items() if not _rest(text)}
        self._rest = tuple(label for label, text in rules.items() if _rest(text))
        self.counts = RuleCounts(matched=dict.fromkeys(self.classes, 0))

    def names(self) -> tuple[str, ...]:
        """The columns and keys that the rules speak of, in their order."""
        found: dict[str, None] = {}
        for node in self._rules.values():
            found |= dict.fromkeys(name.parts[0] for name in names_of(node))
        return tuple(found)

    def unknown(self, header: Iterable[str], keys: Iterable[str]) -> list[str]:
        """What is wrong with the names: each that is no column, and no key that was seen.

        Args:
            header: the table's columns.
            keys: the keys that occur in the dicts of `column`; a name may also be one of them.
        """
        known = [name for name in header if name]
        inside = set(keys)
        wrong = [name for name in self.names() if name not in known and name not in inside]
        return [
            f"'{name}' is no column of the table"
            + (f" and no key in its column '{self.column}'" if inside else "")
            + (f"; {fix}" if (fix := did_you_mean(name, [*known, *sorted(inside)])) else "")
            for name in wrong
        ]

    def judge(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The classes whose rules take a row, in the order of the rules; counts the row."""
        cells = _Cells(row, self.column)
        verdicts = {label: _truth(node, cells) for label, node in self._rules.items()}
        taken = tuple(label for label, verdict in verdicts.items() if verdict)
        missing = None in verdicts.values()
        if not taken and not missing:
            taken = self._rest[:1]
        self.counts.add(taken, missing=missing)
        return taken

    def label(self, row: Mapping[str, Any]) -> str:
        """The first class whose rule takes a row, empty when none does; counts the row."""
        return next(iter(self.judge(row)), "")


def problems(rules: Mapping[str, str]) -> list[str]:
    """All problems of all rules, each with the class and the position in its rule, from 1."""
    found = [f"rule '{label}': {p}" for label, text in rules.items() for p in _problems(text)]
    rest = [label for label, text in rules.items() if _rest(text)]
    if len(rest) > 1:
        found.append(f"rule '{rest[1]}': only one rule can be '{OTHERWISE}'")
    if rules and len(rest) == len(rules):
        found.append(f"rule '{rest[0]}': '{OTHERWISE}' needs another rule beside it")
    return found


def _problems(text: str) -> list[Problem]:
    return [] if _rest(text) else parse(text)[1]


def _rest(text: str) -> bool:
    return text.strip().lower() == OTHERWISE


def parse_cell(cell: Any) -> Any:
    """What a cell holds: a dict or list where it is written as JSON or a Python literal, else text.

    Nothing is evaluated: `ast.literal_eval` only knows literals, and long cells stay text.
    """
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if text[:1] not in ("{", "[") or len(text) > LARGEST_CELL:
        return meaning(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the cell
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                continue
    return text


class _Cells:
    """Looks up names in a row: first the keys of the label's cell, then the columns."""

    def __init__(self, row: Mapping[str, Any], column: str) -> None:
        self._row = row
        self._column = column
        self._parsed: dict[str, Any] = {}

    def value(self, name: Name) -> Any:
        """What a name stands for: None where it is missing, `ABSENT` for a key not in its dict."""
        first, *rest = name.parts
        main = self._cell(self._column) if self._column else None
        inside = isinstance(main, dict) and (first in main or first not in self._row)
        value: Any
        if inside and isinstance(main, dict):
            value = main.get(first, ABSENT)
        elif first in self._row:
            value = self._cell(first)
        else:
            return None
        for key in rest:
            if value is None or value is ABSENT:
                return value
            if not isinstance(value, dict):
                return None
            value = value.get(key, ABSENT)
        return value

    def _cell(self, column: str) -> Any:
        if column not in self._parsed:
            value = parse_cell(self._row.get(column))
            nothing = value == "" or (isinstance(value, float) and math.isnan(value))
            self._parsed[column] = None if nothing else value
        return self._parsed[column]


def _truth(node: Node, cells: _Cells) -> Truth:
    """Kleene's logic: unknown is neither, unless the other side decides alone."""
    if isinstance(node, Logic):
        if node.word == "not":
            truth = _truth(node.parts[0], cells)
            return None if truth is None else not truth
        decides = node.word == "or"
        found = [_truth(part, cells) for part in node.parts]
        if decides in found:
            return decides
        return None if None in found else not decides
    if isinstance(node, Missing):
        value = cells.value(node.name)
        return (value is None or value is ABSENT) != node.negated
    if isinstance(node, Compare):
        values = [_value(side, cells) for side in node.sides]
        found = [
            _compared(op, left, right)
            for op, left, right in zip(node.operators, values, values[1:], strict=False)
        ]
        if False in found:
            return False
        return None if None in found else True
    return None


def _value(side: Node, cells: _Cells) -> Any:
    if isinstance(side, Literal):
        return side.value
    return cells.value(side) if isinstance(side, Name) else None


def _compared(word: str, left: Any, right: Any) -> Truth:
    if left is ABSENT or right is ABSENT:
        return False
    if left is None or right is None:
        return None
    if word in ("in", "not in"):
        inside = _inside(left, right)
        return inside if inside is None else inside == (word == "in")
    if word in ("==", "!="):
        return _same(left, right) == (word == "==")
    numbers = _number(left), _number(right)
    if None not in numbers:
        return _ORDER[word](*numbers)
    if isinstance(left, str) and isinstance(right, str) and numbers == (None, None):
        return _ORDER[word](left.strip(), right.strip())
    return None


def _inside(value: Any, where: Any) -> Truth:
    if isinstance(where, str):
        return str(value) in where
    if isinstance(where, dict):
        where = list(where)
    if isinstance(where, list | tuple | set):
        return any(_same(value, one) for one in where)
    return None


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return _word(left) == _word(right)
    numbers = _number(left), _number(right)
    if None not in numbers and not (isinstance(left, str) and isinstance(right, str)):
        return numbers[0] == numbers[1]
    if isinstance(left, str) and isinstance(right, str):
        return left.strip() == right.strip()
    return bool(left == right)


def _word(value: Any) -> str:
    return str(value).strip().lower()


def _number(value: Any) -> float | None:
    """The number that a cell is or is written as; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
