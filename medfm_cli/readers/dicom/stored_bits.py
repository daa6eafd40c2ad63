"""Which bits of a pixel are its value: BitsStored of them, from HighBit down (PS3.5 8.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredBits:
    """The place of a value in its pixel.

    Attributes:
        bits: how many bits are stored.
        high_bit: the number of the highest of them, from 0.
        signed: whether the highest of them is a sign.
    """

    bits: int
    high_bit: int
    signed: bool

    @property
    def above(self) -> int:
        """How many bits below the value are none of it."""
        return max(0, self.high_bit + 1 - self.bits)

    def of(self, pixels: NDArray[Any], *, whole: bool) -> NDArray[Any]:
        """The values of decoded pixels, of their shape and type.

        Args:
            pixels: `[H, W]` or `[H, W, 3]`.
            whole: they have all bits of the file; else a codec may have kept the value alone.
        """
        if pixels.dtype.kind not in "iu" or not pixels.size:
            return pixels
        if self.above and (whole or not self._holds(pixels)):
            pixels = pixels >> self.above
        if pixels.ndim != 2 or self.bits >= 8 * pixels.dtype.itemsize or self._holds(pixels):
            return pixels
        kept = pixels.astype(np.int64) & ((1 << self.bits) - 1)  # overlays stand above
        if self.signed:
            kept = np.where(kept >> (self.bits - 1), kept - (1 << self.bits), kept)
        return kept.astype(pixels.dtype)

    def _holds(self, pixels: NDArray[Any]) -> bool:
        """Whether all of the pixels are values of so many bits."""
        low = -(1 << self.bits - 1) if self.signed else 0
        return bool(low <= int(pixels.min()) and int(pixels.max()) < low + (1 << self.bits))
