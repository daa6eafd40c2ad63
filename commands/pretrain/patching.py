"""Patch sizes for volumes, signals, series and audio. Torch-free."""

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
"""Fewest patches of an input, so that most of them can be masked."""
BEAT = 0.3
"""Seconds of a signal in a patch: 75 samples at 250 Hz in ST-MEM's released configuration."""
SPECTRAL = 16
"""Bands and frames of audio in a patch, as in AST and AudioMAE [memory]."""
DEEP = 4
"""Slices in a patch, where the depths are multiples of it: those of RadFM are."""


def resolve_patches(
    choice: BackboneChoice, network_input: PatchInput, resolve: Resolve
) -> PatchSpec:
    """Resolve the encoder of a resolved input."""
    channels, *shape = network_input.shape
    patch = choice.patch_sides
    if patch is None:
        patch = choose_patch(network_input, 1 << int(math.log2(PRESETS[choice.name].patch_size)))
        count = math.prod(side // part for side, part in zip(shape, patch, strict=True))
        sides = " × ".join(map(str, shape))
        resolve("backbone.patch_sides", patch, f"{count} patches of an input of {sides}")
    shared = {name: getattr(choice, name) for name in Transformer.model_fields}
    return PatchSpec(**shared, kind=network_input.kind, shape=shape, patch=patch, channels=channels)


def choose_patch(network_input: PatchInput, preferred: int) -> list[int]:
    """Choose sides that divide the input; in a volume's plane `preferred` or halves of it."""
    if isinstance(network_input, SignalInput):
        return [nearest_divisor(network_input.samples, BEAT * network_input.rate)]
    if isinstance(network_input, SeriesInput):
        return [nearest_divisor(network_input.steps, network_input.steps / 128)]
    if isinstance(network_input, VolumeInput):
        deep = math.gcd(DEEP, *network_input.depths)
        return _halved(
            [network_input.depths[0], *network_input.shape[2:]], [deep, preferred, preferred]
        )
    return _halved(list(network_input.shape[1:]), [SPECTRAL, SPECTRAL])


def nearest_divisor(length: int, target: float) -> int:
    """The divisor of `length` nearest to `target`, of two the smaller."""
    divisors = [number for number in range(1, length + 1) if length % number == 0]
    return min(divisors, key=lambda number: (abs(number - target), number))


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
