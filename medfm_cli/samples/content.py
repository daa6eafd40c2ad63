"""What a sample can be: an image, a volume, a video, a signal, a series, a row, or text.

Readers yield these, shards hold them, verbs ask for the kinds they understand. Each knows its
`kind`, the numbers that are stored (`array`), and the small facts without which those numbers mean
nothing (`meta`: spacing, rate, channels, units).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

KINDS = ("image", "volume", "video", "signal", "audio", "series", "table", "text")
"""Every kind of sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Image2D:
    """A 2D image as a person would see it on a screen: uint8 `[H, W]` or `[H, W, 3]`."""

    kind: ClassVar[str] = "image"
    pixels: NDArray[np.uint8]

    @property
    def array(self) -> NDArray[Any]:
        """The pixels."""
        return self.pixels

    @property
    def meta(self) -> dict[str, Any]:
        """Nothing: the pixels say it all."""
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A 3D scan: `[D, H, W]` or `[D, H, W, 3]`, uint8, int16, uint16 or float32.

    Turned to a radiologist's axes: D from feet to head, H from front to back, W from the patient's
    right to left (RAS read as S, then A reversed, then R reversed; so `array[d]` is an axial slice
    as it hangs on a light box). `spacing` is in mm along D, H, W. `unit` is `HU` for CT, else
    empty. `mask` is a segmentation of the same `[D, H, W]`, 0 for background.
    """

    kind: ClassVar[str] = "volume"
    voxels: NDArray[Any]
    spacing: tuple[float, float, float] | None = None
    unit: str = ""

    @property
    def array(self) -> NDArray[Any]:
        """The voxels."""
        return self.voxels

    @property
    def meta(self) -> dict[str, Any]:
        """Spacing in mm, and the unit."""
        return _filled(spacing=list(self.spacing) if self.spacing else None, unit=self.unit)


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """Frames in time: uint8 `[T, H, W]` or `[T, H, W, 3]`; `rate` in frames a second.

    A reader takes up to `ReadOptions.clip` frames, evenly spaced; `rate` is of the frames taken.
    """

    kind: ClassVar[str] = "video"
    frames: NDArray[np.uint8]
    rate: float | None = None

    @property
    def array(self) -> NDArray[Any]:
        """The frames."""
        return self.frames

    @property
    def meta(self) -> dict[str, Any]:
        """Frames a second."""
        return _filled(rate=self.rate)


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """Channels sampled at one rate: float32 `[C, T]` in physical `units`, `rate` in Hz.

    Samples that the source marks as invalid are NaN.
    """

    kind: ClassVar[str] = "signal"
    values: NDArray[np.float32]
    rate: float
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def array(self) -> NDArray[Any]:
        """The values."""
        return self.values

    @property
    def meta(self) -> dict[str, Any]:
        """Rate in Hz, names and units of the channels."""
        return {"rate": self.rate} | _filled(channels=list(self.channels), units=list(self.units))


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Sound: float32 `[C, T]` between −1 and 1, `rate` in Hz."""

    kind: ClassVar[str] = "audio"
    values: NDArray[np.float32]
    rate: float

    @property
    def array(self) -> NDArray[Any]:
        """The values."""
        return self.values

    @property
    def meta(self) -> dict[str, Any]:
        """Rate in Hz."""
        return {"rate": self.rate}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Measurements at irregular times, such as an ICU stay: float32 `[F, T]`, NaN where not taken.

    `times` are hours since admission, ascending, `[T]`. `channels` are the variables; `groups` says
    for each of them vitals, labs, inputs, outputs or static. What is known once (age, sex, unit
    type) is in `static`.
    """

    kind: ClassVar[str] = "series"
    values: NDArray[np.float32]
    times: NDArray[np.float64]
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    static: dict[str, float | str] = field(default_factory=dict)

    @property
    def array(self) -> NDArray[Any]:
        """The values."""
        return self.values

    @property
    def meta(self) -> dict[str, Any]:
        """Times in hours, and what the channels are."""
        return {"times": [round(float(t), 6) for t in self.times]} | _filled(
            channels=list(self.channels),
            units=list(self.units),
            groups=list(self.groups),
            static=self.static,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of a plain table: names and values; None where a cell is empty."""

    kind: ClassVar[str] = "table"
    cells: dict[str, float | str | None]

    @property
    def array(self) -> NDArray[Any]:
        """The cells as JSON, in bytes."""
        return _bytes(json.dumps(self.cells, ensure_ascii=False))

    @property
    def meta(self) -> dict[str, Any]:
        """Nothing beside the cells."""
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A report, a note, or any other text."""

    kind: ClassVar[str] = "text"
    text: str

    @property
    def array(self) -> NDArray[Any]:
        """The text in UTF-8."""
        return _bytes(self.text)

    @property
    def meta(self) -> dict[str, Any]:
        """Nothing beside the text."""
        return {}


Content = Image2D | Volume | Video | Signal | Audio | Series | Row | Text


def content_sha(content: Content) -> str:
    """The sha256 (hex) of what is stored: however it was encoded in its file.

    Of an image: its shape and pixels. Of everything else: kind, number type, shape and values,
    and of what has them also rate, spacing and channels, without which the numbers mean nothing.
    """
    array = np.ascontiguousarray(content.array)
    shape = "x".join(str(side) for side in array.shape)
    if isinstance(content, Image2D):
        head = f"{shape}:"
    else:
        meta = json.dumps(content.meta, sort_keys=True, ensure_ascii=False)
        head = f"{content.kind} {array.dtype.str} {shape} {meta}:"
    digest = hashlib.sha256(head.encode("utf-8", "surrogatepass"))
    digest.update(array.view(np.uint8).reshape(-1).data if array.size else b"")
    return digest.hexdigest()


def _filled(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
