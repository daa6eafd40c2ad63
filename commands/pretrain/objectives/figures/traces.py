"""Signals as traces: what was recorded in grey, what was painted over the hidden spans in red."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from medfm_cli.runs import Figure
from medfm_cli.runs.axes import round_steps, thinned
from medfm_cli.runs.drawing import Drawing
from medfm_cli.runs.svg import INK, RULE, SOFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import Shown
    from medfm_cli.data.inputs import SignalInput

MOST: Final = 3
"""Records that are drawn."""
LEADS: Final = 12
_WIDTH, _LEFT, _ROW, _HEAD, _FOOT = 860.0, 46.0, 40.0, 26.0, 30.0
_SCALES: Final = {
    "record": "The leads of a record share one scale, its own standard deviation, not millivolts.",
    "lead": "Every lead is drawn by its own standard deviation: amplitudes do not compare.",
    "none": "The leads of a record share one scale, chosen for the record.",
}
_TRACE, _PAINT, _BAND = SOFT, "#e0262a", "#8a8a8a24"


def traces(shown: Shown) -> Figure:
    """Draw some records one below the other; their leads share a scale."""
    count = min(MOST, len(shown.captions))
    step = _HEAD + min(LEADS, shown.samples.values.shape[1]) * _ROW + _FOOT
    drawing = Drawing(_WIDTH, count * step)
    for number in range(count):
        _record(drawing, shown, number, number * step)
    path = shown.run.path("figures", "reconstructions.svg")
    drawing.save(path)
    how = (
        "(shaded). Grey: as recorded; red: painted by the autoencoder, which saw the unshaded "
        f"parts alone. {_SCALES[cast('SignalInput', shown.preprocessing).standardise]} "
    )
    alt = "Traces of the leads of some records, a painted line over the spans that were hidden."
    return Figure(f"figures/{path.name}", shown.about("records", how, count), alt, wide=True)


def _record(drawing: Drawing, shown: Shown, number: int, top: float) -> None:
    wanted = cast("SignalInput", shown.preprocessing)
    values, painted = (part[number].double().cpu().numpy() for part in shown.samples[:2])
    hidden = shown.samples.hidden[number].any(dim=0).cpu().numpy()
    across = _WIDTH - _LEFT
    rows = min(LEADS, len(values))
    drawing.text((0, top + 15), shown.captions[number], size=12.5, bold=True, room=_WIDTH)
    top += _HEAD
    bottom = top + rows * _ROW
    pixels = across / len(hidden)
    for start, end in spans(hidden):
        corner, size = (_LEFT + start * pixels, top), ((end - start) * pixels, rows * _ROW)
        drawing.box(corner, size, colour=_BAND)
    seconds = len(hidden) / wanted.rate
    marks = round_steps(0, seconds, 10)
    for second in marks:
        x = _LEFT + across * second / seconds
        drawing.line((x, top), (x, bottom), colour=RULE)
        label = f"{second:g} s" if second == marks[-1] else f"{second:g}"
        drawing.text((x, bottom + 14), label, size=10.5, colour=SOFT,
                     anchor="end" if x > _WIDTH - 14 else "middle")  # fmt: skip
    swing = float(np.percentile(np.abs(values), 99.8)) or 1.0
    scale = 0.95 * _ROW / swing  # a wave may reach into the next row, as on paper
    xs = _LEFT + (np.arange(len(hidden)) + 0.5) * pixels
    for row in range(rows):
        middle = top + (row + 0.5) * _ROW
        drawing.text((0, middle + 4), wanted.leads[row], size=11.5, colour=INK, room=_LEFT - 8)
        drawing.curve(*thinned(xs, middle - scale * values[row]), colour=_TRACE, width=0.9)
        paint = np.where(_joined(hidden), middle - scale * painted[row], np.nan)
        drawing.curve(*thinned(xs, paint), colour=_PAINT, width=1.1)


def spans(hidden: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Where what is hidden [T] begins and ends (the first that is not)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _joined(hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The hidden spans with a sample more on both sides, where paint meets what was seen."""
    wider = hidden.copy()
    wider[1:] |= hidden[:-1]
    wider[:-1] |= hidden[1:]
    return wider
