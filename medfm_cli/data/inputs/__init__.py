"""What networks take, by kind: images, volumes, signals, series and audio. Torch-free.

Each kind is a block of a model's `config.json` and knows how a sample is fitted to the network:
`fit` gives an array of `dtype`, `[C, *space]`, and depends on nothing but the sample and the block.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Tag

from medfm_cli.data.inputs.audio import AudioInput
from medfm_cli.data.inputs.series import SeriesInput
from medfm_cli.data.inputs.signal import SignalInput
from medfm_cli.data.inputs.volume import VolumeInput
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.recipe.kinds import kind_of

__all__ = [
    "AnyInput",
    "AudioInput",
    "PatchInput",
    "Preprocessing",
    "SeriesInput",
    "SignalInput",
    "VolumeInput",
]


PatchInput = VolumeInput | SignalInput | SeriesInput | AudioInput
"""What a network takes that sees no images."""

AnyInput = Annotated[
    Annotated[Preprocessing, Tag("image")]
    | Annotated[VolumeInput, Tag("volume")]
    | Annotated[SignalInput, Tag("signal")]
    | Annotated[SeriesInput, Tag("series")]
    | Annotated[AudioInput, Tag("audio")],
    Discriminator(kind_of),
]
"""What a network takes, of whatever kind. All have `kind`, `shape`, `dtype` and `fit`."""
