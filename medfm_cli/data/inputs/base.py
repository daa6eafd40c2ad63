"""What the kinds of input that are no image have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError
from medfm_cli.recipe import Part
from medfm_cli.samples.content import Content

Shape = tuple[int, ...]


class NetworkInput(Part):
    """How a sample becomes an input of a network."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """`(C, *space)` of an input; the largest where there are several."""

    @property
    def dtype(self) -> str:
        """NumPy's name for the numbers of an input."""
        return "float32"

    def shape_of(self, kind: str, stored: Sequence[int]) -> Shape:
        """`(C, *space)` of what a sample becomes that is stored as `kind` in this shape."""
        del kind, stored
        return self.shape

    @abstractmethod
    def fit(self, content: Content) -> NDArray[Any]:
        """One sample as `[C, *space]` of `dtype`.

        Raises:
            DataError: the sample is of another kind, or holds nothing that the network takes.
        """


def refuse(content: Content, accepted: str) -> DataError:
    """A sample of another kind than a network takes."""
    return DataError(f"it is of kind {content.kind}, and the network takes {accepted}")


def resampled(values: NDArray[np.float32], *, old: float, new: float) -> NDArray[np.float32]:
    """Samples along the last axis at another rate, without aliasing.

    A polyphase filter (`scipy.signal.resample_poly`, Kaiser window) by the ratio of the rates,
    rounded to a fraction of at most 1000; beyond its ends a record continues along the line through
    them, or a baseline off zero would ring there.

    Args:
        values: `[..., T]`, all finite.
        old: rate of the samples in Hz.
        new: the new rate in Hz.

    Returns:
        `[..., ⌈T · new / old⌉]`.
    """
    if old == new or values.shape[-1] < 2:
        return values
    from fractions import Fraction

    from scipy.signal import resample_poly

    ratio = Fraction(new / old).limit_denominator(1000)
    if not ratio:
        ratio = Fraction(1, round(old / new))
    up, down = ratio.numerator, ratio.denominator
    output: NDArray[np.float32] = resample_poly(values, up, down, axis=-1, padtype="line")
    return output.astype(np.float32)


def centre(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The middle `count` samples of the last axis, all where there are fewer."""
    first = max(0, values.shape[-1] - count) // 2
    return values[..., first : first + count]
