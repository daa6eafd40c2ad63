"""Contact sheets: images on a near-black ground, like a light box, with a caption under each.

They are pixels, so Pillow places them: every image keeps its own pixels (or is resampled once, by
a known filter), which matplotlib's figures do not promise. A sheet reads the same on a light and
on a dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from medfm_cli.runs.cells import clean
from medfm_cli.runs.fonts import Letters

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_GROUND, _WELL, _INK, _SOFT = "#151515", "#000000", "#e4e4e4", "#ababab"
_GAP, _MARGIN = 14, 18


def image_sheet(
    images: Sequence[NDArray[Any] | None],
    captions: Sequence[str],
    columns: int,
    *,
    tile: int = 192,
    headings: Sequence[str] = (),
) -> Image:
    """Lay images out row by row, each fitted into a square of `tile` pixels.

    Args:
        images: uint8 arrays [H, W], [H, W, 1] or [H, W, 3]; None leaves its place empty.
        captions: one an image, up to two lines (split at a newline); too long ones are cut.
        columns: images in a row (fewer where there are fewer).
        tile: side of the square that each image is fitted into, aspect kept, in pixels.
        headings: titles over the columns (`image`, `visible`, …): none, or one a column.

    Raises:
        ValueError: no image, one that is not uint8, or counts that do not match.
    """
    from PIL import Image, ImageDraw

    if not images or len(images) != len(captions):
        raise ValueError(f"{len(images)} images have {len(captions)} captions")
    if headings and len(headings) != columns:
        raise ValueError(f"{columns} columns have {len(headings)} headings")
    lines = max(caption.strip().count("\n") + 1 if caption.strip() else 0 for caption in captions)
    texts = [*headings, *captions]
    plan = _Plan(min(columns, len(images)), tile, min(lines, 2), headed=bool(headings), texts=texts)
    sheet = Image.new("RGB", plan.size(len(images)), _GROUND)
    pen = ImageDraw.Draw(sheet)
    for index, heading in enumerate(headings[: plan.columns]):
        plan.write(pen, (plan.corner(index)[0], _MARGIN), heading, fill=_INK)
    for index, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = plan.corner(index)
        if pixels is not None:
            _place(sheet, pixels, (left, top), tile)
        for number, line in enumerate(caption.strip().split("\n")[:2]):
            at = (left, top + tile + 6 + number * plan.line)
            plan.write(
                pen, at, line, fill=_SOFT if number else _INK, tiles=plan.room(index, captions)
            )
    grey = all(pixels is None or pixels.ndim == 2 for pixels in images)
    return sheet.convert("L") if grey else sheet


class _Plan:
    """Where things lie on a sheet, in pixels."""

    def __init__(
        self, columns: int, tile: int, lines: int, *, headed: bool, texts: Sequence[str]
    ) -> None:
        self.columns, self.tile = columns, tile
        self.width = 2 * _MARGIN + columns * (tile + _GAP) - _GAP
        # a page shows about 860 pixels: letters of a wider sheet are drawn larger
        points = max(14, round(self.width / 64))
        self.letters = Letters(map(clean, texts), points)
        self.line = round(points * 1.35)
        self.top = _MARGIN + (self.line + 8 if headed else 0)
        self.step = tile + (6 + lines * self.line if lines else 0) + _GAP

    def size(self, count: int) -> tuple[int, int]:
        rows = -(-count // self.columns)
        return self.width, self.top + rows * self.step - _GAP + _MARGIN

    def corner(self, index: int) -> tuple[int, int]:
        row, column = divmod(index, self.columns)
        return _MARGIN + column * (self.tile + _GAP), self.top + row * self.step

    def room(self, index: int, captions: Sequence[str]) -> int:
        """Over how many tiles a caption may run: its own and those after it without one."""
        end = min(len(captions), index - index % self.columns + self.columns)
        tiles = 1
        while index + tiles < end and not captions[index + tiles].strip():
            tiles += 1
        return tiles

    def write(
        self, pen: ImageDraw, at: tuple[int, int], text: str, *, fill: str, tiles: int = 1
    ) -> None:
        """Write one line; cut in its middle if too wide, for file names differ at both ends."""
        text = self.letters.text(" ".join(clean(text).split()))
        shown, keep = text, len(text)
        width = tiles * (self.tile + _GAP) - _GAP
        while keep > 1 and pen.textlength(shown, font=self.letters.font) > width:
            keep -= 1
            shown = text[: (keep + 1) // 2] + "…" + text[len(text) - keep // 2 :]
        pen.text(at, shown, font=self.letters.font, fill=fill)


def _place(sheet: Image, pixels: NDArray[Any], at: tuple[int, int], tile: int) -> None:
    """Paste one image, centred in its square; of small ones every pixel stays a sharp square."""
    from PIL import Image

    if pixels.dtype != "uint8":
        raise ValueError(f"a sheet takes uint8 images, not {pixels.dtype}")
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    longest = max(image.size)
    scale = tile / longest
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    how = Image.Resampling.NEAREST if longest < tile / 2 else Image.Resampling.LANCZOS
    well = Image.new("RGB", (tile, tile), _WELL)
    offset = ((tile - size[0]) // 2, (tile - size[1]) // 2)
    well.paste(image.convert("RGB").resize(size, how), offset)
    sheet.paste(well, at)
