"""What the cells of a column show of labels: several in one cell, or none but measurements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

NUMBER = re.compile(r"[-+]?\d+(\.\d*)?|[-+]?\.\d+")


def separator_of(cells: Iterable[str]) -> str:
    """What separates several labels in one cell (`Edema|Effusion`); empty where each holds one.

    `;` and `,` count only where the parts occur in several combinations: a class may be called
    "Adenocarcinoma, left lower lobe".
    """
    values = {cell for cell in cells if cell}
    for mark in ("|", ";", ","):
        lists = {v for v in values if mark in v}
        if not lists:
            continue
        parts = [{part.strip() for part in value.split(mark)} for value in values]
        occurs = Counter(part for each in parts for part in each)
        if "" in occurs and mark != "|":
            continue
        again = sum(occurs[part.strip()] > 1 for value in lists for part in value.split(mark))
        total = sum(value.count(mark) + 1 for value in lists)
        if mark == "|" or (again >= 0.9 * total and len(occurs) < len(values)):
            return mark
    return ""


def is_measurement(cells: Iterable[str]) -> bool:
    """Whether a column holds numbers that are measured, not classes that happen to be numbered."""
    values = [cell for cell in cells if cell]
    if not values or not all(NUMBER.fullmatch(value) for value in values):
        return False
    numbers = {float(value) for value in values}
    broken = any(number != int(number) for number in numbers)
    return len(numbers) > 10 and (broken or (len(numbers) > 20 and len(values) < 5 * len(numbers)))
