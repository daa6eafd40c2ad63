"""DICOM, single and multi-frame, with and without its file header (pydicom, pylibjpeg)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medfm_cli.data.content import Picture
from medfm_cli.data.readers import dicom_header as header
from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable, evenly

if TYPE_CHECKING:
    from pydicom import Dataset

IN_MEMORY = 256 << 20
"""Up to this size (bytes) a file is read whole; of a larger one only the frames that are taken."""
_TABLES = {"LUTData"} | {
    f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue", "Alpha")
}
_VALUE_REPRESENTATIONS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OW PN SH SL SQ SS ST TM UI UL UN US".split()
)


def sniff(head: bytes) -> bool:
    """Whether the file has the DICOM mark, or begins like a data set without it."""
    return head[128:132] == b"DICM" or _begins_bare(head)


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The image, or up to `options.frames` evenly spaced frames, as windowed for a screen.

    `facts` holds technical facts only. The patient, study and institution are handed over apart
    (`subject`, `study`, `site`) for the caller to pseudonymise.
    """
    from medfm_cli.data.readers.dicom_pixels import Decoder

    with _quiet():
        dataset = _open(path)
        header.refuse_what_is_no_image(dataset)
        decoder = Decoder(dataset, path if path.stat().st_size > IN_MEMORY else None)
        if decoder.rows * decoder.columns > options.max_pixels:
            raise Unreadable(f"an image of {decoder.rows * decoder.columns / 1e6:.0f} megapixels")
        common = header.common(dataset)
    for frame in evenly(decoder.frames, options.frames):
        with _quiet():
            pixels, display = decoder.picture(frame)
        facts = decoder.facts() | header.facts(dataset) | {"display": display}
        yield Item(Picture(pixels), facts, frame=frame, notes=header.notes(dataset), **common)


@contextmanager
def _quiet() -> Iterator[None]:
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


def _begins_bare(head: bytes) -> bool:
    """A first element of group 2 or 8, explicit or implicit, of either byte order."""
    if len(head) < 16:
        return False
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group = int.from_bytes(head[0:2], order)
        element = int.from_bytes(head[2:4], order)
        if group not in (0x0002, 0x0008) or element > 0x0080:
            continue
        if head[4:6] in _VALUE_REPRESENTATIONS:
            return True
        if int.from_bytes(head[4:8], order) <= 128:
            return True
    return False


def _open(path: Path) -> Dataset:
    import pydicom
    from pydicom.errors import InvalidDicomError

    size = path.stat().st_size
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=size > IN_MEMORY)
    except (InvalidDicomError, EOFError):
        raise Unreadable("a damaged or truncated DICOM file") from None
    except MemoryError:
        raise Unreadable("the file needs more memory than there is") from None
    except OSError:
        raise
    except Exception:  # a damaged header makes the parser say almost anything
        raise Unreadable("a damaged DICOM header") from None
    if not _has_header(dataset):
        raise Unreadable("no DICOM file, though it begins like one")
    _guess_encoding(dataset)
    if not dataset.original_encoding[1]:
        _swap_tables(dataset)
    return dataset


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
    meta = getattr(dataset, "file_meta", None)
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
