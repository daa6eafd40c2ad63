"""The charts of the reports, in one calm style.

matplotlib is imported by the first chart, so that a command that draws nothing starts fast. No
global state of matplotlib is changed: figures are made through its object API.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from io import BytesIO, StringIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from medfm_cli.runs.atomic import write_bytes
from medfm_cli.runs.cells import clean, show_value
from medfm_cli.runs.contact_sheet import image_sheet
from medfm_cli.runs.svg import COLOURS, INK, PAPER, RULE, SOFT, adapt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL.Image import Image
    from typing_extensions import TypeIs

    Values = Sequence[float] | NDArray[Any]

__all__ = [
    "COLOURS",
    "Estimate",
    "bar_chart",
    "blank",
    "confusion",
    "figure",
    "forest",
    "image_sheet",
    "label",
    "line_chart",
    "place",
    "reliability",
    "save",
    "short",
    "styled",
]

Estimate = tuple[float, float | None, float | None]
"""A value with the low and the high end of its 95 % interval (None: no interval)."""

# the same in light and dark, hence not among the colours that turn
_SHADE, _ON_SHADE = "#0b7a84", "#fefefe"
_PIXELS = 96  # CSS pixels of an inch
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "medfm",
}


_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function draw in the style of the reports, without changing matplotlib's settings."""

    @wraps(draw)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        from matplotlib import rc_context

        with rc_context(_STYLE), warnings.catch_warnings():
            # a letter that the measuring font lacks; the page's fonts may well have it
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            return draw(*args, **kwargs)

    return wrapper


def figure(width: float = 7.2, height: float = 3.4) -> tuple[Figure, Axes]:
    """Make an empty chart of `width` × `height` inches (72 points each; a page holds about 9)."""
    drawing, grid = _panels(width, height)
    return drawing, grid[0, 0]


@styled
def _panels(
    width: float, height: float, *, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, NDArray[Any]]:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawing = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(wspace=0.14))
    return drawing, drawing.subplots(rows, columns, squeeze=False, **options)


def blank(width: float, height: float) -> Figure:
    """Make an empty figure of `width` × `height` CSS pixels, for a layout that is true to scale.

    `place` puts axes and `label` puts text on it. Call all three within a `styled` function.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width / _PIXELS, height / _PIXELS))


def place(
    drawing: Figure, corner: tuple[float, float], size: tuple[float, float], **options: Any
) -> Axes:
    """Add axes to a `blank` figure: `corner` (its top left) and `size` in CSS pixels."""
    width, height = drawing.get_size_inches() * _PIXELS
    (left, top), (across, down) = corner, size
    box = (left / width, 1 - (top + down) / height, across / width, down / height)
    return drawing.add_axes(box, **options)


def label(
    drawing: Figure, at: tuple[float, float], text: str, *, length: int = 120, **style: Any
) -> None:
    """Write one line on a `blank` figure, its baseline at CSS pixels from the top left.

    Text beyond `length` characters is cut.
    """
    width, height = drawing.get_size_inches() * _PIXELS
    drawing.text(at[0] / width, 1 - at[1] / height, short(text, length), **style)


def save(drawing: Figure | Image, path: Path) -> None:
    """Write a chart or a sheet atomically, as the suffix says: .svg, .png or .jpg.

    Charts are best as .svg: sharp, small, and dark where the reader's screen is dark. The same
    drawing gives the same bytes. Raises ValueError for another suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png", ".jpg", ".jpeg"):
        raise ValueError(f"a figure is written as .svg, .png or .jpg, not {path.name}")
    content = _chart(drawing, suffix) if _is_chart(drawing) else _sheet(drawing, suffix)
    write_bytes(path, content)


def _is_chart(drawing: Figure | Image) -> TypeIs[Figure]:
    return hasattr(drawing, "savefig")


@styled
def _chart(drawing: Figure, suffix: str) -> bytes:
    if suffix == ".svg":
        text = StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return adapt(text.getvalue()).encode()
    buffer = BytesIO()
    drawing.savefig(buffer, format=suffix[1:], dpi=160, facecolor=PAPER)
    return buffer.getvalue()


