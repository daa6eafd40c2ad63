"""The recipe block `augment`: random views of the training samples. Torch-free.

What each operation does is written in docs/augmentation.md, how in `training/views/`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from medfm_cli.recipe import Part


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


class ViewChanges(Part):
    """What is different in some of an image's views; what is left out stays."""

    flip: bool | None = Field(None, description="Mirror half of them.")
    brightness: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="Largest shift."
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
    """Random views of images, drawn anew for every sample and step."""

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
    brightness: float = Field(0.0, ge=0, lt=1, description="Largest shift, as part of the range.")
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


Augment = ImageViews
