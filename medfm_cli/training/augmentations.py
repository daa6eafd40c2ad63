"""The recipe block `augment`: random views of the training samples. Torch-free.

What each operation does is written in docs/augmentation.md, how in `training/views/`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from medfm_cli.recipe import Part
from medfm_cli.recipe.kinds import kind_of


def _ordered(value: list[float]) -> list[float]:
    if not 0 < value[0] <= value[1]:
        raise ValueError(f"must be 0 < smallest ≤ largest, not {value}")
    return value


def _part_of_one(value: list[float]) -> list[float]:
    if not 0 < value[0] <= value[1] <= 1:
        raise ValueError(f"must be 0 < smallest ≤ largest ≤ 1, not {value}")
    return value


Chance = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_ordered)]
Share = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_part_of_one)]


class Views(Part):
    """What the views of every kind of sample share."""

    allow: list[str] = Field(
        default_factory=list,
        description="Operations to use although medfm holds them to be unsafe for these data.",
    )

    def version(self, which: Literal["second", "local"]) -> Self:
        """The views with what differs in the second view or in small crops: here nothing does."""
        del which
        return self

    @model_validator(mode="after")
    def _allows_what_there_is(self) -> Self:
        operations = [name for name in type(self).model_fields if name not in ("kind", "allow")]
        if unknown := [name for name in self.allow if name not in operations]:
            raise ValueError(f"allow: there is no {unknown[0]}, only {', '.join(operations)}")
        return self


class ViewChanges(Part):
    """What is different in some of an image's views; what is left out stays."""

    flip: bool | None = Field(None, description="Mirror half of them.")
    brightness: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Largest change of brightness."
    )
    contrast: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Largest change of contrast."
    )
    saturation: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Largest change of saturation."
    )
    hue: Annotated[float, Field(ge=0, le=0.5)] | None = Field(
        None, description="Largest turn of the hue."
    )
    jitter: Chance | None = Field(None, description="Part of them with other greys and colours.")
    greyscale: Chance | None = Field(None, description="Part of them without colour.")
    blur: Chance | None = Field(None, description="Part of them that is blurred.")
    solarise: Chance | None = Field(None, description="Part of them that is solarised.")
    noise: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Largest standard deviation of the noise."
    )


class ImageViews(Views):
    """Random views of images, drawn afresh for every sample and step."""

    kind: Literal["image"] = Field("image", description="What the samples are.")
    crop: Share = Field(
        [0.2, 1.0],
        description="Smallest and largest part of the area that is cropped and resized.",
    )
    ratio: float = Field(
        4 / 3, ge=1, description="Largest width : height (and height : width) of a crop."
    )
    flip: bool = Field(
        False, description="Mirror half of the images; wrong where left and right differ."
    )
    rotate: float = Field(0.0, ge=0, le=180, description="Largest turn, in degrees.")
    jitter: Chance = Field(
        1.0, description="Part of the images whose greys and colours are changed as follows."
    )
    brightness: float = Field(
        0.0, ge=0, lt=1, description="Largest change of brightness, as a part."
    )
    contrast: float = Field(0.0, ge=0, lt=1, description="Largest change of contrast, as a part.")
    saturation: float = Field(
        0.0, ge=0, le=1, description="Largest change of the colours' saturation, as a part."
    )
    hue: float = Field(
        0.0, ge=0, le=0.5, description="Largest turn of the hue, as part of the colour circle."
    )
    greyscale: Chance = Field(0.0, description="Part of the images that lose their colour.")
    blur: Chance = Field(0.0, description="Part of the images that is blurred.")
    blur_sigma: Range = Field(
        [0.1, 2.0], description="Smallest and largest width of the blur, in pixels of the view."
    )
    solarise: Chance = Field(
        0.0, description="Part of the images whose upper half of the greys is turned over."
    )
    noise: float = Field(
        0.0, ge=0, lt=1, description="Largest standard deviation of noise, as part of the range."
    )
    second: ViewChanges = Field(
        ViewChanges(), description="What differs in the second view, for objectives with two."
    )
    local: ViewChanges = Field(
        ViewChanges(), description="What differs in small crops, for objectives that take some."
    )

    def version(self, which: Literal["second", "local"]) -> Self:
        """These views with what differs in the second view, or in the small crops.

        DINO, BYOL and MoCo v3 blur their first view always and their second one seldom.
        """
        changes = self.second if which == "second" else self.local
        return self.model_copy(update=changes.model_dump(exclude_none=True))


