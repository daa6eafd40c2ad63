"""Augmentations that would teach something wrong of these data, each with its reason. Torch-free.

Rules are functions over the views and what is known of the data. They run before anything is
trained; docs/augmentation.md lists them. A recipe overrides one by naming the operation in
`augment.allow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.errors import UsageError
from medfm_cli.training.augmentations import (
    ImageViews,
    SeriesViews,
    SignalViews,
    VolumeViews,
)

if TYPE_CHECKING:
    from medfm_cli.data.card import DatasetCard
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.training.augmentations import AnyViews

PATIENT = frozenset({"XR", "CT", "MR", "PT", "NM"})
"""The body seen from a known side: the heart is left, the liver right, and letters mark it."""
UPRIGHT = PATIENT | {"US", "OCT"}
"""Images with a known up: the patient's head, the probe, the surface."""
MEASURED = frozenset({"XR", "CT", "PT", "NM"})
"""Modalities whose grey follows a measurement: density, uptake."""
LARGEST_TURN = 30.0
"""Degrees that a patient may lie askew."""

_SIDES = re.compile(
    r"(?<![a-z])(left|right|lateral\w*|unilateral|sided|(dextro|levo)\w*|situs|mirror\w*)(?![a-z])"
)
_RATES = re.compile(r"(?<![a-z])(\w*brad\w*|\w*tach\w*|rate|long[ _-]?qt|lngqt)(?![a-z])")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the data that views are made of.

    Attributes:
        modalities: as in `data.modalities`; those of samples that say none are not among them.
        labels: the names of the classes.
        colour: whether the network sees colour: it has three channels, and a sample has too.
        hounsfield: whether volumes are in HU, shown through a window.
        channels: leads of a signal, variables of a series.
    """

    modalities: Sequence[str] = ()
    labels: Sequence[str] = ()
    colour: bool = True
    hounsfield: bool = False
    channels: int = 2


def known_of(card: DatasetCard, preprocessing: AnyInput, *, colour: bool) -> Known:
    """What a dataset's card and the network's input tell; `colour`: whether any sample has it."""
    channels = preprocessing.shape[0]
    return Known(
        modalities=[name for name in card.counts.modalities if name],
        labels=card.label_schema.classes,
        colour=colour and channels == 3,
        hounsfield=preprocessing.kind == "volume" and preprocessing.window is not None,
        channels=channels // 2 if preprocessing.kind == "series" else channels,
    )


@dataclass(frozen=True)
class Hazard:
    """An operation of the recipe that is unsafe for the data, and why."""

    operation: str
    reason: str


def refuse_unsafe(views: AnyViews, known: Known) -> list[Hazard]:
    """Refuse augmentations that teach something wrong; give those that the recipe allows.

    The report must show that a rule was overridden.

    Raises:
        UsageError: names each with its reason, and how to use it all the same.
    """
    if unsafe := hazards(views, known):
        names = ", ".join(hazard.operation for hazard in unsafe)
        reasons = "; ".join(f"{hazard.operation}: {hazard.reason}" for hazard in unsafe)
        raise UsageError(
            f"unsafe augmentation of these data: {reasons}",
            hint=f"leave {'it' if len(unsafe) == 1 else 'them'} out, "
            f"or set augment.allow: [{names}] if you know better",
        )
    return _first_reasons(views, known)


def hazards(views: AnyViews, known: Known) -> list[Hazard]:
    """All operations of `views` that are unsafe and not allowed, in the order of the rules."""
    return [
        hazard for hazard in _first_reasons(views, known) if hazard.operation not in views.allow
    ]


def overridden(allowed: Sequence[Hazard]) -> str:
    """Say which rules the recipe overrode with `augment.allow`, and what they say."""
    reasons = "; ".join(f"{hazard.operation}: {hazard.reason}" for hazard in allowed)
    return f"The recipe allows augmentations that are unsafe for these data: {reasons}."


def _first_reasons(views: AnyViews, known: Known) -> list[Hazard]:
    """All unsafe operations, allowed or not; each with the first reason."""
    reasons: dict[str, Hazard] = {}
    for hazard in _all(views, known):
        reasons.setdefault(hazard.operation, hazard)
    return list(reasons.values())


def _all(views: AnyViews, known: Known) -> Iterator[Hazard]:
    match views:
        case ImageViews():
            for version in (views, views.version("second"), views.version("local")):
                yield from _colours(version, known)
                yield from _mirrors(version, known)
                yield from _measurements(version, known)
        case VolumeViews():
            yield from _volumes(views, known)
        case SignalViews():
            yield from _signals(views, known)
        case SeriesViews() if views.drop and known.channels == 1:
            yield Hazard("drop", "there is one variable, and nothing would be left without it")


def _colours(views: ImageViews, known: Known) -> Iterator[Hazard]:
    if known.colour:
        return
    why = "the network sees no colour that could change"
    for name in ("saturation", "hue", "greyscale"):
        if getattr(views, name):
            yield Hazard(name, why)


def _mirrors(views: ImageViews, known: Known) -> Iterator[Hazard]:
    sides = _naming(_SIDES, known.labels)
    if views.flip:
        if sides:
            yield Hazard("flip", f"the label '{sides}' distinguishes left from right")
        elif body := _among(known, PATIENT):
            yield Hazard("flip", f"in {body} left and right of the body differ")
    if views.rotate > LARGEST_TURN:
        if upright := _among(known, UPRIGHT):
            yield Hazard("rotate", f"{upright} has an up and down; {LARGEST_TURN:g}° is the most")
        elif sides and views.rotate > 90:
            yield Hazard("rotate", f"the label '{sides}' distinguishes left from right")


def _measurements(views: ImageViews, known: Known) -> Iterator[Hazard]:
    if views.solarise and (measured := _among(known, MEASURED)):
        yield Hazard(
            "solarise",
            f"the greys of {measured} follow a measurement; the densest would look like air",
        )


def _volumes(views: VolumeViews, known: Known) -> Iterator[Hazard]:
    if views.flip:
        sides = _naming(_SIDES, known.labels)
        if sides:
            yield Hazard("flip", f"the label '{sides}' distinguishes left from right")
        elif not known.modalities or _among(known, PATIENT):
            yield Hazard("flip", "a volume shows a body, whose sides, front and head differ")
    if not known.hounsfield:
        for name in ("level", "width"):
            if getattr(views, name):
                yield Hazard(name, "the volumes are not in HU and have no window")
        return
    for name in ("brightness", "contrast", "gamma"):
        if getattr(views, name):
            yield Hazard(name, "HU are measured; vary the window by level and width")


def _signals(views: SignalViews, known: Known) -> Iterator[Hazard]:
    if views.drop and known.channels == 1:
        yield Hazard("drop", "there is one lead, and nothing would be left without it")
    if views.crop != [1.0, 1.0] and (rate := _naming(_RATES, known.labels)):
        yield Hazard("crop", f"it is stretched, and the label '{rate}' depends on the heart rate")


def _among(known: Known, modalities: frozenset[str]) -> str:
    """The first of the data's modalities that is one of these, else empty."""
    return next((name for name in sorted(known.modalities) if name in modalities), "")


def _naming(pattern: re.Pattern[str], labels: Sequence[str]) -> str:
    """The first label that holds such a word, else empty."""
    return next((name for name in labels if pattern.search(name.lower().replace("_", " "))), "")
