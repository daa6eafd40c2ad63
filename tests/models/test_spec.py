"""The recipe block that names a backbone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from medfm_cli.models.spec import PRESETS, BackboneSpec, HeadSpec


def test_presets_have_whole_heads_and_room_for_sines() -> None:
    for name, preset in PRESETS.items():
        assert preset.dim % preset.heads == 0, name
        assert preset.dim % 4 == 0, name


def test_patch_size_is_the_presets_own_unless_given() -> None:
    assert BackboneSpec(name="vit_tiny").patch == 16
    assert BackboneSpec(name="vit_tiny", patch_size=8).patch == 8
    assert BackboneSpec(name="resnet18").patch is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "vit_xs", "image_size": 60}, "not a multiple of the patch size 8"),
        ({"name": "vit_xs", "pretrained": True}, "has no published weights"),
        ({"name": "resnet18", "patch_size": 4}, "patch_size can be set for the presets only"),
        ({"name": "resnet18", "registers": 4}, "registers can be set for the presets only"),
        ({"name": "vit_xs", "chanels": 1}, "Extra inputs"),
        ({"name": "vit_xs", "channels": 2}, "Input should be 1 or 3"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BackboneSpec.model_validate(options)


def test_a_head_has_at_least_one_class() -> None:
    with pytest.raises(ValidationError):
        HeadSpec(kind="linear", classes=0)


def test_the_spec_and_the_card_need_neither_torch_nor_timm() -> None:
    code = (
        "import sys, medfm_cli.models.spec, medfm_cli.models.config, medfm_cli.models.card;"
        "print([m for m in ('torch', 'timm', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_spec_alone_needs_no_numpy() -> None:
    code = "import sys, medfm_cli.models.spec; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
