"""Parsing DICOM files within bounds: of size, of elements, of what deflated ones unpack to."""

from __future__ import annotations

import gzip
import io
import logging
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from medfm_cli.errors import Unreadable
from medfm_cli.readers.faults import is_of_the_disk

if TYPE_CHECKING:
    from pydicom import Dataset

IN_MEMORY = 256 << 20
"""Up to this size (bytes) a file is read whole; of a larger one only the frames that are taken."""
ELEMENTS = 50_000
"""Most elements at the top of a header; real ones have a few hundred."""
GLIMPSES = (1 << 16, 1 << 22)
"""How much of a file is parsed to learn where its slice lies, in bytes: first try and last."""
_ELEMENT = 12
"""Tag, representation and length of an explicit element that holds bytes."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
_AFTER_IMAGE_SIZE = 0x0028_0103
_PIXELS = (0x7FE0_0008, 0x7FE0_0009, 0x7FE0_0010)
_TABLES = {"LUTData"} | {
    f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue", "Alpha")
}
_Stop = Callable[[int, str | None, int], bool]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings and log lines to itself: they quote values from the header."""
    from pydicom import config

    logger = logging.getLogger("pydicom")
    before = logger.level
    mode = config.settings.reading_validation_mode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL + 1)
        config.settings.reading_validation_mode = config.IGNORE
        try:
            yield
        finally:
            logger.setLevel(before)
            config.settings.reading_validation_mode = mode


def opened(path: Path, *, pixels: bool = True) -> Dataset:
    """A parsed file; its pixel data is left on disk where it is large or not needed.

    Raises:
        Unreadable: it is damaged, or no DICOM file.
        OSError: it cannot be opened.
    """
    whole = pixels and path.stat().st_size <= IN_MEMORY
    with stream(path) as file:
        _check_deflated(file)
        dataset = _parsed(file, _stop(before_pixels=not whole))
    with damage_as_unreadable():
        if dataset is None or not _has_header(dataset):
            raise Unreadable("not a DICOM file, though it begins like one")
        _guess_encoding(dataset)
        if not dataset.original_encoding[1]:
            _swap_tables(dataset)
    return dataset


@contextmanager
def stream(path: Path) -> Iterator[BinaryIO]:
    """A file open for reading, or what a gzipped one (`.dcm.gz`) holds.

    Raises:
        Unreadable: it is damaged, or holds more than is taken into memory.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        if not is_gzip(_beginning(file)):
            yield file
            return
        try:
            data = gzip.GzipFile(fileobj=file).read(IN_MEMORY + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise Unreadable("a damaged or truncated gzip file") from None
    if len(data) > IN_MEMORY:
        raise Unreadable(f"a gzipped DICOM file of more than {IN_MEMORY >> 20} MB: unpack it")
    yield io.BytesIO(data)


def is_gzip(head: bytes) -> bool:
    """Whether a file is gzipped, by its first bytes."""
    return head.startswith(b"\x1f\x8b")


def _beginning(file: BinaryIO) -> bytes:
    head = file.read(2)
    file.seek(0)
    return head


@contextmanager
def pixel_data(path: Path) -> Iterator[BinaryIO]:
    """A file of an encapsulated syntax, open where the value of its pixel data begins."""
    with path.open("rb") as file:
        _parsed(file, _stop(before_pixels=True))
        file.seek(_ELEMENT, io.SEEK_CUR)
        yield file


def glimpsed(path: Path, tags: list[int]) -> Dataset | None:
    """Some elements of a header up to the image's size; None when it cannot be parsed.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        for size in GLIMPSES:
            data = _begins_with(file, size)
            reached: list[int] = []

            def stop(tag: int, vr: str | None, length: int, reached: list[int] = reached) -> bool:
                del vr, length
                if tag > _AFTER_IMAGE_SIZE:
                    reached.append(tag)
                return bool(reached)

            if _syntax_is_deflated(data):
                return None
            try:
                dataset = _parsed(io.BytesIO(data), stop, tags)
            except Unreadable:
                dataset = None
            if reached or len(data) < size:
                return dataset
    return None


