"""The recipe block `input`. Torch-free.

`auto` is resolved from the data (see `resolve`) and recorded.
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

    kind: Literal["image"] = Field("image", description="Train on images.")


class VolumeChoice(Part):
    """Volumes, and images as volumes of the smallest depth (RadFM)."""

    kind: Literal["volume"] = Field("volume", description="Train on volumes.")
    size: Annotated[int, Field(ge=8)] | Auto = Field(
        "auto", description="Height and width; auto: the median of the scans, at most 128."
    )
    depths: list[Whole] | Auto = Field(
        "auto",
        description="Depths in use, ascending; a scan gets the nearest, an image the smallest. "
        "Auto: of RadFM's 4, 8, ... 64 the nearest to the median scan.",
    )
    channels: Literal[1, 3, "auto"] = Field(
        "auto", description="1 for grey scans, 3 for colour; auto: 3 if any has colour."
    )
    window: list[float] | Auto | None = Field(
        "auto",
        description="HU of CT that map to 0 and 1; null: percentiles of each scan. Auto: -1000 to "
        "1000 where most scans are in HU.",
    )
    images: bool = Field(
        True,
        description="Train on the images of the dataset as well, as volumes of the smallest depth.",
    )


class SignalChoice(Part):
    """Recordings of several leads, such as the ECG."""

    kind: Literal["signal"] = Field("signal", description="Train on signals.")
    leads: list[str] | Auto = Field(
        "auto", description="Names of the leads, in this order; auto: those in half of the records."
    )
    rate: Positive | Auto = Field(
        "auto", description="Samples a second; auto: the most common rate, at most 250."
    )
    seconds: Positive | Auto = Field(
        "auto", description="Length of an input; auto: the median of the records, at most 10."
    )
    standardise: Literal["record", "lead", "none"] = Field(
        "record", description="Mean 0 and deviation 1 over each record, over each lead, or not."
    )


class SeriesChoice(Part):
    """Irregularly sampled measurements, such as ICU stays."""

    kind: Literal["series"] = Field("series", description="Train on series.")
    variables: list[str] | Auto = Field(
        "auto", description="Names of the variables; auto: those in at least 1 % of the stays."
    )
    hours: Positive | Auto = Field(
        "auto", description="Length of an input; auto: the 95th percentile of the stays."
    )
    step: Positive = Field(1.0, description="Hours of a step of the grid.")
    limit: Positive = Field(
        10.0, description="Values are clipped at this many standard deviations."
    )


class AudioChoice(Part):
    """Audio, as log-mel spectrograms."""

    kind: Literal["audio"] = Field("audio", description="Train on audio.")
    rate: Annotated[int, Field(ge=100)] | Auto = Field(
        "auto", description="Samples a second; auto: the most common rate, at most 16000."
    )
    seconds: Positive | Auto = Field(
        "auto", description="Length of an input; auto: the median of the recordings, at most 10."
    )
    mels: Annotated[int, Field(ge=4)] | Auto = Field(
        "auto",
        description="Mel bands; auto: 128, halved until each has two frequencies.",
    )
    n_fft: Annotated[int, Field(ge=16)] | Auto = Field(
        "auto",
        description="Samples of an FFT window; auto: a power of two, at least 256 and 64 ms.",
    )
    hop: Whole | Auto = Field("auto", description="Samples between windows; auto: 10 ms.")
    fmin: Annotated[float, Field(ge=0)] = Field(20.0, description="Lowest frequency in Hz.")
    fmax: Positive | None = Field(None, description="Highest in Hz; null: half the rate.")
    range_db: Positive = Field(80.0, description="Dynamic range in decibels below the maximum.")


InputChoice = Annotated[
    Annotated[ImageChoice, Tag("image")]
    | Annotated[VolumeChoice, Tag("volume")]
    | Annotated[SignalChoice, Tag("signal")]
    | Annotated[SeriesChoice, Tag("series")]
    | Annotated[AudioChoice, Tag("audio")],
    Discriminator(kind_of),
]
"""The input of any kind."""
