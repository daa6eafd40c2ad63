"""The encoder of what is no image: patches that fit the input. Torch-free."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from medfm_cli.data.inputs import SeriesInput, SignalInput, VolumeInput
from medfm_cli.models.spec import PRESETS, PatchSpec, Transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from medfm_cli.commands.pretrain.options import BackboneChoice
    from medfm_cli.data.inputs import PatchInput

    Resolve = Callable[[str, Any, str], None]

FEWEST = 36
"""Patches that an input should have, so that most of them can be hidden."""
BEAT = 0.3
"""Seconds of a signal in a patch: 75 samples at 250 Hz in ST-MEM's released configuration."""
SPECTRAL = 16
"""Bands and frames of sound in a patch, as in AST and AudioMAE [memory]."""
DEEP = 4
"""Slices in a patch, where the depths are multiples of it: those of RadFM are."""


def settle_patches(choice: BackboneChoice, wanted: PatchInput, resolve: Resolve) -> PatchSpec:
    """Settle the encoder of an input that is settled already."""
    channels, *shape = wanted.shape
    patch = choice.patch_sides
    if patch is None:
        patch = choose_patch(wanted, 1 << int(math.log2(PRESETS[choice.name].patch_size)))
        count = math.prod(side // part for side, part in zip(shape, patch, strict=True))
        sides = " × ".join(map(str, shape))
        resolve("backbone.patch_sides", patch, f"{count} patches of an input of {sides}")
    shared = {name: getattr(choice, name) for name in Transformer.model_fields}
    return PatchSpec(**shared, kind=wanted.kind, shape=shape, patch=patch, channels=channels)


def choose_patch(wanted: PatchInput, preferred: int) -> list[int]:
    """Choose sides that divide the input; in a volume's plane `preferred` or halves of it."""
    if isinstance(wanted, SignalInput):
        return [nearest_divisor(wanted.samples, BEAT * wanted.rate)]
    if isinstance(wanted, SeriesInput):
        return [nearest_divisor(wanted.steps, wanted.steps / 128)]
    if isinstance(wanted, VolumeInput):
        deep = math.gcd(DEEP, *wanted.depths)
        return _halved([wanted.depths[0], *wanted.shape[2:]], [deep, preferred, preferred])
    return _halved(list(wanted.shape[1:]), [SPECTRAL, SPECTRAL])


def nearest_divisor(length: int, wanted: float) -> int:
    """The divisor of `length` nearest to `wanted`, of two the smaller."""
    divisors = [number for number in range(1, length + 1) if length % number == 0]
    return min(divisors, key=lambda number: (abs(number - wanted), number))


def _halved(shape: list[int], patch: list[int]) -> list[int]:
    """Halve the last two sides until they divide the input and there are enough patches."""
    *first, side, _ = patch
    while side > 1:
        parts = [*first, side, side]
        whole = all(length % part == 0 for length, part in zip(shape, parts, strict=True))
        count = math.prod(length // part for length, part in zip(shape, parts, strict=True))
        if whole and count >= FEWEST:
            break
        side //= 2
    return [*first, side, side]
