"""A series of DICOM files, each a slice, as one volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom import header, person
from medfm_cli.readers.dicom.file import IN_MEMORY, damage_as_unreadable, glimpsed, opened
from medfm_cli.readers.dicom.frames import made
from medfm_cli.readers.dicom.geometry import MARKS, is_slice, slice_of
from medfm_cli.readers.dicom.pixels import Decoder
from medfm_cli.readers.dicom.slices import Order, Slice, apart, arrange
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.voxels import Stack, check_size
from medfm_cli.samples.content import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    *MARKS,
)


def glimpse(path: Path) -> Slice | None:
    """What the header says of the slice that a file holds; None when it holds none.

    Only the beginning of the file is parsed. What cannot be parsed is no slice: reading the file
    alone will tell what it is.
    """
    from pydicom.datadict import tag_for_keyword

    tags = [tag for name in _TAGS if (tag := tag_for_keyword(name)) is not None]
    dataset = glimpsed(path, tags)
    if dataset is None or not is_slice(dataset):
        return None
    try:
        header.refuse_what_is_no_image(dataset)
    except Unreadable:
        return None
    return slice_of(dataset)


def series(paths: Sequence[Path], options: ReadOptions) -> Iterator[Item]:
    """One volume of the files' slices; afterwards Unreadable, where some could not be read.

    Raises:
        Unreadable: fewer than two slices can be read, they make no one volume, or it is larger
            than allowed.
    """
    broken: Counter[str] = Counter()
    found = [pair for path in paths if (pair := _header(path, broken))]
    slices = [one for one, _, _ in found]
    if len(found) < 2:
        raise Unreadable(_failure(broken, len(paths)) or "a single slice is not a volume")
    if (volumes := len(apart(slices))) > 1:
        alone = volumes == len(slices)  # such as copies of one slice
        reason = "a single slice is not a volume" if alone else "its slices do not make one volume"
        raise Unreadable(reason)
    order = arrange(slices)
    decoder = Decoder(found[0][1], None)
    check_size((len(order.order), *decoder.shape), options.max_values)
    array, read = _stacked([found[index][2] for index in order.order], broken)
    if len(read) < len(order.order):
        order = arrange([slices[order.order[index]] for index in read])
    content = made(array, order, unit=decoder.unit(0))
    yield _item(content, found[0][1], decoder, order)
    if broken:
        raise Unreadable(_failure(broken, len(paths)))


def _header(path: Path, broken: Counter[str]) -> tuple[Slice, Dataset, Path] | None:
    try:
        with damage_as_unreadable():
            dataset = opened(path, pixels=False)
            header.refuse_what_is_no_image(dataset)
            return slice_of(dataset), dataset, path
    except Unreadable as error:
        broken[error.reason] += 1
        return None


def _stacked(paths: Sequence[Path], broken: Counter[str]) -> tuple[NDArray[Any], list[int]]:
    """The slices of files in order, and the numbers of those that could be read."""
    stack = Stack(len(paths))
    read: list[int] = []
    for index, path in enumerate(paths):
        try:
            with damage_as_unreadable():
                large = path.stat().st_size > IN_MEMORY
                decoder = Decoder(opened(path), path if large else None)
                _, values = next(decoder.values([0]))
                stack.put(len(read), decoder.real(values, 0))
        except Unreadable as error:
            broken[error.reason] += 1
        else:
            read.append(index)
    if len(read) < 2:  # of several files one may be left: copies of one slice
        raise Unreadable(_failure(broken, len(paths)) or "a single slice is not a volume")
    return stack.array[: len(read)], read


def _item(content: Volume, first: Dataset, decoder: Decoder, order: Order) -> Item:
    facts = decoder.facts() | header.facts(first) | {"slices": len(content.voxels)}
    common = header.common(first) | person.about(first)
    return Item(content, facts, notes=(*header.notes(first), *order.notes), **common)


def _failure(broken: Counter[str], files: int) -> str:
    """What is wrong with files of the series, the commonest first."""
    if not broken:
        return ""
    reason, _ = broken.most_common(1)[0]
    return f"{broken.total()} of {files} slices cannot be read and are missing: {reason}"
