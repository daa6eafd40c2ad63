"""Long tails: the number of samples of each value, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from medfm_cli.runs.cells import show_value
from medfm_cli.runs.figures import COLOURS, blank, label, place, short, styled
from medfm_cli.runs.svg import INK, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Bars = list[tuple[str, int, bool]]

MOST: Final = 12
"""Values of one attribute that are drawn; the rarer ones are one bar together."""
NOTHING: Final = ("UNKNOWN", "no label")
"""Missing values: drawn last, in grey."""
_WIDTH, _GAP, _NAME, _COUNT = 420.0, 28.0, 140.0, 62.0
_HEAD, _ROW, _FOOT = 26.0, 20.0, 38.0


@styled
def tails(attributes: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw one panel an attribute, two in a row, all on one logarithmic axis.

    Args:
        attributes: attribute → value → count, the commonest first.
    """
    panels = {name: _bars(counts) for name, counts in attributes.items()}
    ends = [0.0, 0.0]
    corners: list[tuple[float, float]] = []
    for bars in panels.values():
        shorter = int(ends[1] < ends[0])
        corners.append((shorter * (_WIDTH + _GAP), ends[shorter]))
        ends[shorter] += _HEAD + _ROW * len(bars) + _FOOT
    most = max((count for bars in panels.values() for _, count, _ in bars), default=1)
    drawing = blank(2 * _WIDTH + _GAP if ends[1] else _WIDTH, max(ends) or 1)
    for (name, bars), (left, top) in zip(panels.items(), corners, strict=True):
        label(drawing, (left, top + 15), name, length=60, weight="bold")
        size = (_WIDTH - _NAME - _COUNT, _ROW * len(bars))
        axes = place(drawing, (left + _NAME, top + _HEAD), size)
        _panel(axes, bars, decades=max(1, math.ceil(math.log10(max(2, most)))))
    return drawing


def _bars(counts: Mapping[str, int]) -> Bars:
    """Name, count and whether it is grey; values beyond the commonest are one bar together."""
    known = [(name, count, False) for name, count in counts.items() if name not in NOTHING]
    missing = [(name, count, True) for name, count in counts.items() if name in NOTHING]
    if len(known) > MOST:
        rest = known[MOST - 1 :]
        total = sum(count for _, count, _ in rest)
        known = [*known[: MOST - 1], (f"{len(rest)} rarer ones", total, True)]
    return [*known, *missing]


def _panel(axes: Axes, bars: Bars, *, decades: int) -> None:
    for row, (_, count, grey) in enumerate(bars):
        # even a bar of 1 is visible: two pixels long
        length = max(math.log10(max(count, 1)), 2 * decades / (_WIDTH - _NAME - _COUNT))
        axes.barh(row, length, height=0.5, color=COLOURS[5] if grey else COLOURS[0])
        axes.annotate(show_value(count), (length, row), xytext=(4, 0), textcoords="offset points",
                      va="center_baseline", fontsize=8.6)  # fmt: skip
    axes.set(xlim=(0, decades), ylim=(len(bars) - 0.5, -0.5))
    axes.set_xticks(range(decades + 1), map(_power, range(decades + 1)))
    axes.set_yticks(range(len(bars)), [short(name, 19) for name, _, _ in bars])
    axes.tick_params(axis="x", length=0, labelsize=7.5, labelcolor=SOFT)
    axes.tick_params(axis="y", labelsize=8.6)
    for tick, (_, _, grey) in zip(axes.get_yticklabels(), bars, strict=True):
        tick.set_color(SOFT if grey else INK)
    axes.grid(axis="y", visible=False)
    axes.spines[:].set_visible(False)


def _power(decade: int) -> str:
    """1, 10, 100, 1k, …"""
    thousands, rest = divmod(decade, 3)
    return f"{10**rest}{('', 'k', 'M', 'G', 'T')[min(thousands, 4)]}"
