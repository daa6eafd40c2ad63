"""A font for the captions of image sheets, in whatever language the classes are named.

Pillow brings a small font that knows ASCII and little else. Common signs are replaced by what it
has; for other letters a font of the system (or of matplotlib, where installed) is used.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

_SIGNS = str.maketrans({"×": "x", "–": "-", "−": "-", "→": ">", "•": "·", "≤": "<", "≥": ">"})
_SYSTEM = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf", "Arial.ttf")
_WIDE = ("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "msyh.ttc", "PingFang.ttc")
_NO_LETTER = "\U0010fffe"


class Letters:
    """The font for some texts, and the texts as that font can show them."""

    def __init__(self, texts: Iterable[str], points: int) -> None:
        from PIL import ImageFont

        plain: Font = ImageFont.load_default(points)
        letters = {letter for text in texts for letter in text if letter.isprintable()}
        simple = {letter for sign in letters for letter in sign.translate(_SIGNS)}
        self.font, self._lacking = plain, _lacking(plain, simple)
        self._plain = True
        for font in _fonts(points) if self._lacking else ():
            lacking = _lacking(font, letters)
            if len(lacking) < len(self._lacking):
                self.font, self._lacking, self._plain = font, lacking, False
            if not lacking:
                break

    def text(self, text: str) -> str:
        """The text with signs and accents replaced that the font has no letter for."""
        if self._plain:
            text = text.translate(_SIGNS)
        return "".join(_near(letter) if letter in self._lacking else letter for letter in text)


def _near(letter: str) -> str:
    """The letter without its accents, or a question mark."""
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


def _lacking(font: Font, letters: Iterable[str]) -> set[str]:
    """Those letters that the font shows as an empty box."""
    box = bytes(font.getmask(_NO_LETTER))
    return {letter for letter in letters if not letter.isspace() and _mask(font, letter) == box}


def _mask(font: Font, letter: str) -> bytes:
    return bytes(font.getmask(letter))


def _fonts(points: int) -> Iterator[Font]:
    from PIL import ImageFont

    for name in (*_bundled(), *_SYSTEM, *_WIDE):
        try:
            yield ImageFont.truetype(name, points)
        except OSError:
            continue


@cache
def _bundled() -> tuple[str, ...]:
    """The font that matplotlib brings, found without importing matplotlib."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return ()
    return (str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"),)