def _sheet(drawing: Image, suffix: str) -> bytes:
    buffer = BytesIO()
    if suffix == ".png":
        drawing.save(buffer, "PNG")
    else:
        drawing.save(buffer, "JPEG", quality=88, optimize=True, progressive=True)
    return buffer.getvalue()


@styled
def line_chart(
    series: Mapping[str, tuple[Values, Values]],
    *,
    x: str,
    y: str,
    smooth: int = 0,
    log_y: bool = False,
    width: float = 7.2,
    height: float = 3.4,
) -> Figure:
    """Draw one line a series, `{name: (x values, y values)}`, with axis titles `x` and `y`.

    `smooth` > 1 draws the running mean over that many points, the points themselves pale behind.
    """
    drawing, axes = figure(width, height)
    for number, (name, (xs, ys)) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        bold = ys
        if smooth > 1 and len(ys) > 2 * smooth:
            axes.plot(xs, ys, color=colour, linewidth=0.8, alpha=0.3)
            bold = _running_mean(ys, smooth)
        marker = "o" if len(xs) < 12 else ""
        axes.plot(
            xs,
            bold,
            color=colour,
            linewidth=1.8,
            marker=marker,
            markersize=4,
            label=short(name, 40),
        )
    axes.set(xlabel=short(x, 90), ylabel=short(y, 60))
    axes.margins(x=0.02)
    axes.grid(axis="x", visible=False)
    if all(float(value).is_integer() for xs, _ in series.values() for value in xs):
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))  # no step 2.5
    if log_y:
        axes.set_yscale("log")
    _legend(axes, len(series))
    return drawing


@styled
def bar_chart(
    values: Mapping[str, float | Estimate],
    *,
    x: str,
    strong: str | None = None,
    width: float = 7.2,
) -> Figure:
    """Draw horizontal bars with their values written out; whiskers where there is an interval.

    `strong` names the bar that the reader should find first; the others are drawn paler.
    """
    drawing, axes = figure(width, 0.9 + 0.34 * len(values))
    for row, (name, value) in enumerate(values.items()):
        middle, low, high = _estimate(value)
        pale = strong is not None and name != strong
        axes.barh(row, middle, height=0.62, color=COLOURS[0], alpha=0.4 if pale else 1.0)
        end = middle
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], color=INK, linewidth=1.2)
            end = max(middle, high)
        _beside(axes, show_value(middle), at=(end, row))
    _rows(axes, list(values), strong)
    axes.set_xlim(left=0)
    axes.margins(x=0.14)
    axes.set_xlabel(short(x, 90))
    return drawing


@styled
def forest(
    estimates: Mapping[str, Mapping[str, Estimate]],
    *,
    strong: str | None = None,
    reference: Mapping[str, float] | None = None,
    width: float = 7.8,
) -> Figure:
    """Draw values with 95 % intervals: one row a model, one panel a metric.

    `estimates` is `{model: {metric: (value, low, high)}}`; a metric that a model lacks stays
    empty. `reference` marks a value worth comparing with, such as chance, by a dashed line.
    """
    models = list(estimates)
    metrics = list(dict.fromkeys(name for row in estimates.values() for name in row))
    height = 0.95 + 0.34 * len(models)
    drawing, panels = _panels(width, height, columns=len(metrics), sharey=True)
    for metric, axes in zip(metrics, panels[0], strict=True):
        if reference and metric in reference:
            axes.axvline(reference[metric], color=SOFT, linewidth=0.9, linestyle=(0, (3, 3)))
        for row, model in enumerate(models):
            if metric in estimates[model]:
                colour = COLOURS[0] if strong in (None, model) else COLOURS[5]
                _whisker(axes, estimates[model][metric], row=row, colour=colour)
        axes.set_title(short(metric, 30), fontsize=9.5, loc="left", color=INK)
        axes.locator_params(axis="x", nbins=4)
        axes.margins(x=0.1)
        axes.grid(axis="y", visible=False)
    _rows(panels[0, 0], models, strong)
    return drawing


