"""The recipe block `input`. Torch-free.

What a recipe leaves open is settled from the data (see `settle`) and written down.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from medfm_cli.recipe import Auto, Part
from medfm_cli.recipe.kinds import kind_of

Whole = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class ImageChoice(Part):
    """Images: size and channels are the backbone's."""

    kind: Literal["image"] = Field("image", description="What is learned from: images.")


class VolumeChoice(Part):
    """Scans in three dimensions, and pictures as the flattest of them (RadFM)."""

    kind: Literal["volume"] = Field("volume", description="What is learned from: volumes.")
    size: Annotated[int, Field(ge=8)] | Auto = Field(
        "auto", description="Height and width; auto: the scans' own, at most 128."
    )
    depths: list[Whole] | Auto = Field(
        "auto",
        description="Depths in use, ascending; a scan gets the nearest, a picture the smallest. "
        "Auto: of RadFM's 4, 8, ... 64 the nearest to half of the scans.",
    )
    channels: Literal[1, 3, "auto"] = Field(
        "auto", description="1 for grey scans, 3 for colour; auto: 3 if any has colour."
    )
    window: list[float] | Auto | None = Field(
        "auto",
        description="HU of CT that become 0 and 1; null: percentiles of each scan. Auto: -1000 to "
        "1000 where most scans are in HU.",
    )
    pictures: bool = Field(
        True, description="Whether images of the dataset are learned from as well, as flat volumes."
    )


class SignalChoice(Part):
    """Recordings of several leads, such as the ECG."""

    kind: Literal["signal"] = Field("signal", description="What is learned from: signals.")
    leads: list[str] | Auto = Field(
        "auto", description="Names of the leads, in this order; auto: those in half of the records."
    )
    rate: Positive | Auto = Field(
        "auto", description="Samples a second; auto: the most common rate, at most 250."
    )
    seconds: Positive | Auto = Field(
        "auto", description="Length of an input; auto: that of half of the records, at most 10."
    )
    standardise: Literal["record", "lead", "none"] = Field(
        "record", description="Mean 0 and deviation 1 over each record, over each lead, or not."
    )


class SeriesChoice(Part):
    """Measurements at irregular times, such as ICU stays."""

    kind: Literal["series"] = Field("series", description="What is learned from: series.")
    variables: list[str] | Auto = Field(
        "auto", description="Names of the variables; auto: those in a hundredth of the stays."
    )
    hours: Positive | Auto = Field(
        "auto", description="Length of an input; auto: what 95 % of the stays do not exceed."
    )
    step: Positive = Field(1.0, description="Hours of a step of the grid.")
    limit: Positive = Field(
        10.0, description="Values further than this many deviations are brought to it."
    )


class AudioChoice(Part):
    """Sound, as log-mel spectrograms."""

    kind: Literal["audio"] = Field("audio", description="What is learned from: sound.")
    rate: Annotated[int, Field(ge=100)] | Auto = Field(
        "auto", description="Samples a second; auto: the most common rate, at most 16000."
    )
    seconds: Positive | Auto = Field(
        "auto", description="Length of an input; auto: that of half of the recordings, at most 10."
    )
    mels: Annotated[int, Field(ge=4)] | Auto = Field(
        "auto",
        description="Bands of pitch; auto: 128, halved until each has two frequencies.",
    )
    n_fft: Annotated[int, Field(ge=16)] | Auto = Field(
        "auto", description="Samples of a window; auto: a power of two from 256, 64 ms at least."
    )
    hop: Whole | Auto = Field("auto", description="Samples from a window to the next; auto: 10 ms.")
    fmin: Annotated[float, Field(ge=0)] = Field(20.0, description="Lowest frequency in Hz.")
    fmax: Positive | None = Field(None, description="Highest in Hz; null: half the rate.")
    range_db: Positive = Field(80.0, description="Decibels below the loudest that are silence.")


InputChoice = Annotated[
    Annotated[ImageChoice, Tag("image")]
    | Annotated[VolumeChoice, Tag("volume")]
    | Annotated[SignalChoice, Tag("signal")]
    | Annotated[SeriesChoice, Tag("series")]
    | Annotated[AudioChoice, Tag("audio")],
    Discriminator(kind_of),
]
"""What is learned from, of whatever kind."""
