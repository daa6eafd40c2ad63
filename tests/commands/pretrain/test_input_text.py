"""The input of a network is described in the units of the recordings."""

from __future__ import annotations

import pytest

from medfm_cli.commands.pretrain.inputs.describe import input_text
from medfm_cli.data.inputs import AnyInput, AudioInput, SeriesInput, SignalInput, VolumeInput
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.spec import BackboneSpec, PatchSpec


@pytest.mark.parametrize(
    ("wanted", "patch", "text"),
    [
        (
            SignalInput(leads=["I", "II"], rate=100, seconds=10),
            [25],
            "2 leads, 10 s at 100 Hz; patches of 0.25 s",
        ),
        (
            SeriesInput(variables=["HR"], hours=48, step=0.5, mean=[0], std=[1]),
            [4],
            "1 variable, 48 h; patches of 2 h",
        ),
        (
            AudioInput(rate=4000, seconds=4, mels=64, n_fft=256, hop=50),
            [16, 16],
            "64 mel bands, 4 s at 4000 Hz; patches of 16 bands × 0.2 s",
        ),
        (
            VolumeInput(size=32, depths=[16]),
            [8, 4, 4],
            "16 × 32 × 32 voxels (depth, height, width); patches of 8 × 4 × 4",
        ),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_every_kind_has_its_units(wanted: AnyInput, patch: list[int], text: str) -> None:
    channels, *shape = wanted.shape
    spec = PatchSpec(name="vit_xxs", kind=wanted.kind, shape=shape, patch=patch, channels=channels)
    assert input_text(wanted, spec).replace("\u00a0", " ") == text


def test_images_have_pixels_and_those_of_a_convnet_no_patches() -> None:
    wanted = Preprocessing(size=64, channels=1)
    grey = BackboneSpec(name="vit_xs", image_size=64, patch_size=8)
    found = input_text(wanted, grey).replace("\u00a0", " ")
    assert found == "64 × 64 pixels, grey; patches of 8 × 8"
    colour = BackboneSpec(name="resnet18", image_size=64, channels=3)
    found = input_text(wanted, colour).replace("\u00a0", " ")
    assert found == "64 × 64 pixels, colour"
