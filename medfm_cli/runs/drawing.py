"""Line drawings as SVG, by a few lines of own code: the base install has no matplotlib.

Coordinates are CSS pixels from the top left. Colours of `runs.svg` turn with the reader's colour
scheme; any other stays as it is. The same drawing gives the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from medfm_cli.runs.atomic import write_text
from medfm_cli.runs.cells import clean
from medfm_cli.runs.svg import INK, RULE, adapt, font

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[Any]

_NARROW: Final = "fijlrtI.,:;'|!()[] "
_WIDE: Final = "mwMW%@"


class Drawing:
    """A picture made of lines, boxes and words."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        colour: str = RULE,
        width: float = 0.8,
        dashes: str = "",
    ) -> None:
        """Draw a straight line."""
        dashed = f"; stroke-dasharray: {dashes}" if dashes else ""
        self._add(
            f'<path d="M{_n(start[0])} {_n(start[1])}L{_n(end[0])} {_n(end[1])}" '
            f'style="fill: none; stroke: {colour}; stroke-width: {_n(width)}{dashed}"/>'
        )

    def curve(self, xs: Values, ys: Values, *, colour: str, width: float = 1.2) -> None:
        """Draw a line through points; it is broken where a point is not a number."""
        steps: list[str] = []
        pen = "M"
        for x, y in zip(xs, ys, strict=True):
            if y != y or x != x:  # NaN
                pen = "M"
                continue
            steps.append(f"{pen}{_n(x)} {_n(y)}")
            pen = "L"
        if steps:
            self._add(
                f'<path d="{"".join(steps)}" style="fill: none; stroke: {colour}; '
                f'stroke-width: {_n(width)}; stroke-linejoin: round"/>'
            )

    def dots(self, xs: Values, ys: Values, *, colour: str, radius: float = 1.6) -> None:
        """Draw points; those that are not numbers are left out."""
        marks = "".join(
            f"M{_n(x - radius)} {_n(y)}a{_n(radius)} {_n(radius)} 0 1 0 {_n(2 * radius)} 0"
            f"a{_n(radius)} {_n(radius)} 0 1 0 {_n(-2 * radius)} 0"
            for x, y in zip(xs, ys, strict=True)
            if y == y and x == x
        )
        if marks:
            self._add(f'<path d="{marks}" style="fill: {colour}"/>')

    def box(
        self,
        corner: tuple[float, float],
        size: tuple[float, float],
        *,
        colour: str,
        round: float = 0,
    ) -> None:
        """Fill a rectangle."""
        corners = f' rx="{_n(round)}"' if round else ""
        self._add(
            f'<rect x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(max(size[0], 0))}" '
            f'height="{_n(max(size[1], 0))}"{corners} style="fill: {colour}"/>'
        )

    def grid(
        self,
        corner: tuple[float, float],
        size: tuple[float, float],
        *,
        step: float,
        colour: str,
        width: float,
    ) -> None:
        """Rule a rectangle into squares."""
        name = f"g{len(self._parts)}"
        self._add(
            f'<pattern id="{name}" patternUnits="userSpaceOnUse" x="{_n(corner[0])}" '
            f'y="{_n(corner[1])}" width="{_n(step)}" height="{_n(step)}">'
            f'<path d="M0 {_n(step)}V0H{_n(step)}" style="fill: none; stroke: {colour}; '
            f'stroke-width: {_n(2 * width)}"/></pattern>'
            f'<rect x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(size[0])}" '
            f'height="{_n(size[1])}" style="fill: url(#{name})"/>'
        )

    def text(
        self,
        at: tuple[float, float],
        words: str,
        *,
        size: float = 12,
        colour: str = INK,
        anchor: str = "start",
        bold: bool = False,
        room: float | None = None,
        halo: str = "",
    ) -> None:
        """Write one line from its baseline.

        `room` in pixels cuts what would not fit; `halo` is a colour around the letters that keeps
        them legible where lines run through.
        """
        shown = " ".join(clean(str(words)).split())
        if room is not None:
            shown = shorten(shown, room, size)
        weight = "; font-weight: 600" if bold else ""
        if halo:
            weight += f"; paint-order: stroke; stroke: {halo}; stroke-width: 3px"
        self._add(
            f'<text x="{_n(at[0])}" y="{_n(at[1])}" text-anchor="{anchor}" '
            f'style="fill: {colour}; font-size: {_n(size)}px{weight}">{escape(shown)}</text>'
        )

    def picture(self, corner: tuple[float, float], size: tuple[float, float], png: bytes) -> None:
        """Place a PNG, stretched to the size."""
        data = base64.b64encode(png).decode("ascii")
        self._add(
            f'<image x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(size[0])}" '
            f'height="{_n(size[1])}" preserveAspectRatio="none" '
            f'href="data:image/png;base64,{data}"/>'
        )

    def svg(self) -> str:
        """The drawing as the text of an SVG file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(self.width)}" '
            f'height="{_n(self.height)}" viewBox="0 0 {_n(self.width)} {_n(self.height)}" '
            f'style="font-family: {font()}">'
        )
        return adapt(head + "".join(self._parts) + "</svg>\n")

    def save(self, path: Path) -> None:
        """Write the drawing atomically as an .svg file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, self.svg())

    def _add(self, part: str) -> None:
        self._parts.append(part + "\n")


def shorten(words: str, room: float, size: float) -> str:
    """The words, cut at their end so that they fit into `room` pixels at this size."""
    if width_of(words, size) <= room:
        return words
    while words and width_of(words + "…", size) > room:
        words = words[:-1]
    return words.rstrip() + "…"


def width_of(words: str, size: float) -> float:
    """About how wide words are in pixels, whichever of the page's fonts is there."""
    ems = sum(
        0.36 if sign in _NARROW else 0.95 if sign in _WIDE else 1.0 if ord(sign) > 0x2E7F else 0.63
        for sign in words
    )
    return ems * size


def _n(value: float) -> str:
    """A number with as many digits as an eye can tell."""
    text = f"{float(value):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