class VolumeViews(Views):
    """Random views of volumes.

    Depth goes from feet to head, height from front to back, width from right to left.
    """

    kind: Literal["volume"] = Field("volume", description="What the samples are.")
    crop: Share = Field(
        [0.5, 1.0],
        description="Smallest and largest part of the volume that is cropped and resized.",
    )
    ratio: float = Field(1.2, ge=1, description="Largest ratio of two sides' shares in a crop.")
    flip: list[Literal["depth", "height", "width"]] = Field(
        default_factory=list,
        description="Axes along which half are mirrored; `width` exchanges right and left.",
    )
    level: float = Field(0.0, ge=0, description="Largest shift of the window of CT, in HU.")
    width: float = Field(
        0.0, ge=0, lt=1, description="Largest change of the width of the window of CT, as a part."
    )
    brightness: float = Field(
        0.0, ge=0, lt=1, description="Largest change of brightness, as a part."
    )
    contrast: float = Field(0.0, ge=0, lt=1, description="Largest change of contrast, as a part.")
    gamma: float = Field(
        0.0, ge=0, lt=1, description="Largest change of the exponent of the greys, as a part."
    )
    noise: float = Field(
        0.0, ge=0, lt=1, description="Largest standard deviation of noise, as part of the range."
    )


class SignalViews(Views):
    """Random views of recordings of several leads. What is not known (0) stays so."""

    kind: Literal["signal"] = Field("signal", description="What the samples are.")
    crop: Share = Field(
        [1.0, 1.0],
        description="Smallest and largest part of the time that is cut and stretched to the "
        "whole; it changes the heart rate.",
    )
    shift: float = Field(
        0.1, ge=0, lt=1, description="Largest shift in time, as part of the length."
    )
    scale: float = Field(0.1, ge=0, lt=1, description="Largest change of the amplitude, as a part.")
    noise: float = Field(
        0.0, ge=0, description="Largest standard deviation of noise, in units of the input."
    )
    wander: float = Field(
        0.0, ge=0, description="Largest amplitude of baseline wander, in units of the input."
    )
    wander_hz: Range = Field([0.05, 0.5], description="Slowest and fastest wander, in Hz.")
    drop: Chance = Field(0.0, description="Part of the leads that is made zero; one always stays.")
    mask: float = Field(
        0.0, ge=0, lt=1, description="Largest part of the time that is made zero, in one piece."
    )


class SeriesViews(Views):
    """Random views of measurements over time; values and flags of what was measured agree."""

    kind: Literal["series"] = Field("series", description="What the samples are.")
    drop: Chance = Field(
        0.1, description="Part of the variables that is taken away whole; one always stays."
    )
    mask: float = Field(
        0.0, ge=0, lt=1, description="Largest part of the time that is taken away, in one piece."
    )
    jitter: float = Field(
        0.0,
        ge=0,
        description="Largest standard deviation of noise on what was measured, in "
        "standard deviations of the variable.",
    )


class AudioViews(Views):
    """Random views of log-mel spectrograms: SpecAugment (Park et al. 2019) without warping."""

    kind: Literal["audio"] = Field("audio", description="What the samples are.")
    shift: float = Field(
        0.5, ge=0, le=0.5, description="Largest shift in time, as part of the length; it wraps."
    )
    gain: float = Field(0.0, ge=0, description="Largest change of loudness, in decibels.")
    time_masks: int = Field(0, ge=0, description="Pieces of time that are made the mean.")
    time_mask: float = Field(0.1, gt=0, lt=1, description="Longest of them, as part of the time.")
    mel_masks: int = Field(0, ge=0, description="Bands of pitch that are made the mean.")
    mel_mask: float = Field(0.2, gt=0, lt=1, description="Widest of them, as part of the bands.")


AnyViews = Annotated[
    Annotated[ImageViews, Tag("image")]
    | Annotated[VolumeViews, Tag("volume")]
    | Annotated[SignalViews, Tag("signal")]
    | Annotated[SeriesViews, Tag("series")]
    | Annotated[AudioViews, Tag("audio")],
    Discriminator(kind_of),
]
"""The views of samples of any kind."""


def resolve_views(augment: Any, kind: str) -> Any:
    """Complete the block `augment` of a recipe by the kind of its input, where it does not say.

    Args:
        augment: what the recipe says: keys and values, or nothing.
        kind: image, volume, signal, series or audio.
    """
    if augment is None or isinstance(augment, dict):
        return {"kind": kind, **(augment or {})}
    return augment
