"""How values are shown to people: numbers rounded for the eye and aligned, the rest as it is.

Shared by the report page and the terminal, so that both show the same figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medfm_cli.runs.blocks import Cell, Table

EMPTY = "–"
_SMALL, _LARGE = 1e-3, 1e7
# "0.91 (0.87–0.94)", "3.2 ms", "12 %", "41 / 172": text that reads as a number
_LIKE_NUMBER = re.compile(
    r"(?!\d+\.\d+\.\d)[-−+<>≤≥~]?\s?\d[\d.,  –−\-+±()\[\]%/×]*[A-Za-zµ²³%/]{0,9}"
)
_HYPHEN = re.compile(r"(?<![\w.)\]])-(?=\d)")  # that stands for a minus
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column ready to show: its texts, whether it is aligned right, and bars (0–1) or None."""

    name: str
    texts: list[str]
    right: bool
    bars: list[float | None] | None = None

    @property
    def width(self) -> int:
        """The length of its longest text."""
        return max(map(len, self.texts), default=0)


def show_columns(table: Table, *, limit: int | None = None) -> list[Column]:
    """Format the first `limit` rows of a table, one column at a time."""
    rows = table.rows[:limit]
    shown = [
        (name, [row[index] for row in rows], name in table.bars)
        for index, name in enumerate(table.columns)
    ]
    top = max((n for _, values, bars in shown if bars for n in _numbers(values) if n), default=0)
    return [
        _show_column(name, values, top=top if bars else 0, first=len(shown) > 1 and not index)
        for index, (name, values, bars) in enumerate(shown)
    ]


def _show_column(name: str, values: list[Cell], *, top: float, first: bool) -> Column:
    present = [value for value in values if value is not None and value != ""]
    # the first column names its row and stays on the left, were it numbers
    numeric = (
        bool(present)
        and not first
        and all(
            isinstance(value, int | float) or _LIKE_NUMBER.fullmatch(value) for value in present
        )
    )
    texts = [_HYPHEN.sub("−", text) for text in show(values)] if numeric else show(values)
    return Column(clean(name), texts, numeric, _bars(values, top) if top > 0 else None)


def show(values: Sequence[Cell]) -> list[str]:
    """Format the cells of one column; its floats get the same number of decimals where sensible."""
    decimals = _decimals([value for value in values if isinstance(value, float)])
    return [_show_one(value, decimals) for value in values]


def show_value(value: Cell) -> str:
    """Format a value that stands alone."""
    return show([value])[0]


def duration(seconds: float) -> str:
    """Say a length of time as people do: `0.4 s`, `12 s`, `3 min 07 s`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def split_interval(text: str) -> tuple[str, str]:
    """Part `0.91 [0.87, 0.94]` into the value and its interval; the second may be empty."""
    found = re.fullmatch(r"([^\s\[(]+) +([\[(].+[\])])", text)
    return (found.group(1), found.group(2)) if found else (text, "")


def split_caption(text: str, *, title: int = 110) -> tuple[str, str]:
    """Part a caption into a title (its first sentence, if not too long) and a note."""
    first, *rest = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9\[])", text.strip(), maxsplit=1)
    return (first, "".join(rest)) if len(first) <= title else ("", text)


def clean(text: str) -> str:
    """Replace what no page or terminal can show: control characters and half surrogates.

    File names reach reports as they are on disk, where bytes that are not UTF-8 arrive as lone
    surrogates; writing those would fail, and escape sequences would reach the terminal.
    """
    return _CONTROL.sub("\ufffd", text)


def safe_markdown(text: str) -> str:
    """A page of Markdown that holds texts of others: no HTML, no link, no control character.

    For pages whose own words use neither `<` and `&` nor links.
    """
    lines = (clean(line) for line in text.split("\n"))
    escaped = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
    return escaped.replace("](", "]\\(")


def _show_one(value: Cell, decimals: int | None) -> str:
    if value is None:
        return EMPTY
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return _fixed(value, 0)
    return _float(value) if decimals is None else _fixed(value, decimals)


def _float(value: float) -> str:
    """Format one float on its own: three significant digits, whole numbers without a point."""
    size = abs(value)
    if size != 0 and not _SMALL <= size < _LARGE:
        return _scientific(value)
    if value == int(value):
        return _fixed(value, 0)
    return _fixed(value, 3 if size < 10 else 2 if size < 100 else 1)


def _scientific(value: float) -> str:
    """Format as people write it: `1.5e-4`, not `1.50e-04`."""
    mantissa, exponent = f"{value:.2e}".split("e")
    short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{short}e{int(exponent)}".replace("-", "−")


def _fixed(value: float, decimals: int) -> str:
    """Format with a real minus sign (as wide as a digit) and commas from five digits on."""
    comma = "," if abs(value) >= 10_000 else ""
    return format(value, f"{comma}.{decimals}f").replace("-", "−")


def _decimals(values: list[float]) -> int | None:
    """Find the decimals shared by a column of floats, or None where one choice hides a value."""
    sizes = [abs(value) for value in values if value]
    if len(values) < 2 or not sizes or max(sizes) >= _LARGE:
        return None
    if all(value == int(value) for value in values):
        return 0
    top = max(sizes)
    decimals = 3 if top < 10 else 2 if top < 100 else 1 if top < 10_000 else 0
    return decimals if min(sizes) >= 10**-decimals else None


def _numbers(values: list[Cell]) -> list[float | None]:
    return [value if isinstance(value, int | float) else None for value in values]


def _bars(values: list[Cell], top: float) -> list[float | None]:
    return [None if n is None else max(n, 0.0) / top for n in _numbers(values)]
