"""Long tails, honestly: how many there are of each value, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from medfm_cli.runs.cells import show_value
from medfm_cli.runs.drawing import Drawing
from medfm_cli.runs.svg import COLOURS, INK, RULE, SOFT

MOST: Final = 12
"""Values of one attribute that are drawn; the rarer ones are told as a number."""
NOTHING: Final = ("UNKNOWN", "no label")
"""What is no value; it stands last and pale."""
_WIDTH, _GAP, _NAME, _COUNT = 420.0, 28.0, 140.0, 62.0
_HEAD, _ROW, _FOOT = 30.0, 20.0, 34.0


def tails(attributes: Mapping[str, Mapping[str, int]]) -> Drawing:
    """Draw one panel an attribute, two in a row, all on one logarithmic axis.

    Args:
        attributes: attribute → value → count, the commonest first.
    """
    panels = [(name, _rows(counts)) for name, counts in attributes.items()]
    heights = [_HEAD + _ROW * len(rows) + _FOOT for _, rows in panels]
    columns: list[list[int]] = [[], []]
    ends = [0.0, 0.0]
    for number, height in enumerate(heights):
        shorter = int(ends[1] < ends[0])
        columns[shorter].append(number)
        ends[shorter] += height
    most = max((count for _, rows in panels for _, count, _ in rows), default=1)
    decades = max(1, math.ceil(math.log10(max(2, most))))
    width = 2 * _WIDTH + _GAP if columns[1] else _WIDTH
    drawing = Drawing(width, max(ends) or 1)
    for side, numbers in enumerate(columns):
        top = 0.0
        for number in numbers:
            _panel(drawing, *panels[number], (side * (_WIDTH + _GAP), top), decades)
            top += heights[number]
    return drawing


def _rows(counts: Mapping[str, int]) -> list[tuple[str, int, bool]]:
    """Names and counts; what is beyond the commonest is one row, of their number together."""
    items = [(name, count) for name, count in counts.items() if name not in NOTHING]
    unknown = [(name, count, True) for name, count in counts.items() if name in NOTHING]
    if len(items) <= MOST:
        return [*((name, count, False) for name, count in items), *unknown]
    rest = items[MOST - 1 :]
    return [
        *((name, count, False) for name, count in items[: MOST - 1]),
        (f"{len(rest)} rarer ones", sum(count for _, count in rest), True),
        *unknown,
    ]


def _panel(
    drawing: Drawing,
    name: str,
    rows: list[tuple[str, int, bool]],
    at: tuple[float, float],
    decades: int,
) -> None:
    left, top = at
    start, across = left + _NAME, _WIDTH - _NAME - _COUNT
    drawing.text((left, top + 15), name, size=13, bold=True, room=_WIDTH)
    bottom = top + _HEAD + _ROW * len(rows)
    for decade in range(decades + 1):
        x = start + across * decade / decades
        drawing.line((x, top + _HEAD - 4), (x, bottom), colour=RULE)
        drawing.text((x, bottom + 13), _power(decade), size=10, colour=SOFT, anchor="middle")
    for number, (value, count, rest) in enumerate(rows):
        middle = top + _HEAD + _ROW * (number + 0.5)
        colour = SOFT if rest else INK
        drawing.text((start - 8, middle + 4), value, size=11.5, colour=colour, anchor="end",
                     room=_NAME - 12)  # fmt: skip
        # a bar of one is seen too: the axis begins a little before it
        length = across * (math.log10(count) / decades if count > 0 else 0)
        bar = COLOURS[5] if colour == SOFT else COLOURS[0]
        drawing.box((start, middle - 5), (max(2.0, length), 10), colour=bar, round=1.5)
        drawing.text((start + max(2.0, length) + 6, middle + 4), show_value(count), size=11.5)


def _power(decade: int) -> str:
    """1, 10, 100, 1k, …"""
    thousands, rest = divmod(decade, 3)
    return f"{10**rest}{('', 'k', 'M', 'G', 'T')[min(thousands, 4)]}"
