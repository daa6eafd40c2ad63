"""The values of label rules, and how they compare: true, false, or unknown (Kleene's logic).

A key that its dict does not have compares as false, whatever it is compared with. What an empty
cell, or one that is not a number, is compared with is unknown. No numpy.
"""

from __future__ import annotations

import ast
import json
import math
import operator
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from medfm_cli.commands.curate.tables.open import meaning

LARGEST_CELL = 1 << 16
"""Longest cell that is read as a dict or list, in characters."""
Truth = bool | None
"""True, false, or unknown."""
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class _Absent:
    """A key that its dict does not have: nothing is true of it."""


ABSENT = _Absent()


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


def combine(truths: Iterable[Truth], *, decisive: bool) -> Truth:
    """`or` (True is decisive) and `and` (False is) of several truths."""
    every = list(truths)
    if decisive in every:
        return decisive
    return None if None in every else not decisive


def negate(truth: Truth) -> Truth:
    """`not`: unknown stays unknown."""
    return None if truth is None else not truth


def compare(operation: ast.cmpop, left: Any, right: Any) -> Truth:
    """Whether a comparison holds; with `is` and `is not`, whether the left side is missing."""
    if isinstance(operation, ast.Is | ast.IsNot):
        return (left is None or left is ABSENT) == isinstance(operation, ast.Is)
    if left is ABSENT or right is ABSENT:
        return False
    if left is None or right is None:
        return None
    if isinstance(operation, ast.In | ast.NotIn):
        inside = _contains(right, left)
        return inside if isinstance(operation, ast.In) else negate(inside)
    if isinstance(operation, ast.Eq | ast.NotEq):
        return _same(left, right) == isinstance(operation, ast.Eq)
    order, numbers = _ORDER[type(operation)], (_number(left), _number(right))
    if None not in numbers:
        return order(*numbers)
    if isinstance(left, str) and isinstance(right, str) and numbers == (None, None):
        return order(left.strip(), right.strip())
    return None


def _contains(container: Any, value: Any) -> Truth:
    if isinstance(container, str):
        return str(value) in container
    if isinstance(container, dict | list | tuple | set):
        return any(_same(value, member) for member in container)
    return None


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return str(left).strip().lower() == str(right).strip().lower()
    if isinstance(left, str) and isinstance(right, str):
        return left.strip() == right.strip()
    numbers = _number(left), _number(right)
    return numbers[0] == numbers[1] if None not in numbers else bool(left == right)


def _number(value: Any) -> float | None:
    """The number that a cell is or is written as; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
