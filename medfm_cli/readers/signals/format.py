"""What a recipe says of signals in files that do not say it: rate, channels, units, layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.signals.channels import MAX_SAMPLES
from medfm_cli.readers.signals.leads import modality_of
from medfm_cli.samples.content import Signal

LAYOUTS = ("columns", "rows")


@dataclass(frozen=True, slots=True)
class SignalFormat:
    """The recipe's `format:` block of signals.

    Attributes:
        rate: samples a second.
        channels: their names, in the order of the file; where the file names its columns, the ones
            to take.
        units: one for each channel, or one for all.
        layout: `columns` for a channel a column, `rows` for a channel a row; empty where the
            number of channels decides, or else the longer side is time.
        time: name of the column of times (seconds), which is no channel and gives the rate.
    """

    rate: float | None
    channels: tuple[str, ...]
    units: tuple[str, ...]
    layout: str
    time: str

    @classmethod
    def of(cls, options: ReadOptions) -> SignalFormat:
        """The block of a recipe.

        Raises:
            Unreadable: a word in it makes no sense.
        """
        words = options.format
        rate, layout = words.get("rate"), words.get("layout") or ""
        if rate is not None and not (_is_number(rate) and 0 < rate < 1e9):
            raise Unreadable("format.rate in the recipe must be samples a second")
        if layout and layout not in LAYOUTS:
            raise Unreadable("format.layout in the recipe must be columns or rows")
        time = str(words.get("time") or "")
        rate = None if rate is None else float(rate)
        return cls(rate, _names(words.get("channels")), _names(words.get("units")), layout, time)

    def signal(self, table: NDArray[Any], names: tuple[str, ...], facts: dict[str, Any]) -> Item:
        """The item for a table of numbers, turned to `[C, T]`.

        Args:
            table: `[T]`, or two sides in the layout of this format.
            names: of the channels, where the file has them.
            facts: for the item.
        """
        names = names or self.channels
        values = self._turned(table, len(names))
        if not values.size:
            raise Unreadable("a signal without samples", step="quality")
        if values.size > MAX_SAMPLES:
            raise Unreadable(f"a signal of more than {MAX_SAMPLES / 1e6:.0f} million samples")
        if self.rate is None:
            raise Unreadable("a signal without rate: format.rate in the recipe gives it")
        count = len(values)
        if names and len(names) != count:
            raise Unreadable(f"{count} channels where the recipe names {len(names)}")
        units = self.units * count if len(self.units) == 1 else self.units
        if units and len(units) != count:
            raise Unreadable(f"{count} channels where the recipe has {len(units)} units")
        with np.errstate(over="ignore"):
            content = Signal(values.astype(np.float32), self.rate, names, units)
        seconds = round(values.shape[1] / self.rate, 3)
        return Item(content, facts | {"seconds": seconds}, modality=modality_of(names))

    def _turned(self, table: NDArray[Any], channels: int) -> NDArray[Any]:
        if table.ndim == 1:
            return table[None]
        if table.ndim != 2:
            raise Unreadable("an array of more than two dimensions is not a signal")
        layout = self.layout
        if not layout and channels and (table.shape[0] == channels) != (table.shape[1] == channels):
            layout = "rows" if table.shape[0] == channels else "columns"
        if not layout:
            layout = "rows" if table.shape[1] > table.shape[0] else "columns"
        return table if layout == "rows" else table.T


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(value: object) -> tuple[str, ...]:
    """A list of names, or one text with commas."""
    if value is None:
        return ()
    parts: Iterator[Any] = iter(value.split(",") if isinstance(value, str) else list(value))  # type: ignore[call-overload]
    return tuple(str(part).strip() for part in parts)
