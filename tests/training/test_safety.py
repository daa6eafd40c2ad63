"""Augmentations that teach something wrong are refused, and others are not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from medfm_cli.data.card import Counts, DatasetCard, LabelSchema
from medfm_cli.data.inputs import SeriesInput, SignalInput, VolumeInput
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import UsageError
from medfm_cli.training.augmentations import AnyViews, resolve_views
from medfm_cli.training.safety import Known, hazards, known_of, overridden, refuse_unsafe

VIEWS: TypeAdapter[Any] = TypeAdapter(AnyViews)

REFUSED = [
    ({"hue": 0.1}, {"colour": False}, "hue", "no colour"),
    ({"saturation": 0.1}, {"colour": False}, "saturation", "no colour"),
    ({"greyscale": 0.2}, {"colour": False}, "greyscale", "no colour"),
    ({"second": {"greyscale": 0.2}}, {"colour": False}, "greyscale", "no colour"),
    ({"flip": True}, {"modalities": ["XR"]}, "flip", "left and right of the body"),
    ({"flip": True}, {"modalities": ["Microscopy", "CT"]}, "flip", "in CT left"),
    ({"local": {"flip": True}}, {"modalities": ["MR"]}, "flip", "left and right"),
    ({"flip": True}, {"labels": ["effusion", "Left lung"]}, "flip", "'Left lung'"),
    ({"flip": True}, {"labels": ["right_eye", "x"]}, "flip", "'right_eye'"),
    ({"flip": True}, {"labels": ["dextrocardia"]}, "flip", "dextrocardia"),
    ({"rotate": 45.0}, {"modalities": ["XR"]}, "rotate", "up and down"),
    ({"rotate": 90.0}, {"modalities": ["US"]}, "rotate", "up and down"),
    ({"rotate": 180.0}, {"labels": ["left", "right"]}, "rotate", "'left'"),
    ({"solarise": 0.2}, {"modalities": ["CT"]}, "solarise", "measurement"),
    ({"second": {"solarise": 0.2}}, {"modalities": ["PT"]}, "solarise", "measurement"),
    ({"kind": "volume", "flip": ["width"]}, {}, "flip", "shows a body"),
    ({"kind": "volume", "flip": ["depth"]}, {"modalities": ["CT"]}, "flip", "shows a body"),
    ({"kind": "volume", "flip": ["height"]}, {"labels": ["left hip"]}, "flip", "'left hip'"),
    ({"kind": "volume", "level": 20.0}, {}, "level", "not in HU"),
    ({"kind": "volume", "width": 0.2}, {}, "width", "not in HU"),
    ({"kind": "volume", "gamma": 0.2}, {"hounsfield": True}, "gamma", "HU are measured"),
    ({"kind": "volume", "brightness": 0.2}, {"hounsfield": True}, "brightness", "window"),
    ({"kind": "volume", "contrast": 0.2}, {"hounsfield": True}, "contrast", "window"),
    ({"kind": "signal", "drop": 0.2}, {"channels": 1}, "drop", "one lead"),
    ({"kind": "signal", "crop": [0.5, 1.0]}, {"labels": ["NORM", "STACH"]}, "crop", "'STACH'"),
    ({"kind": "series"}, {"channels": 1}, "drop", "one variable"),
]
SAFE = [
    ({"hue": 0.1, "saturation": 0.4, "greyscale": 0.2}, {"colour": True}),
    ({"flip": True, "rotate": 180.0}, {"modalities": ["Dermoscopy", "Microscopy"]}),
    ({"flip": True}, {"modalities": ["US"], "labels": ["copyright", "bright", "leftover"]}),
    ({"flip": True}, {}),
    ({"rotate": 30.0}, {"modalities": ["XR", "US"], "labels": ["left"]}),
    ({"solarise": 0.2}, {"modalities": ["MR", "Dermoscopy"]}),
    ({"crop": [0.2, 1.0], "brightness": 0.2, "blur": 0.5, "noise": 0.1}, {"modalities": ["CT"]}),
    ({"kind": "volume", "flip": ["width"]}, {"modalities": ["Microscopy"]}),
    ({"kind": "volume", "level": 20.0, "width": 0.2}, {"hounsfield": True}),
    ({"kind": "volume", "gamma": 0.2, "brightness": 0.1}, {"modalities": ["MR"]}),
    (
        {"kind": "signal", "drop": 0.2, "crop": [0.5, 1.0]},
        {"channels": 12, "labels": ["NORM", "MI"]},
    ),
    ({"kind": "signal", "shift": 0.2}, {"channels": 1, "labels": ["SBRAD"]}),
    ({"kind": "series"}, {"channels": 2}),
    ({"kind": "audio", "gain": 6.0, "time_masks": 2}, {}),
]


@pytest.mark.parametrize(("block", "known", "operation", "reason"), REFUSED)
def test_what_is_wrong_is_refused_with_its_reason_unless_allowed(
    block: dict[str, Any], known: dict[str, Any], operation: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=operation) as refused:
        refuse_unsafe(VIEWS.validate_python(block), Known(**known))
    assert reason in str(refused.value)
    assert f"augment.allow: [{operation}]" in str(refused.value.hint)
    allowed = refuse_unsafe(VIEWS.validate_python({**block, "allow": [operation]}), Known(**known))
    assert [hazard.operation for hazard in allowed] == [operation]
    assert reason in overridden(allowed), "whoever reads the report is told"


@pytest.mark.parametrize(("block", "known"), SAFE)
def test_what_is_right_passes(block: dict[str, Any], known: dict[str, Any]) -> None:
    assert hazards(VIEWS.validate_python(block), Known(**known)) == []


def test_all_that_is_wrong_is_told_at_once_and_each_must_be_allowed() -> None:
    block = {"hue": 0.1, "flip": True, "second": {"hue": 0.2}, "allow": ["hue"]}
    known = Known(colour=False, modalities=["XR"])
    assert [hazard.operation for hazard in hazards(VIEWS.validate_python(block), known)] == ["flip"]
    del block["allow"]
    with pytest.raises(UsageError, match=r"hue: .*; flip: ") as refused:
        refuse_unsafe(VIEWS.validate_python(block), known)
    assert "[hue, flip]" in str(refused.value.hint)


def test_only_operations_can_be_allowed() -> None:
    with pytest.raises(ValidationError, match="there is no zoom"):
        VIEWS.validate_python({"allow": ["zoom"]})
    with pytest.raises(ValidationError, match="there is no hue"):
        VIEWS.validate_python({"kind": "signal", "allow": ["hue"]})


def test_what_a_card_and_an_input_tell() -> None:
    card = DatasetCard(
        name="toy",
        version="",
        label_schema=LabelSchema(kind="single", classes=["left", "right"]),
        counts=Counts(samples=2, images=2, subjects=2, modalities={"": 1, "CT": 1}),
        medfm="",
        manifest_sha256="",
        shards=[],
    )
    colour = known_of(card, Preprocessing(size=8, channels=3), colour=True)
    assert colour == Known(
        modalities=["CT"], labels=["left", "right"], colour=True, hounsfield=False, channels=3
    )
    assert not known_of(card, Preprocessing(size=8, channels=1), colour=True).colour
    assert not known_of(card, Preprocessing(size=8, channels=3), colour=False).colour
    window = VolumeInput(size=8, depths=[4], window=[-100.0, 100.0])
    assert known_of(card, window, colour=False).hounsfield
    assert not known_of(card, VolumeInput(size=8, depths=[4]), colour=False).hounsfield
    one = SignalInput(leads=["II"], rate=100.0, seconds=1.0)
    assert known_of(card, one, colour=False).channels == 1
    three = SeriesInput(variables=["a", "b", "c"], hours=4, mean=[0.0] * 3, std=[1.0] * 3)
    assert known_of(card, three, colour=False).channels == 3


@pytest.mark.parametrize("kind", ["image", "volume", "signal", "series", "audio"])
def test_a_block_is_of_the_kind_of_the_input_unless_it_says_another(kind: str) -> None:
    assert VIEWS.validate_python(resolve_views(None, kind)).kind == kind
    assert VIEWS.validate_python(resolve_views({"allow": []}, kind)).kind == kind
    assert VIEWS.validate_python(resolve_views({"kind": "audio"}, kind)).kind == "audio"
