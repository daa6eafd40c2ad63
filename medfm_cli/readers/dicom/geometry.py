"""Where the slices of a DICOM file lie: from its header, or from its functional groups."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from medfm_cli.readers.dicom.header import patient_id, storage_class, text
from medfm_cli.readers.dicom.slices import Slice, Vector

if TYPE_CHECKING:
    from pydicom import Dataset

MARKS = (
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "EchoNumbers",
    "EchoTime",
    "ImageType",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "TriggerTime",
    "AcquisitionTime",
    "ContentTime",
)
"""What distinguishes images at one place, in the order in which it is tried."""
_FRAME_MARKS = (
    ("FrameContentSequence", "StackID"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("FrameContentSequence", "FrameAcquisitionNumber"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("CTImageFrameTypeSequence", "FrameType"),
    ("PETFrameTypeSequence", "FrameType"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("FrameContentSequence", "FrameAcquisitionDateTime"),
)


def slice_of(dataset: Dataset) -> Slice:
    """The slice that a single-frame file holds."""
    image_type = values(dataset, "ImageType")
    spacing = _pair(dataset, "PixelSpacing")
    across, down = _directions(dataset)
    kind = (
        short(patient_id(dataset)),
        text(dataset, "StudyInstanceUID"),
        text(dataset, "SeriesInstanceUID"),
        text(dataset, "SOPClassUID"),
        *(text(dataset, name) for name in ("Rows", "Columns", "SamplesPerPixel")),
        "localiser" if "LOCALIZER" in image_type else "",
    )
    return Slice(
        kind=kind,
        uid=short(text(dataset, "SOPInstanceUID")),
        number=_whole(text(dataset, "InstanceNumber")),
        position=_vector(dataset, "ImagePositionPatient"),
        across=across,
        down=down,
        spacing=spacing,
        gap=_gap(dataset),
        marks=tuple("\\".join(values(dataset, name)) for name in MARKS),
    )


def slices_of_frames(dataset: Dataset, frames: int) -> list[Slice]:
    """The slices that the frames of one file hold, in their order."""
    if not dataset.get("PerFrameFunctionalGroupsSequence"):
        return _slices_of_stack(dataset, frames)
    return [_slice_of_frame(dataset, frame) for frame in range(frames)]


def group(dataset: Dataset, frame: int, name: str) -> Dataset | None:
    """A functional group of a frame, its own or shared; None when there is none."""
    for place in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        groups = dataset.get(place) or []
        index = frame if place.startswith("Per") else 0
        if len(groups) > index and name in groups[index] and groups[index][name].value:
            found: Dataset = groups[index][name].value[0]
            return found
    return None


def values(dataset: Dataset | None, name: str) -> tuple[str, ...]:
    """All values of an element as text; none when it is absent or damaged."""
    if dataset is None:
        return ()
    try:
        value = dataset.get(name)
        several = value is not None and not isinstance(value, str) and hasattr(value, "__iter__")
        found = list(value) if several else [value]
    except Exception:  # a damaged element is as good as none
        return ()
    return tuple(str(one).strip(" \0") for one in found if one is not None)


def short(uid: str) -> str:
    """A short hash of a UID: enough to tell instances apart, naming none."""
    return hashlib.sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:16] if uid else ""


def _slice_of_frame(dataset: Dataset, frame: int) -> Slice:
    measures = group(dataset, frame, "PixelMeasuresSequence") or dataset
    plane = group(dataset, frame, "PlaneOrientationSequence") or dataset
    place = group(dataset, frame, "PlanePositionSequence") or dataset
    across, down = _directions(plane)
    spacing = _pair(measures, "PixelSpacing")
    content = group(dataset, frame, "FrameContentSequence")
    marks = ["\\".join(values(group(dataset, frame, n), name)) for n, name in _FRAME_MARKS]
    return Slice(
        uid=str(frame),
        number=frame,
        position=_vector(place, "ImagePositionPatient"),
        across=across,
        down=down,
        spacing=spacing,
        gap=_gap(measures),
        marks=(*marks, *values(content, "DimensionIndexValues")),
    )


def _slices_of_stack(dataset: Dataset, frames: int) -> list[Slice]:
    """Frames without groups of their own: one position, and a step from frame to frame."""
    detectors = dataset.get("DetectorInformationSequence") or []
    place = dataset if "ImagePositionPatient" in dataset or not detectors else detectors[0]
    start, (across, down) = _vector(place, "ImagePositionPatient"), _directions(place)
    step = number(dataset, "SpacingBetweenSlices")
    first = Slice(across=across, down=down, position=start)
    normal, at = first.normal, [None] * frames
    if step and start and normal is not None:
        at = [_moved(start, normal * step * frame) for frame in range(frames)]  # type: ignore[misc]
    spacing = _pair(dataset, "PixelSpacing")
    return [
        Slice((), str(i), i, at[i], across, down, spacing, _gap(dataset)) for i in range(frames)
    ]


def _moved(start: Vector, way: Any) -> Vector:
    x, y, z = (float(a + b) for a, b in zip(start, way, strict=True))
    return x, y, z


def number(dataset: Dataset, name: str) -> float:
    """An element's first value as a finite number, 0 when it is absent or is none."""
    try:
        value = float(text(dataset, name))
    except ValueError:
        return 0.0
    return value if abs(value) < 1e9 else 0.0


def _gap(dataset: Dataset) -> float:
    return abs(number(dataset, "SpacingBetweenSlices") or number(dataset, "SliceThickness"))


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        return 0


def _numbers(dataset: Dataset, name: str, count: int) -> list[float] | None:
    try:
        found = [float(value) for value in values(dataset, name)]
    except ValueError:
        return None
    finite = all(abs(value) < 1e6 for value in found)
    return found if len(found) == count and finite else None


def _vector(dataset: Dataset, name: str) -> Vector | None:
    found = _numbers(dataset, name, 3)
    return (found[0], found[1], found[2]) if found else None


def _pair(dataset: Dataset, name: str) -> tuple[float, float] | None:
    found = _numbers(dataset, name, 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def _directions(dataset: Dataset) -> tuple[Vector | None, Vector | None]:
    """Directions of rows and columns; none where they are no unit vectors at a right angle."""
    found = _numbers(dataset, "ImageOrientationPatient", 6)
    if not found:
        return None, None
    across, down = (found[0], found[1], found[2]), (found[3], found[4], found[5])
    lengths = [sum(x * x for x in vector) for vector in (across, down)]
    between = sum(x * y for x, y in zip(across, down, strict=True))
    if any(abs(length - 1) > 0.02 for length in lengths) or abs(between) > 0.02:
        return None, None
    return across, down


def is_tiled(dataset: Dataset) -> bool:
    """Whether the image is a mosaic: many slices beside and below each other."""
    return not {"MOSAIC", "VFRAME"}.isdisjoint(values(dataset, "ImageType"))


def is_slice(dataset: Dataset) -> bool:
    """Whether a single-frame file may be one slice of many: it says where it lies, or is a scan."""
    if _whole(text(dataset, "NumberOfFrames")) > 1 or not text(dataset, "SeriesInstanceUID"):
        return False
    if is_tiled(dataset):
        return False
    if not _whole(text(dataset, "Rows")) or not _whole(text(dataset, "Columns")):
        return False
    placed = "ImagePositionPatient" in dataset and "ImageOrientationPatient" in dataset
    scans = ("CTImage", "MRImage", "PositronEmissionTomographyImage")
    return placed or any(part in storage_class(dataset) for part in scans)
