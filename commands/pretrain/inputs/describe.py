"""What a network takes, in the units of those who recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medfm_cli.data.inputs import AudioInput, SeriesInput, SignalInput, VolumeInput
from medfm_cli.models.spec import BackboneSpec

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.models.spec import PatchSpec


def input_text(wanted: AnyInput, spec: BackboneSpec | PatchSpec) -> str:
    """What goes in and in which patches: `12 leads, 10 s at 100 Hz; patches of 0.25 s`."""
    if isinstance(spec, BackboneSpec):
        colours = "grey" if spec.channels == 1 else "colour"
        whole = f"{_sides([spec.image_size] * 2)} pixels, {colours}"
        return f"{whole}; patches of {_sides([spec.patch] * 2)}" if spec.patch else whole
    match wanted:
        case SignalInput():
            leads = _many(len(wanted.leads), "lead")
            whole = f"{leads}, {wanted.seconds:g} s at {wanted.rate:g} Hz"
            part = f"{spec.patch[0] / wanted.rate:.3g} s"
        case SeriesInput():
            whole = f"{_many(len(wanted.variables), 'variable')}, {wanted.hours:g} h"
            part = f"{spec.patch[0] * wanted.step:g} h"
        case AudioInput():
            frame = wanted.hop / wanted.rate
            whole = f"{wanted.mels} bands of pitch, {wanted.seconds:g} s at {wanted.rate} Hz"
            part = f"{spec.patch[0]} bands × {spec.patch[1] * frame:.3g} s"
        case VolumeInput():
            whole = f"{_sides(spec.shape)} voxels (depth, height, width)"
            part = _sides(spec.patch)
        case _:
            raise TypeError(f"no words for {type(wanted).__name__}")
    return f"{whole}; patches of {part}"


def _sides(sides: Sequence[int]) -> str:
    return "\u00a0×\u00a0".join(map(str, sides))  # not broken at the end of a line


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
