"""The input of a network, in the units of the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medfm_cli.data.inputs import AudioInput, SeriesInput, SignalInput, VolumeInput
from medfm_cli.models.spec import BackboneSpec

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.models.spec import PatchSpec


def input_text(network_input: AnyInput, spec: BackboneSpec | PatchSpec) -> str:
    """The input and its patches: `12 leads, 10 s at 100 Hz; patches of 0.25 s`."""
    if isinstance(spec, BackboneSpec):
        colours = "grey" if spec.channels == 1 else "colour"
        whole = f"{_sides([spec.image_size] * 2)} pixels, {colours}"
        return f"{whole}; patches of {_sides([spec.patch] * 2)}" if spec.patch else whole
    match network_input:
        case SignalInput():
            leads = _many(len(network_input.leads), "lead")
            whole = f"{leads}, {network_input.seconds:g} s at {network_input.rate:g} Hz"
            part = f"{spec.patch[0] / network_input.rate:.3g} s"
        case SeriesInput():
            whole = f"{_many(len(network_input.variables), 'variable')}, {network_input.hours:g} h"
            part = f"{spec.patch[0] * network_input.step:g} h"
        case AudioInput():
            frame = network_input.hop / network_input.rate
            length = f"{network_input.seconds:g} s at {network_input.rate} Hz"
            whole = f"{network_input.mels} mel bands, {length}"
            part = f"{spec.patch[0]} bands × {spec.patch[1] * frame:.3g} s"
        case VolumeInput():
            whole = f"{_sides(spec.shape)} voxels (depth, height, width)"
            part = _sides(spec.patch)
        case _:
            raise TypeError(f"no description of {type(network_input).__name__}")
    return f"{whole}; patches of {part}"


def _sides(sides: Sequence[int]) -> str:
    return "\u00a0×\u00a0".join(map(str, sides))  # not broken at the end of a line


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
