"""Signals that are no twelve-lead ECG: one row a channel, with its name, range and unit."""

from __future__ import annotations

from typing import Final

import numpy as np

from medfm_cli.runs.axes import round_steps, thinned
from medfm_cli.runs.drawing import Drawing
from medfm_cli.runs.svg import COLOURS, INK, RULE, SOFT
from medfm_cli.samples.content import Signal

MOST: Final = 12
"""Channels that are drawn."""
SECONDS: Final = 10.0
_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 860.0, 110.0, 120.0, 46.0, 30.0


def channels(signal: Signal, title: str) -> Drawing:
    """Draw the first ten seconds of the first channels, or all of what is slower than 10 Hz."""
    count, total = signal.values.shape
    length = total / signal.rate
    shown = min(length, SECONDS if signal.rate >= 10 else length)
    rows = min(count, MOST)
    drawing = Drawing(_WIDTH, _TOP + rows * _ROW + 26)
    drawing.text((0, 16), title, size=13, bold=True, room=_WIDTH * 0.7)
    across = _WIDTH - _LEFT - _RIGHT
    bottom = _TOP + rows * _ROW
    for second in round_steps(0, shown, 10):
        x = _LEFT + across * second / shown
        drawing.line((x, _TOP), (x, bottom), colour=RULE)
        drawing.text((x, bottom + 15), f"{second:g}", size=11, colour=SOFT, anchor="middle")
    note = f"{signal.rate:.6g} Hz"
    if length > shown:
        note += f", first {shown:g} of {length:.4g} s"
    drawing.text((_WIDTH, 16), note, size=11, colour=SOFT, anchor="end")
    drawing.text((_WIDTH - _RIGHT + 12, bottom + 15), "s", size=11, colour=SOFT)
    for row in range(rows):
        _channel(drawing, signal, row, shown, across)
    if count > rows:
        drawing.text((0, bottom + 15), f"{count - rows} more channels", size=11, colour=SOFT)
    return drawing


def _channel(drawing: Drawing, signal: Signal, row: int, shown: float, across: float) -> None:
    top = _TOP + row * _ROW
    values = signal.values[row, : max(2, round(shown * signal.rate))].astype(np.float64)
    name = signal.channels[row] if row < len(signal.channels) else f"channel {row + 1}"
    unit = signal.units[row] if row < len(signal.units) else ""
    drawing.text((0, top + _ROW / 2 + 4), name, size=12, colour=INK, room=_LEFT - 12)
    known = values[np.isfinite(values)]
    right = _WIDTH - _RIGHT + 12
    if not known.size:
        drawing.text((right, top + _ROW / 2 + 4), "not measured", size=11, colour=SOFT)
        return
    low, high = float(known.min()), float(known.max())
    span = (high - low) or 1.0
    seconds = np.arange(len(values)) / signal.rate
    xs, ys = thinned(across * seconds / shown, (high - values) / span * (_ROW - 12))
    drawing.curve(xs + _LEFT, ys + top + 6, colour=COLOURS[0], width=1.1)
    drawing.text((right, top + 16), f"{high:.4g} {unit}", size=11, colour=SOFT, room=_RIGHT - 12)
    drawing.text((right, top + _ROW - 8), f"{low:.4g} {unit}", size=11, colour=SOFT,
                 room=_RIGHT - 12)  # fmt: skip
