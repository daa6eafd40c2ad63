"""An ECG on its paper: 25 mm/s, 10 mm/mV, three rows of four leads and a rhythm strip.

The paper stays light on a dark page, as a light box stays dark on a light one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from medfm_cli.runs.figures import blank, place, short, styled
from medfm_cli.samples.content import Signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM: Final = 3.2
"""Pixels of a millimetre of paper; 250 mm fill the width of a page."""
SPEED, GAIN = 25.0, 10.0
"""Millimetres a second, millimetres a millivolt."""
SECONDS: Final = 10.0
LAYOUT: Final = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM: Final = "II"
_VOLTS: Final = {"v": 1000.0, "mv": 1.0, "uv": 0.001, "µv": 0.001, "nv": 1e-6}
_PAPER, _FINE, _COARSE, _TRACE = "#fffaf8", "#f6d9d5", "#eab5ae", "#1b1b22"
_LINE: dict[str, Any] = {"color": _TRACE, "linewidth": 0.8, "solid_joinstyle": "round"}
_LEFT, _TOP = 14.0, 11.0
"""Millimetres to the left of the traces (calibration) and above them."""


def millivolts(signal: Signal) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """The standard leads in mV by name, and the names of all other channels."""
    standard = {name.lower(): name for row in LAYOUT for name in row}
    leads: dict[str, NDArray[np.float64]] = {}
    others: list[str] = []
    for number, values in enumerate(signal.values):
        given = signal.channels[number] if number < len(signal.channels) else ""
        unit = signal.units[number] if number < len(signal.units) else ""
        name = standard.get(given.strip().lower().removeprefix("lead ").removeprefix("ecg "))
        scale = _VOLTS.get((unit.strip().lower() or "mv").replace("μ", "µ"))
        if name and name not in leads and scale is not None:
            leads[name] = values.astype(np.float64) * scale
        else:
            others.append(given)
    return leads, others


def is_twelve_lead(signal: Signal) -> bool:
    """Whether all twelve standard leads are there."""
    return len(millivolts(signal)[0]) == 12


@styled
def ecg(signal: Signal, title: str, note: str = "") -> Figure:
    """Draw the first ten seconds of a twelve-lead ECG; each lead is centred on its median.

    The axes cover the whole figure and count millimetres from the top left.

    Args:
        signal: with all standard leads.
        title: text at the top left.
        note: text at the top right.
    """
    leads, _ = millivolts(signal)
    length = signal.values.shape[1] / signal.rate
    shown = min(SECONDS, length)
    heights = _row_heights(leads)
    column = min(shown, SECONDS / 4)
    together = length < SECONDS  # too short to show one after the other: all start at 0
    drawing, axes = _paper(_LEFT + SPEED * SECONDS + 3, _TOP + sum(heights) + 6)
    top = _TOP
    for number, row in enumerate((*LAYOUT, (RHYTHM,))):
        baseline = top + heights[number] * 0.55
        top += heights[number]
        axes.plot(*_pulse(baseline), **_LINE)
        for place_in_row, name in enumerate(row):
            known = leads[name][np.isfinite(leads[name])]
            values = leads[name] - (np.median(known) if known.size else 0.0)
            left = place_in_row * SECONDS / 4
            start = 0.0 if together else left
            end = shown if len(row) == 1 else start + column
            first, last = round(start * signal.rate), round(end * signal.rate)
            part = values[first : last + 1]
            seconds = left + np.arange(len(part)) / signal.rate
            axes.plot(_LEFT + seconds * SPEED, baseline - part * GAIN, **_LINE)
            _name(axes, name, _LEFT + left * SPEED, baseline, first=place_in_row == 0)
    scale = f"{SPEED:g} mm/s · {GAIN:g} mm/mV · {signal.rate:.6g} Hz"
    if together:
        scale += f" · {length:.3g} s, all leads from the beginning"
    if length > shown:
        scale += f" · first {shown:g} of {length:.4g} s"
    width, height = axes.get_xlim()[1], axes.get_ylim()[0]
    axes.text(2, 5.4, short(title, 80), fontsize=9.75, color=_TRACE, weight="bold")
    axes.text(width - 2, 5.4, short(note, 40), fontsize=9, color=_TRACE, ha="right")
    axes.text(2, height - 2, scale, fontsize=8.25, color=_TRACE)
    return drawing


def _paper(width: float, height: float) -> tuple[Figure, Axes]:
    """Millimetre paper of this size in millimetres."""
    drawing = blank(width * MM, height * MM)
    axes = place(drawing, (0, 0), (width * MM, height * MM))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.axhspan(0, height, color=_PAPER, linewidth=0, zorder=0)
    for step, colour, line in ((1, _FINE, 0.35), (5, _COARSE, 0.5)):
        xs, ys = np.arange(0, width, step), np.arange(0, height, step)
        for across, down in (
            (np.repeat(xs, 3), np.tile([0, height, np.nan], len(xs))),
            (np.tile([0, width, np.nan], len(ys)), np.repeat(ys, 3)),
        ):
            axes.plot(across, down, color=colour, linewidth=line)
    return drawing, axes


def _row_heights(leads: dict[str, NDArray[np.float64]]) -> list[float]:
    """Millimetres of every row: as much as its highest deflections need, in whole squares."""
    heights: list[float] = []
    for row in (*LAYOUT, (RHYTHM,)):
        known = [leads[name][np.isfinite(leads[name])] for name in row]
        swings = [np.ptp(np.percentile(values, (0.2, 99.8))) for values in known if values.size]
        need = GAIN * float(max(swings, default=0.0)) + 4
        heights.append(float(min(50.0, max(20.0, 5 * np.ceil(need / 5)))))
    return heights


def _pulse(baseline: float) -> tuple[list[float], list[float]]:
    """The calibration: 1 mV for 0.2 s."""
    return [4, 5.5, 5.5, 10.5, 10.5, 12], [baseline - GAIN * up for up in (0, 0, 1, 1, 0, 0)]


def _name(axes: Axes, name: str, x: float, baseline: float, *, first: bool) -> None:
    if not first:  # where one lead ends and the next begins
        ends = [baseline - 6, baseline - 3, np.nan, baseline + 3, baseline + 6]
        axes.plot([x] * 5, ends, color=_TRACE, linewidth=0.7)
    axes.text(x + 1.2, baseline - 7, name, fontsize=9.75, color=_TRACE, weight="bold")