def _begins_with(file: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes from the beginning, unpacked; none of a damaged gzip file."""
    file.seek(0)
    if not is_gzip(_beginning(file)):
        return file.read(size)
    try:
        return gzip.GzipFile(fileobj=file).read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def _parsed(file: BinaryIO, stop: _Stop, tags: list[int] | None = None) -> Dataset | None:
    from pydicom.filereader import read_partial

    with damage_as_unreadable():
        dataset: Dataset = read_partial(file, stop_when=stop, force=True, specific_tags=tags)
    return dataset


@contextmanager
def damage_as_unreadable() -> Iterator[None]:
    """Turn what pydicom says of damaged files, which may be almost anything, into Unreadable."""
    from pydicom.errors import InvalidDicomError

    try:
        yield
    except (InvalidDicomError, EOFError):
        raise Unreadable("a damaged or truncated DICOM file") from None
    except MemoryError:
        raise Unreadable("the file needs more memory than there is") from None
    except Unreadable:
        raise
    except Exception as error:
        if is_of_the_disk(error):
            raise
        raise Unreadable("a damaged DICOM header") from None


def _stop(*, before_pixels: bool) -> _Stop:
    """A condition to stop parsing, which also counts."""
    seen = 0

    def stop(tag: int, vr: str | None, length: int) -> bool:
        nonlocal seen
        del vr, length
        seen += 1
        if seen > ELEMENTS:
            raise Unreadable("a DICOM header of far too many elements")
        return before_pixels and tag in _PIXELS

    return stop


def _syntax_is_deflated(head: bytes) -> bool:
    return head[128:132] == b"DICM" and _DEFLATED.encode() in head[:2048]


def _check_deflated(file: BinaryIO) -> None:
    """Refuse a deflated data set that unpacks to far more than it should, before it does."""
    head = file.read(2048)
    file.seek(0)
    if not _syntax_is_deflated(head):
        return
    file.seek(144 + int.from_bytes(head[140:144], "little"))
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    try:
        while size <= IN_MEMORY and not unpacker.eof:
            data = unpacker.unconsumed_tail or file.read(1 << 16)
            if not data:
                break
            size += len(unpacker.decompress(data, 1 << 20))
    except zlib.error:
        raise Unreadable("a damaged deflated DICOM file") from None
    if size > IN_MEMORY:
        raise Unreadable(f"a deflated DICOM file of more than {IN_MEMORY >> 20} MB")
    file.seek(0)


def _swap_tables(dataset: Dataset) -> None:
    """Bring look-up tables stored as words (OW) of a big-endian file into this machine's order.

    pydicom hands such bytes over as they are, and later takes them for little-endian (except the
    segmented ones).
    """
    for element in dataset.iterall():
        if element.VR == "OW" and element.keyword in _TABLES:
            element.value = swap_words(bytes(element.value))


def swap_words(data: bytes) -> bytes:
    """16-bit words in the other byte order."""
    swapped = bytearray(data[: len(data) & ~1])
    swapped[0::2], swapped[1::2] = swapped[1::2], swapped[0::2]
    return bytes(swapped)


def _has_header(dataset: Dataset) -> bool:
    """Whether parsing found real DICOM elements, not noise read by force."""
    marks = ("SOPClassUID", "SOPInstanceUID", "Modality", "Rows", "PatientID", "StudyInstanceUID")
    meta: Any = getattr(dataset, "file_meta", None)
    return any(name in dataset for name in marks) or bool(meta)


def _guess_encoding(dataset: Dataset) -> None:
    """Name the transfer syntax that parsing implies, where the file header is missing."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if dataset.file_meta.get("TransferSyntaxUID"):
        return
    implicit, little = dataset.original_encoding
    if implicit:
        syntax = ImplicitVRLittleEndian
    else:
        syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax
