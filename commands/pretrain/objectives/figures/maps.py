"""Series and audio as maps over time: as measured, and reconstructed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from medfm_cli.commands.pretrain.objectives.figures.traces import spans
from medfm_cli.runs import Figure
from medfm_cli.runs.figures import blank, label, place, save, short, styled
from medfm_cli.runs.svg import INK, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import FigureContext
    from medfm_cli.data.inputs import AudioInput, SeriesInput

STAYS: Final = 3
VARIABLES: Final = 24
"""Of the stays that are drawn, those measured most often."""
RECORDINGS: Final = 4
REACH: Final = 3.0
"""Standard deviations from the mean at which the colours end."""
_WIDTH, _TOP, _NAMES, _GAP, _CELL, _HEAD, _FOOT = 860.0, 20.0, 92.0, 18.0, 12.0, 26.0, 44.0
_LEFT, _MEL = 54.0, 120.0
_MASKED = "#808080"


def series(context: FigureContext) -> Figure:
    """Draw some stays one below the other: the measurements, and the same reconstructed."""
    count = min(STAYS, len(context.captions))
    path = context.run.path("figures", "reconstructions.svg")
    save(_stays(context, count), path)
    how = (
        "(black bars). Left: the measurements, averaged by hour; right: the same with the masked "
        "hours as reconstructed by the autoencoder, where there is a measurement to compare with. "
        "Colours are standard deviations from the mean of the training samples. "
    )
    alt = "Variables over hours, as measured and reconstructed, with bars over the masked hours."
    return Figure(f"figures/{path.name}", context.about("stays", how, count), alt, wide=True)


@styled
def _stays(context: FigureContext, count: int) -> Drawing:
    options, samples = cast("SeriesInput", context.preprocessing), context.samples
    known = samples.known[:count].cpu().numpy()
    often = np.argsort(-known.sum(axis=(0, 2)), kind="stable")[:VARIABLES]
    rows = sorted(row for row in often.tolist() if known[:, row].any())
    names = [short(options.variables[row], 13) for row in rows]
    across, down = (_WIDTH - _NAMES - _GAP - 8) / 2, _CELL * len(rows)
    step = _HEAD + down + _FOOT
    drawing = blank(_WIDTH, _TOP + count * step + 44)
    lefts = (_NAMES, _NAMES + across + _GAP)
    _headings(drawing, ("measured", "masked hours reconstructed"), lefts)
    for number in range(count):
        top = _TOP + number * step
        label(drawing, (0, top + 13), context.captions[number], length=80, weight="bold")
        hidden = samples.hidden[number].any(dim=0).cpu().numpy()
        for left, part in zip(lefts, samples[:2], strict=True):
            cells = np.where(known[number, rows], part[number].float().cpu().numpy()[rows], np.nan)
            axes = place(drawing, (left, top + _HEAD), (across, down))
            _map(axes, cells, len(hidden) * options.step, cmap="coolwarm", reach=(-REACH, REACH))
            axes.set(xlabel="Hours")
            axes.set_yticks(np.arange(len(rows)) + 0.5, names[::-1] if left == _NAMES else [])
            for start, end in spans(hidden):
                bar = [start * options.step, end * options.step]
                axes.plot(bar, [1 + 4 / down] * 2, color=INK, linewidth=3, clip_on=False,
                          solid_capstyle="butt", transform=axes.get_xaxis_transform())  # fmt: skip
    scale = place(drawing, (_NAMES, _TOP + count * step), (180, 10))
    _map(scale, np.linspace(-REACH, REACH, 61)[None], 1, cmap="coolwarm", reach=(-REACH, REACH))
    scale.set_xticks([0, 0.5, 1], [f"−{REACH:g} SD", "mean", f"+{REACH:g} SD"])
    return drawing


def audio(context: FigureContext) -> Figure:
    """Draw some recordings, three spectrograms in a row."""
    count = min(RECORDINGS, len(context.captions))
    path = context.run.path("figures", "reconstructions.svg")
    save(_spectrograms(context, count), path)
    how = (
        "(grey) and reconstructed by the autoencoder; visible patches are shown unchanged. "
        "Log-mel spectrograms in decibels below the maximum; bright is loud. "
    )
    alt = "Spectrograms in threes: the recording, the same with masked patches, the reconstruction."
    return Figure(f"figures/{path.name}", context.about("recordings", how, count), alt, wide=True)


@styled
def _spectrograms(context: FigureContext, count: int) -> Drawing:
    options, samples = cast("AudioInput", context.preprocessing), context.samples
    across = (_WIDTH - _LEFT - 2 * _GAP - 8) / 3
    step = _HEAD + _MEL + _FOOT
    drawing = blank(_WIDTH, _TOP + count * step)
    lefts = [_LEFT + place * (across + _GAP) for place in range(3)]
    _headings(drawing, ("recording", f"visible ({1 - context.ratio:.0%})", "reconstruction"), lefts)
    for number in range(count):
        top = _TOP + number * step
        label(drawing, (_LEFT, top + 13), context.captions[number], weight="bold")
        hidden = samples.hidden[number, 0].cpu().numpy()
        values, reconstruction = (part[number, 0].float().cpu().numpy() for part in samples[:2])
        states = (values, np.where(hidden, np.nan, values), reconstruction)
        for left, state in zip(lefts, states, strict=True):
            cells = state * options.std + options.mean
            axes = place(drawing, (left, top + _HEAD), (across, _MEL), facecolor=_MASKED)
            reach = (-options.range_db, 0.0)
            _map(axes, cells[::-1], options.seconds, cmap="magma", reach=reach)
            axes.set(xlabel="Seconds")
            hertz = [f"{options.fmin:g} Hz", f"{options.top:g} Hz"] if left == _LEFT else []
            axes.set_yticks([0, len(cells)], hertz or ["", ""])
    return drawing


def _headings(drawing: Drawing, texts: tuple[str, ...], lefts: Any) -> None:
    for text, left in zip(texts, lefts, strict=True):
        label(drawing, (left, 11), text, fontsize=8.25, color=SOFT)


def _map(
    axes: Axes,
    cells: NDArray[np.floating],
    end: float,
    *,
    cmap: str,
    reach: tuple[float, float],
) -> None:
    """Draw `[rows, T]`, the first row on top, over time from 0 to `end`; NaN is transparent."""
    axes.imshow(cells, cmap=cmap, vmin=reach[0], vmax=reach[1], extent=(0, end, 0, len(cells)),
                aspect="auto", interpolation="none")  # fmt: skip
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(labelsize=7.5)
    axes.xaxis.label.set_fontsize(7.5)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
