"""Series of measurements as small multiples: one panel a variable, in groups, one colour a stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from medfm_cli.runs.figures import COLOURS, blank, label, place, short, styled
from medfm_cli.runs.svg import RULE, SOFT
from medfm_cli.samples.content import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

GROUPS: Final = ("vitals", "labs", "inputs", "outputs", "static")
MOST: Final = 32
"""Variables that are drawn: those measured most often."""
_COLUMNS, _CELL, _GAP, _PLOT, _INSET = 4, 200.0, 20.0, 62.0, 34.0
_TITLE, _HEAD, _LEGEND = 18.0, 34.0, 26.0

Stays = Sequence[tuple[Series, str]]


@styled
def stays(shown: Stays) -> Figure:
    """Draw up to as many stays as there are colours, each with its name in the legend."""
    panels = _panels(shown)
    step = _TITLE + _PLOT + _GAP
    rows = sum(-(-len(names) // _COLUMNS) for names in panels.values())
    width = _COLUMNS * (_CELL + _GAP) - _GAP
    drawing = blank(width, _LEGEND + len(panels) * _HEAD + rows * step + 18)
    _legend(drawing, [title for _, title in shown])
    end = max((float(s.times[-1]) for s, _ in shown if len(s.times)), default=1.0) or 1.0
    top = _LEGEND
    for group, names in panels.items():
        label(drawing, (0, top + 21), (group or "other").capitalize(), weight="bold", fontsize=10)
        line = place(drawing, (0, top + 26), (width, 1))
        line.axhline(0, color=RULE, linewidth=0.7)
        line.set_axis_off()
        top += _HEAD
        for number, name in enumerate(names):
            row, column = divmod(number, _COLUMNS)
            left, above = column * (_CELL + _GAP), top + row * step
            corner = (left + _INSET, above + _TITLE)
            axes = place(drawing, corner, (_CELL - _INSET, _PLOT), xlim=(0, end))
            unit = _draw(axes, shown, name)
            label(drawing, (left, above + 12), name, length=18, fontsize=9, weight="bold")
            at = (left + _CELL, above + 12)
            label(drawing, at, unit, length=12, fontsize=8.25, color=SOFT, ha="right")
        top += -(-len(names) // _COLUMNS) * step
    label(drawing, (0, top + 14), "Hours since admission", fontsize=8.25, color=SOFT)
    return drawing


def _panels(shown: Stays) -> dict[str, list[str]]:
    """The variables of every group, the ones measured most often first."""
    counts: dict[str, int] = {}
    group_of: dict[str, str] = {}
    for series, _ in shown:
        for row, name in enumerate(series.channels):
            counts[name] = counts.get(name, 0) + int(np.isfinite(series.values[row]).sum())
            group_of.setdefault(name, series.groups[row] if row < len(series.groups) else "")
    names = sorted((n for n, count in counts.items() if count), key=lambda n: (-counts[n], n))
    groups = [*GROUPS, *sorted(set(group_of.values()) - set(GROUPS))]
    panels = {g: [n for n in names[:MOST] if group_of[n] == g] for g in groups}
    return {group: members for group, members in panels.items() if members}


def _legend(drawing: Figure, titles: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=COLOURS[number % len(COLOURS)], linewidth=3)
        for number in range(len(titles))
    ]
    names = [short(title, 60) for title in titles]
    drawing.legend(lines, names, ncols=len(titles), loc="upper left", bbox_to_anchor=(0, 1),
                   borderpad=0, borderaxespad=0, fontsize=9, handlelength=1)  # fmt: skip


def _draw(axes: Axes, shown: Stays, name: str) -> str:
    """Draw a variable of all stays between its lowest and highest value, and give its unit."""
    unit = ""
    every: list[NDArray[np.floating]] = []
    for number, (series, _) in enumerate(shown):
        if name not in series.channels:
            continue
        row = series.channels.index(name)
        unit = unit or (series.units[row] if row < len(series.units) else "")
        known = np.isfinite(series.values[row])
        times, values = series.times[known], series.values[row][known]
        every.append(values)
        size = 2.2 if len(values) < 80 else 1.5
        axes.plot(times, values, color=COLOURS[number % len(COLOURS)], linewidth=0.75, marker="o",
                  markersize=size, markeredgewidth=0, clip_on=False)  # fmt: skip
    low, high = (float(f(np.concatenate(every))) for f in (np.min, np.max))
    axes.set_yticks([low, high] if high > low else [low])
    axes.set_yticklabels([f"{value:.3g}" for value in axes.get_yticks()])
    if high > low:
        room = 0.06 * (high - low)
        axes.set_ylim(low - room, high + room)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(labelsize=7.2, labelcolor=SOFT)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(visible=False)
    return unit
