"""ICU stays as small multiples: one panel a variable, in groups, with one colour a stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from medfm_cli.runs.axes import round_steps
from medfm_cli.runs.drawing import Drawing, width_of
from medfm_cli.runs.svg import COLOURS, INK, RULE, SOFT
from medfm_cli.samples.content import Series

GROUPS: Final = ("vitals", "labs", "inputs", "outputs", "static")
MOST: Final = 32
"""Variables that are drawn: those measured most often."""
_COLUMNS, _CELL, _GAP, _PLOT = 4, 200.0, 20.0, 62.0
_TITLE, _HEAD, _LEGEND = 18.0, 26.0, 28.0

Stays = Sequence[tuple[Series, str]]


def stays(shown: Stays) -> Drawing:
    """Draw up to as many stays as there are colours, each with its name in the legend."""
    panels = _panels(shown)
    rows = sum(-(-len(names) // _COLUMNS) for names in panels.values())
    height = _LEGEND + len(panels) * _HEAD + rows * (_TITLE + _PLOT + _GAP) + 14
    width = _COLUMNS * (_CELL + _GAP) - _GAP
    drawing = Drawing(width, height)
    _legend(drawing, [title for _, title in shown])
    end = max((float(s.times[-1]) for s, _ in shown if len(s.times)), default=1.0) or 1.0
    top = _LEGEND
    for group, names in panels.items():
        drawing.text((0, top + 15), (group or "other").capitalize(), size=13, bold=True)
        drawing.line((0, top + 21), (width, top + 21), colour=RULE)
        top += _HEAD
        for number, name in enumerate(names):
            row, column = divmod(number, _COLUMNS)
            at = (column * (_CELL + _GAP), top + row * (_TITLE + _PLOT + _GAP))
            _panel(drawing, shown, name, at, end)
        top += -(-len(names) // _COLUMNS) * (_TITLE + _PLOT + _GAP)
    drawing.text((0, top + 8), "Hours since admission", size=11, colour=SOFT)
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
    return {group: found for group, found in panels.items() if found}


def _legend(drawing: Drawing, titles: Sequence[str]) -> None:
    left = 0.0
    for number, title in enumerate(titles):
        drawing.box((left, 6), (14, 4), colour=COLOURS[number % len(COLOURS)], round=2)
        drawing.text((left + 20, 13), title, size=12, colour=INK)
        left += 20 + width_of(title, 12) + 26


def _panel(drawing: Drawing, shown: Stays, name: str, at: tuple[float, float], end: float) -> None:
    left, top = at
    unit = ""
    found = []
    for number, (series, _) in enumerate(shown):
        if name in series.channels:
            row = series.channels.index(name)
            unit = unit or (series.units[row] if row < len(series.units) else "")
            values = series.values[row].astype(np.float64)
            known = np.isfinite(values)
            if known.any():
                found.append((number, series.times[known], values[known]))
    drawing.text((left, top + 12), name, size=12, bold=True, room=_CELL * 0.62)
    drawing.text(
        (left + _CELL, top + 12), unit, size=11, colour=SOFT, anchor="end", room=_CELL * 0.36
    )
    low = min(float(values.min()) for _, _, values in found)
    high = max(float(values.max()) for _, _, values in found)
    plot = top + _TITLE
    inset = 34.0
    drawing.line((left + inset, plot + _PLOT), (left + _CELL, plot + _PLOT), colour=RULE)
    for hour in round_steps(0, end, 4):
        x = left + inset + (_CELL - inset) * hour / end
        drawing.line((x, plot + _PLOT), (x, plot + _PLOT + 3), colour=SOFT)
        drawing.text((x, plot + _PLOT + 13), f"{hour:g}", size=9.5, colour=SOFT, anchor="middle")
    labels = (
        [(high, plot + 8), (low, plot + _PLOT - 1)] if high > low else [(low, plot + _PLOT / 2)]
    )
    for value, y in labels:
        drawing.text((left + inset - 5, y), f"{value:.3g}", size=9.5, colour=SOFT, anchor="end")
    span = (high - low) or 1.0
    for number, times, values in found:
        colour = COLOURS[number % len(COLOURS)]
        xs = left + inset + (_CELL - inset) * times / end
        share = (high - values) / span if high > low else np.full(len(values), 0.5)
        ys = plot + 4 + share * (_PLOT - 8)
        drawing.curve(xs, ys, colour=colour, width=1.0)
        drawing.dots(xs, ys, colour=colour, radius=1.5 if len(xs) < 80 else 1.0)
