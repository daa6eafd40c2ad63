"""Signals other than twelve-lead ECGs: one row a channel, with its name, range and unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from medfm_cli.runs.figures import COLOURS, blank, label, place, short, styled
from medfm_cli.runs.svg import SOFT
from medfm_cli.samples.content import Signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 12
"""Channels that are drawn."""
SECONDS: Final = 10.0
_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _FOOT = 860.0, 110.0, 120.0, 46.0, 30.0, 44.0


@styled
def channels(signal: Signal, title: str) -> Figure:
    """Draw the first ten seconds of the first channels, or all of a signal slower than 10 Hz."""
    count, total = signal.values.shape
    length = total / signal.rate
    shown = min(length, SECONDS if signal.rate >= 10 else length)
    rows = min(count, MOST)
    drawing = blank(_WIDTH, _TOP + rows * _ROW + _FOOT)
    axes = place(drawing, (_LEFT, _TOP), (_WIDTH - _LEFT - _RIGHT, rows * _ROW))
    axes.set(xlim=(0, shown), ylim=(rows, 0), xlabel="Seconds")
    axes.set_yticks(
        np.arange(rows) + 0.5, [_channel(axes, signal, row, shown) for row in range(rows)]
    )
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    note = f"{signal.rate:.6g} Hz"
    if length > shown:
        note += f", first {shown:g} of {length:.4g} s"
    label(drawing, (0, 16), title, length=85, weight="bold")
    label(drawing, (_WIDTH, 16), note, fontsize=8.25, color=SOFT, ha="right")
    if count > rows:
        more = f"{count - rows} more channels"
        label(drawing, (0, _TOP + rows * _ROW + 18), more, fontsize=8.25, color=SOFT)
    return drawing


def _channel(axes: Axes, signal: Signal, row: int, shown: float) -> str:
    """Draw one channel between its lowest and highest value, and give its name."""
    values = signal.values[row, : max(2, round(shown * signal.rate))].astype(np.float64)
    name = signal.channels[row] if row < len(signal.channels) else f"channel {row + 1}"
    unit = signal.units[row] if row < len(signal.units) else ""
    known = values[np.isfinite(values)]
    ends = [(row + 0.6, "not measured")]
    if known.size:
        low, high = float(known.min()), float(known.max())
        span = (high - low) or 1.0
        heights = row + 0.12 + 0.76 * (high - values) / span
        axes.plot(np.arange(len(values)) / signal.rate, heights, color=COLOURS[0], linewidth=0.9)
        ends = [(row + 0.34, f"{high:.4g} {unit}"), (row + 0.84, f"{low:.4g} {unit}")]
    for y, text in ends:
        where = axes.get_yaxis_transform()
        axes.text(1.015, y, short(text, 18), fontsize=8.25, color=SOFT, transform=where)
    return short(name, 16)
