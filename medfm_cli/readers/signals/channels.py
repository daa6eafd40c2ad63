"""Channels of a recording: gathered by rate, one item a rate, none resampled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medfm_cli.readers.item import Item
from medfm_cli.readers.signals.leads import modality_of
from medfm_cli.samples.content import Signal

MAX_SAMPLES = 1 << 28
"""Most samples of a recording, 1 GB as float32: four Holters of 3 channels and 24 hours."""


@dataclass(slots=True)
class Values:
    """A channel: float32 `[T]` in physical `units`, `rate` in Hz."""

    name: str
    units: str
    rate: float
    values: NDArray[np.float32]


def by_rate(channels: list[Values], recording: Item) -> Iterator[Item]:
    """One item for each rate, the fastest first, with what `recording` says of it.

    Channels of one rate and different lengths (a file that breaks off) do not go together either.
    """
    kinds = dict.fromkeys((channel.rate, len(channel.values)) for channel in channels)
    groups = sorted(kinds, key=lambda kind: -kind[0])
    for frame, kind in enumerate(groups):
        chosen = [c for c in channels if (c.rate, len(c.values)) == kind]
        names = tuple(channel.name for channel in chosen)
        signal = Signal(_stacked(chosen), kind[0], names, tuple(c.units for c in chosen))
        several = len(groups) > 1
        yield replace(
            recording,
            content=signal,
            facts=recording.facts | {"seconds": round(kind[1] / kind[0], 3)},
            modality=modality_of(names),
            frame=frame,
            part=f"{kind[0]:g} Hz" if several else "",
            notes=(*recording.notes, *(["channels of several rates"] if several else [])),
        )


def _stacked(channels: list[Values]) -> NDArray[np.float32]:
    """`[C, T]`; the arrays are let go one by one, for there may be no room for all twice."""
    values = np.empty((len(channels), len(channels[0].values)), np.float32)
    for place, channel in enumerate(channels):
        values[place] = channel.values
        channel.values = values[place]
    return values
