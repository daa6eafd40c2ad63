"""Fit a chart that matplotlib wrote to the report page: its fonts, and dark as well as light.

The page shows charts as images, which see nothing of the page's style sheet but do see the
reader's colour scheme. So the colours that must turn (ink, rules, paper) are identified by their
exact value and given a second one inside the file.
"""

from __future__ import annotations

import re
from typing import Final

INK: Final = "#16222c"
SOFT: Final = "#4d5c69"
RULE: Final = "#d5dde3"
PAPER: Final = "#ffffff"
# Told apart by readers with colour-blindness too, and legible on white and on near-black.
COLOURS: Final = ("#0b7a83", "#c8641b", "#5b63b7", "#b0437c", "#75801f", "#76838f")

_DARK: Final = {
    INK: "#e4eaee",
    SOFT: "#a3b1bc",
    RULE: "#2f3b45",
    PAPER: "#10161b",
    "#000000": "#e4eaee",  # text that an engine added without naming a colour
    "#0b7a83": "#4fbfc6",
    "#c8641b": "#ee9650",
    "#5b63b7": "#98a0f0",
    "#b0437c": "#e587b6",
    "#75801f": "#b4c04f",
    "#76838f": "#93a1ad",
}
_FONT: Final = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif"

_DECIMALS: Final = re.compile(r"(\.\d\d)\d+")


def adapt(svg: str) -> str:
    """Give the SVG the page's fonts and a dark variant of every colour named above.

    Coordinates of paths keep two decimals (a hundredth of a point), which halves a long curve.
    """
    svg = re.sub(r' d="[^"]*"', lambda path: _DECIMALS.sub(r"\1", path.group()), svg)
    svg = re.sub(r"(style=\"[^\"]*)'DejaVu Sans'", rf"\g<1>{_FONT}", svg)
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in _DARK.items()
        for kind in ("fill", "stroke")
        if f"{kind}: {light}" in svg
    )
    style = f"<style>@media screen and (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda found: found.group(1) + style, svg, count=1)
