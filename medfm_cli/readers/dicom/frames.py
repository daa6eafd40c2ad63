"""Multi-frame DICOM kept whole: a volume with its axes and units, or a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.readers.dicom.geometry import number, slices_of_frames, values
from medfm_cli.readers.dicom.header import storage_class, text
from medfm_cli.readers.dicom.pixels import Decoder
from medfm_cli.readers.dicom.slices import Order, apart, arrange
from medfm_cli.readers.item import Item, ReadOptions, evenly
from medfm_cli.readers.voxels import Stack, check_size, turned
from medfm_cli.samples.content import Image2D, Video, Volume
from medfm_cli.samples.to_uint8 import plain

if TYPE_CHECKING:
    from pydicom import Dataset

_SCANS = (
    "CTImage",
    "MRImage",
    "MRColorImage",
    "PETImage",
    "PositronEmissionTomography",
    "EnhancedUSVolume",
    "XRay3D",
    "BreastTomosynthesis",
    "OphthalmicTomography",
    "Photoacoustic",
)
_FILMS = (
    "UltrasoundMultiFrame",
    "XRayAngiographicImage",
    "XRayRadiofluoroscopic",
    "EnhancedXAImage",
    "EnhancedXRFImage",
    "Video",
)
_FILMED = ("US", "IVUS", "XA", "RF", "ES")
_TIMES = ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate")


def kind_of(dataset: Dataset) -> str:
    """What the frames of a file are: `volume`, `video`, or images that are `apart`."""
    storage, modality = storage_class(dataset), text(dataset, "Modality").upper()
    if "TotalPixelMatrixColumns" in dataset:
        return "apart"  # tiles of a slide
    if any(part in storage for part in _SCANS) or modality in ("OPT", "IVOCT"):
        return "volume"
    if "RECON" in " ".join(values(dataset, "ImageType")[2:3]).upper():
        return "volume"  # reconstructed nuclear medicine (PS3.3 C.8.4.9)
    if any(part in storage for part in _FILMS) or modality in _FILMED:
        return "video"
    return "video" if any(text(dataset, name) for name in _TIMES) else "apart"


def volumes(
    decoder: Decoder, options: ReadOptions, facts: dict[str, Any], common: dict[str, Any]
) -> Iterator[Item]:
    """The volume that the frames make, or up to `options.frames` where they make several.

    Frames that stand alone (scouts, projections) are images.

    Raises:
        Unreadable: a frame cannot be decoded, or the volume is larger than allowed.
    """
    dataset = decoder.dataset
    places = slices_of_frames(dataset, decoder.frames)
    found = apart(places)
    for which in evenly(len(found), options.frames):
        members = found[which]
        of = (f"volume {which + 1} of {len(found)} in the file",) if len(found) > 1 else ()
        if len(members) == 1:
            pixels, display = decoder.image(members[0])
            yield Item(Image2D(pixels), facts | {"display": display}, frame=members[0], **common)
            continue
        order = arrange([places[frame] for frame in members])
        check_size((len(order.order), *decoder.shape), options.max_values)
        place_of = {members[index]: at for at, index in enumerate(order.order)}
        content = _volume(decoder, order, place_of)
        notes = (*common.get("notes", ()), *order.notes, *of, *decoder.remarks)
        yield Item(content, facts, frame=members[0], **(common | {"notes": notes}))


def _volume(decoder: Decoder, order: Order, place_of: dict[int, int]) -> Volume:
    stack = Stack(len(place_of))
    for frame, stored in decoder.values(sorted(place_of)):
        stack.put(place_of[frame], decoder.real(stored, frame))
    return made(stack.array, order, unit=decoder.unit(min(place_of)))


def made(array: NDArray[Any], order: Order, *, unit: str) -> Volume:
    """A volume of slices in order, `[D, H, W]` or `[D, H, W, 3]`, turned where they say how."""
    if array.ndim == 4 and all(np.array_equal(array[..., 0], array[..., c]) for c in (1, 2)):
        array = np.ascontiguousarray(array[..., 0])
    found = turned(array, order.steps) if order.steps is not None else None
    if found is None:
        return Volume(array, order.spacing, unit)
    voxels, spacing = found
    return Volume(voxels, spacing if order.spacing else None, unit)


def video(
    decoder: Decoder, options: ReadOptions, facts: dict[str, Any], common: dict[str, Any]
) -> Iterator[Item]:
    """Up to `options.clip` frames, evenly spaced, and how many of them there are in a second.

    Raises:
        Unreadable: a frame cannot be decoded, or the video is larger than allowed.
    """
    chosen = evenly(decoder.frames, options.clip)
    check_size((len(chosen), *decoder.shape), options.max_values)
    stack = Stack(len(chosen))
    for index, pixels in enumerate(decoder.images(chosen)):
        stack.put(index, pixels)
    frames = stack.array
    if frames.ndim == 4 and all(plain(frame).ndim == 2 for frame in frames):
        frames = np.ascontiguousarray(frames[..., 0])
    noted = common | {"notes": (*common.get("notes", ()), *decoder.remarks)}
    yield Item(Video(frames, _rate(decoder.dataset, chosen)), facts, **noted)


def _rate(dataset: Dataset, chosen: Sequence[int]) -> float | None:
    """Frames a second of the chosen ones."""
    every = number(dataset, "FrameTime")
    if every <= 0:
        steps = [float(step) for step in values(dataset, "FrameTimeVector")[1:] if _positive(step)]
        every = float(np.mean(steps)) if steps else 0.0
    rate = 1000 / every if every > 0 else 0.0
    rate = rate or number(dataset, "CineRate") or number(dataset, "RecommendedDisplayFrameRate")
    if rate <= 0 or len(chosen) < 2:
        return None
    return round(rate * (len(chosen) - 1) / (chosen[-1] - chosen[0]), 6)


def _positive(value: str) -> bool:
    try:
        return 0 < float(value) < 1e9
    except ValueError:
        return False
