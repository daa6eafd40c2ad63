"""An ECG on its paper: 25 mm/s, 10 mm/mV, three rows of four leads and a rhythm strip.

The paper stays light on a dark page, as a film stays dark on a light one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medfm_cli.runs.axes import thinned
from medfm_cli.runs.drawing import Drawing
from medfm_cli.samples.content import Signal

MM: Final = 3.2
"""Pixels of a millimetre of paper; 250 mm fill the width of a page."""
SPEED, GAIN = 25.0, 10.0
"""Millimetres a second, millimetres a millivolt."""
SECONDS: Final = 10.0
LAYOUT: Final = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM: Final = "II"
_VOLTS: Final = {"v": 1000.0, "mv": 1.0, "uv": 0.001, "µv": 0.001, "nv": 1e-6}
_PAPER, _FINE, _COARSE, _TRACE = "#fffaf8", "#f6d9d5", "#eab5ae", "#1b1b22"
_LEFT, _TOP = 14.0, 11.0
"""Millimetres to the left of the traces (calibration) and above them."""


def millivolts(signal: Signal) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """The standard leads in mV by their names, and the names of all other channels."""
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


def ecg(signal: Signal, title: str, note: str = "") -> Drawing:
    """Draw a twelve-lead ECG, its first ten seconds; each lead stands on its median.

    Args:
        signal: with all standard leads.
        title: what stands above it on the left.
        note: what stands above it on the right.
    """
    leads, _ = millivolts(signal)
    length = signal.values.shape[1] / signal.rate
    shown = min(SECONDS, length)
    heights = _row_heights(leads)
    column = min(shown, SECONDS / 4)
    together = length < SECONDS  # too short to be told in turn: every lead from the beginning
    width, height = _LEFT + SPEED * SECONDS + 3, _TOP + sum(heights) + 6
    drawing = _paper(width, height)
    drawing.text((2 * MM, 5.4 * MM), title, size=13, colour=_TRACE, bold=True, room=130 * MM)
    drawing.text(((width - 2) * MM, 5.4 * MM), note, size=12, colour=_TRACE, anchor="end")
    middle = _TOP
    for number, row in enumerate((*LAYOUT, (RHYTHM,))):
        baseline = middle + heights[number] * 0.55
        middle += heights[number]
        _pulse(drawing, baseline)
        for place, name in enumerate(row):
            known = leads[name][np.isfinite(leads[name])]
            values = leads[name] - (np.median(known) if known.size else 0.0)
            left = place * SECONDS / 4
            start, end = (0.0 if together else left), (0.0 if together else left) + column
            end = shown if len(row) == 1 else end
            at = (_LEFT + (left - start) * SPEED, baseline)
            _trace(drawing, values, signal.rate, (start, end), at)
            _name(drawing, name, _LEFT + left * SPEED, baseline, first=place == 0)
    scale = f"{SPEED:g} mm/s · {GAIN:g} mm/mV · {signal.rate:.6g} Hz"
    if together:
        scale += f" · {length:.3g} s, all leads from the beginning"
    if length > shown:
        scale += f" · first {shown:g} of {length:.4g} s"
    drawing.text((2 * MM, (height - 2) * MM), scale, size=11, colour=_TRACE)
    return drawing


def _paper(width: float, height: float) -> Drawing:
    drawing = Drawing(width * MM, height * MM)
    size = (width * MM, height * MM)
    drawing.box((0, 0), size, colour=_PAPER)
    drawing.grid((0, 0), size, step=MM, colour=_FINE, width=0.35)
    drawing.grid((0, 0), size, step=5 * MM, colour=_COARSE, width=0.5)
    return drawing


def _row_heights(leads: dict[str, NDArray[np.float64]]) -> list[float]:
    """Millimetres of every row: as much as its highest deflections need, in whole squares."""
    heights: list[float] = []
    for row in (*LAYOUT, (RHYTHM,)):
        known = [leads[name][np.isfinite(leads[name])] for name in row]
        swings = [np.ptp(np.percentile(values, (0.2, 99.8))) for values in known if values.size]
        need = GAIN * float(max(swings, default=0.0)) + 4
        heights.append(float(min(50.0, max(20.0, 5 * np.ceil(need / 5)))))
    return heights


def _trace(
    drawing: Drawing,
    values: NDArray[np.float64],
    rate: float,
    span: tuple[float, float],
    at: tuple[float, float],
) -> None:
    """Draw a span of seconds; `at` is where second 0 and 0 mV would be, in millimetres."""
    first, last = (round(second * rate) for second in span)
    seconds = np.arange(first, min(last + 1, len(values))) / rate
    xs, ys = thinned(seconds * SPEED * MM, -values[first : last + 1] * GAIN * MM)
    drawing.curve(xs + at[0] * MM, ys + at[1] * MM, colour=_TRACE, width=1.1)


def _pulse(drawing: Drawing, at: float) -> None:
    """The calibration: 1 mV for 0.2 s."""
    steps: Sequence[tuple[float, float]] = (
        (4, 0), (5.5, 0), (5.5, -GAIN), (10.5, -GAIN), (10.5, 0), (12, 0),
    )  # fmt: skip
    xs = [x * MM for x, _ in steps]
    drawing.curve(xs, [(at + y) * MM for _, y in steps], colour=_TRACE, width=1.1)


def _name(drawing: Drawing, name: str, x: float, at: float, *, first: bool) -> None:
    if not first:  # where one lead ends and the next begins
        for side in (-1, 1):
            ends = ((x * MM, (at + side * 3) * MM), (x * MM, (at + side * 6) * MM))
            drawing.line(*ends, colour=_TRACE, width=0.9)
    drawing.text(((x + 1.2) * MM, (at - 7) * MM), name, size=13, colour=_TRACE, bold=True,
                 halo=_PAPER)  # fmt: skip