@styled
def confusion(matrix: Sequence[Sequence[int]] | NDArray[Any], classes: Sequence[str]) -> Figure:
    """Draw counts, rows the truth and columns the prediction, shaded by the share of the row."""
    side = len(classes)
    size = 1.3 + 0.52 * min(side, 11)
    drawing, axes = figure(size + 0.8, size)
    for row, values in enumerate(matrix):
        total = sum(int(value) for value in values)
        for column, value in enumerate(values):
            _count(axes, int(value), at=(column, row), share=value / total if total else 0.0)
    names = [short(name, 20) for name in classes]
    slant = max(map(len, names), default=0) > 8 and side > 2
    turn: dict[str, Any] = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if slant else {}
    )
    axes.set_xticks(range(side), names, **turn)
    axes.set_yticks(range(side), names)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), aspect="equal")
    axes.set(xlabel="Predicted", ylabel="True")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return drawing


def _count(axes: Axes, value: int, *, at: tuple[int, int], share: float) -> None:
    """Draw one cell of a confusion matrix; the shade lets the page's ground through."""
    from matplotlib.patches import Rectangle

    corner = (at[0] - 0.48, at[1] - 0.48)
    axes.add_patch(Rectangle(corner, 0.96, 0.96, color=_SHADE, alpha=share, linewidth=0))
    axes.add_patch(Rectangle(corner, 0.96, 0.96, fill=False, edgecolor=RULE, linewidth=0.8))
    colour = _ON_SHADE if share > 0.88 else INK if value else SOFT
    axes.text(*at, str(value), ha="center", va="center", color=colour)


@styled
def reliability(confidence: Values, observed: Values, counts: Values) -> Figure:
    """Draw how often predictions of each confidence were right, over how many there were.

    All three are one value a bin: mean confidence (0–1), share that was right (0–1), number of
    cases. Empty bins (count 0 or NaN) are left out.
    """
    bins = [
        (float(c), float(o), float(n))
        for c, o, n in zip(confidence, observed, counts, strict=True)
        if n and isfinite(c) and isfinite(o)
    ]
    drawing, panels = _panels(4.2, 4.4, rows=2, sharex=True, height_ratios=(3.4, 1))
    top, below = panels[:, 0]
    top.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (3, 3)))
    top.set_title("dashed: perfectly calibrated", loc="left", fontsize=8.5, color=SOFT)
    xs, ys, ns = ([item[index] for item in bins] for index in range(3))
    top.plot(xs, ys, color=COLOURS[0], linewidth=1.6, marker="o", markersize=5)
    top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Share that was right")
    below.bar(xs, ns, width=0.045, color=COLOURS[0], alpha=0.55)
    below.set(xlabel="Confidence of the prediction", ylabel="Cases")
    below.grid(axis="x", visible=False)
    below.locator_params(axis="y", nbins=3, integer=True)
    return drawing


def _rows(axes: Axes, names: list[str], strong: str | None) -> None:
    """Name the rows of a chart that is read from top to bottom."""
    axes.set_yticks(range(len(names)), [short(name, 34) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    for name, label in zip(names, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if name == strong else "normal")


def _whisker(axes: Axes, estimate: Estimate, *, row: int, colour: str) -> None:
    middle, low, high = estimate
    if low is not None and high is not None and isfinite(low) and isfinite(high):
        axes.plot([low, high], [row, row], color=colour, linewidth=2.2, solid_capstyle="round")
    if isfinite(middle):
        axes.plot([middle], [row], color=colour, marker="o", markersize=6.5)


def _beside(axes: Axes, text: str, *, at: tuple[float, float]) -> None:
    axes.annotate(text, at, xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)


def _estimate(value: float | Estimate) -> Estimate:
    return value if isinstance(value, tuple) else (float(value), None, None)


def _legend(axes: Axes, count: int) -> None:
    if count > 1:
        place: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (0, 1),
            "borderaxespad": 0.2,
        }
        axes.legend(ncols=min(count, 4), handlelength=1.4, columnspacing=1.6, **place)


def _running_mean(values: Values, window: int) -> list[float]:
    """Give the mean around each point, over about `window` values (fewer at both ends)."""
    out: list[float] = []
    for middle in range(len(values)):
        reach = min(window // 2, middle, len(values) - 1 - middle)
        part = values[middle - reach : middle + reach + 1]
        out.append(float(sum(part)) / len(part))
    return out


def short(name: str, length: int) -> str:
    """A name on one line, cut at `length` characters."""
    name = " ".join(clean(str(name)).split())
    return name if len(name) <= length else name[: length - 1] + "…"
