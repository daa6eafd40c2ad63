"""Scores over sizes with their lines, both axes logarithmic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.runs.figures import COLOURS, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medfm_cli.commands.pretrain.study.analysis import Line


def curves(lines: Sequence[Line], *, x: str, y: str) -> Figure:
    """A colour a line: its seeds as points, and the fit where there is one."""
    drawing, axes = figure(7.2, 3.8)
    for number, line in enumerate(lines):
        _draw(axes, line, colour=COLOURS[number % len(COLOURS)])
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_ticks(axes, lines)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False, fontsize=8)
    return drawing


def _draw(axes: Axes, line: Line, *, colour: str) -> None:
    label = f"{line.objective}, {line.held}"
    for point in line.points:
        axes.plot(
            [point.size] * len(point.values),
            100 * point.values,
            "o",
            color=colour,
            alpha=0.4,
            markersize=4,
        )
    if line.fit is None:
        axes.plot([], [], "o", color=colour, label=f"{label} (no line)")
        return
    sizes = np.array([min(line.fit.sizes), max(line.fit.sizes)])
    fitted = np.exp(line.fit.intercept + line.fit.slope * np.log(sizes))
    axes.plot(sizes, fitted, color=colour, linewidth=1.6, label=f"{label}: {line.fit.slope:+.4f}")


def _plain_ticks(axes: Axes, lines: Sequence[Line]) -> None:
    """Name the sizes that there are, and scores in plain numbers instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    sizes = sorted({point.size for line in lines for point in line.points})
    axes.set_xticks(sizes, [f"{size:,.0f}" if size >= 1000 else f"{size:.3g}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
