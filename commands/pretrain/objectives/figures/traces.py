"""Signals as traces: the recording in grey, the reconstruction of the masked spans in red."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from medfm_cli.runs import Figure
from medfm_cli.runs.figures import blank, label, place, save, short, styled
from medfm_cli.runs.svg import SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import FigureContext
    from medfm_cli.data.inputs import SignalInput

MOST: Final = 3
"""Records that are drawn."""
LEADS: Final = 12
_WIDTH, _LEFT, _ROW, _HEAD, _FOOT = 860.0, 46.0, 40.0, 26.0, 44.0
_SCALES: Final = {
    "record": "All leads of a record are in units of its standard deviation, not in millivolts.",
    "lead": "Each lead is in units of its own standard deviation: amplitudes do not compare.",
    "none": "All leads of a record share one scale, chosen for the record.",
}
_RECONSTRUCTION, _MASKED = "#e0262a", "#8a8a8a"


def traces(context: FigureContext) -> Figure:
    """Draw some records one below the other; their leads share a scale."""
    count = min(MOST, len(context.captions))
    path = context.run.path("figures", "reconstructions.svg")
    save(_records(context, count), path)
    how = (
        "(shaded). Grey: the recording; red: its reconstruction by the autoencoder, which saw the "
        f"unshaded parts only. {_SCALES[cast('SignalInput', context.preprocessing).standardise]} "
    )
    alt = "Leads of some records, with the reconstruction over the masked spans."
    return Figure(f"figures/{path.name}", context.about("records", how, count), alt, wide=True)


@styled
def _records(context: FigureContext, count: int) -> Drawing:
    rows = min(LEADS, context.samples.values.shape[1])
    step = _HEAD + rows * _ROW + _FOOT
    drawing = blank(_WIDTH, count * step)
    for number in range(count):
        top = number * step
        label(drawing, (0, top + 15), context.captions[number], weight="bold")
        corner, size = (_LEFT, top + _HEAD), (_WIDTH - _LEFT - 8, rows * _ROW)
        _record(place(drawing, corner, size, ylim=(rows, 0)), context, number, rows)
    return drawing


def _record(axes: Axes, context: FigureContext, number: int, rows: int) -> None:
    options = cast("SignalInput", context.preprocessing)
    values, reconstruction = (part[number].double().cpu().numpy() for part in context.samples[:2])
    hidden = context.samples.hidden[number].any(dim=0).cpu().numpy()
    for start, end in spans(hidden):
        axes.axvspan(start / options.rate, end / options.rate, color=_MASKED, alpha=0.14, lw=0)
    swing = float(np.percentile(np.abs(values), 99.8)) or 1.0
    scale = 0.95 / swing  # a wave may reach into the next row, as on paper
    seconds = (np.arange(len(hidden)) + 0.5) / options.rate
    for row in range(rows):
        middle = row + 0.5
        axes.plot(seconds, middle - scale * values[row], color=SOFT, linewidth=0.7, clip_on=False)
        over = np.where(_joined(hidden), middle - scale * reconstruction[row], np.nan)
        axes.plot(seconds, over, color=_RECONSTRUCTION, linewidth=0.85, clip_on=False)
    axes.set(xlim=(0, len(hidden) / options.rate), xlabel="Seconds")
    axes.set_yticks(np.arange(rows) + 0.5, [short(name, 7) for name in options.leads[:rows]])
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def spans(hidden: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First index, and first index after, of every masked span of [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _joined(hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The masked spans with a sample more on both sides, where they meet what was visible."""
    wider = hidden.copy()
    wider[1:] |= hidden[:-1]
    wider[:-1] |= hidden[1:]
    return wider
