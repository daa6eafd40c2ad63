"""From DICOM pixel data to what a workstation shows: PS3.3 C.7.6.3, C.11.1 and C.11.2."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes

from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom.file import pixel_data
from medfm_cli.readers.dicom.frame_size import check_claims
from medfm_cli.readers.dicom.geometry import group
from medfm_cli.readers.dicom.header import text
from medfm_cli.readers.dicom.jpeg import coded_as, says_jfif, with_full_scans
from medfm_cli.readers.dicom.look_up_table import LookUpTable, look_up_table
from medfm_cli.readers.dicom.stored_bits import StoredBits
from medfm_cli.readers.dicom.ycbcr import looks_like_ycbcr
from medfm_cli.readers.item import evenly
from medfm_cli.readers.voxels import narrow, rescaled
from medfm_cli.samples.to_uint8 import limits, plain, scale, stretch

if TYPE_CHECKING:
    from pydicom.uid import UID

_PANIC = "PanicException"
"""What decoders written in Rust raise; it is no `Exception`."""
_COLOUR_TABLE = "PALETTE COLOR"
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_RUN_LENGTHS = "1.2.840.10008.1.2.5"
_SIGNED_BY_CODEC = (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes)
_SPACE = {"RGB": "RGB", "YCbCr": "YBR_FULL"}
_FLAT = 1.0
"""A window after which grey values vary less than this (of 255) shows nothing."""
_SAMPLE = 8
"""Frames of a video that are looked at to choose its greys."""


class Decoder:
    """The frames of one file, decoded one at a time.

    Args:
        dataset: the parsed file.
        path: given for a large file whose pixel data was not read.

    Attributes:
        remarks: what the report should say of frames decoded so far.

    Raises:
        Unreadable: the header of the image makes no sense.
    """

    def __init__(self, dataset: Dataset, path: Path | None) -> None:
        self.dataset = dataset
        self._source = dataset if path is None else path
        self.rows = self._number("Rows")
        self.columns = self._number("Columns")
        self.frames = max(1, self._number("NumberOfFrames", default=1))
        self.bits = self._number("BitsStored", default=self._number("BitsAllocated"))
        self.signed = self._number("PixelRepresentation") == 1
        high_bit = self._number("HighBit", default=self.bits - 1)
        self.stored = StoredBits(self.bits, high_bit, self.signed)
        self.photometric = text(dataset, "PhotometricInterpretation").upper()
        self.syntax: UID = dataset.file_meta.TransferSyntaxUID
        self.compressed = self.syntax.is_transfer_syntax and self.syntax.is_compressed
        self.remarks: tuple[str, ...] = ()
        self._prepared = self._jfif = False
        self._coded = ""
        self._is_ycbcr: bool | None = None

    def image(self, frame: int) -> tuple[NDArray[np.uint8], str]:
        """One frame as uint8 `[H, W]` or `[H, W, 3]`, and how its greys were chosen.

        Raises:
            Unreadable: it cannot be decoded.
        """
        pixels, display = self._shown(next(self._decoded([frame])), frame, None)
        return plain(pixels), display

    def images(self, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Several frames of a video, uint8 `[H, W]` or `[H, W, 3]`.

        Where neither the file nor its numbers say what is black and white, all frames share one
        grey scale, so that they do not flicker.

        Args:
            frames: ascending numbers.

        Raises:
            Unreadable: one cannot be decoded.
        """
        shared = None
        if self.photometric.startswith("MONOCHROME"):
            some = [frames[i] for i in evenly(len(frames), _SAMPLE)]
            shared = limits(np.stack([self.real(v, f) for f, v in self.values(some)]))
        for frame, values in self.values(frames):
            yield self._shown(values, frame, shared)[0]

    def values(self, frames: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Numbers of frames (ascending) and their stored values, `[H, W]` or `[H, W, 3]`.

        Raises:
            Unreadable: one cannot be decoded.
        """
        yield from zip(frames, self._decoded(frames), strict=False)

    def real(self, values: NDArray[Any], frame: int) -> NDArray[Any]:
        """A frame's values by its rescale or modality LUT, kept without loss; colours as bytes.

        Raises:
            Unreadable: the tables of the header make no sense.
        """
        transform = self._group(frame, "PixelValueTransformationSequence")
        try:
            if self.photometric == _COLOUR_TABLE:
                return self._by_palette(values)
            if values.ndim == 3:
                return _to_bytes(values, self.bits)
            if transform.get("ModalityLUTSequence"):
                return narrow(self._table(transform.ModalityLUTSequence[0]).apply(values))
            if "RescaleSlope" in transform and "RescaleIntercept" in transform:
                slope, intercept = (
                    float(text(transform, f"Rescale{name}")) for name in ("Slope", "Intercept")
                )
                return rescaled(values, slope, intercept)
            return narrow(values)
        except Unreadable:
            raise
        except Exception:  # tables of the header that contradict each other
            raise Unreadable("its header does not say how to make its values") from None

    def unit(self, frame: int) -> str:
        """`HU` for a CT whose rescale leads to Hounsfield units, else empty."""
        transform = self._group(frame, "PixelValueTransformationSequence")
        kind = text(transform, "RescaleType").upper()
        is_ct = text(self.dataset, "Modality").upper() == "CT"
        return "HU" if is_ct and "RescaleIntercept" in transform and kind in ("", "HU") else ""

    def _shown(
        self, values: NDArray[Any], frame: int, shared: tuple[float, float] | None
    ) -> tuple[NDArray[np.uint8], str]:
        try:
            if self.photometric == _COLOUR_TABLE:
                return self._by_palette(values), "palette"
            if values.ndim == 3:
                return _to_bytes(values, self.bits), "colour"
            pixels, display = self._greys(values, frame, shared)
        except Unreadable:
            raise
        except Exception:  # tables of the header that contradict each other
            raise Unreadable("its header does not say how to make grey levels or colours") from None
        return (255 - pixels if self.photometric == "MONOCHROME1" else pixels), display

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and colours of a frame as it will be shown."""
        return self.rows, self.columns, 1 if self.photometric.startswith("MONOCHROME") else 3

    def facts(self) -> dict[str, Any]:
        """Technical facts of the file."""
        facts: dict[str, Any] = {
            "format": "DICOM",
            "transfer_syntax": str(self.syntax.name),
            "photometric": self.photometric,
            "bits": self.bits,
            "rows": self.rows,
            "columns": self.columns,
        }
        return facts | {"frames": self.frames} if self.frames > 1 else facts

    def _number(self, name: str, *, default: int = 0) -> int:
        value = text(self.dataset, name)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise Unreadable(f"its header has no number for {name}") from None

    def _decoded(self, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
        from pydicom.pixels.utils import iter_pixels

        if self._source is self.dataset and "PixelData" not in self.dataset:
            raise Unreadable("a DICOM object without pixel data", step="quality")
        if self.compressed:
            self._check_claims(frames)
            self._prepare(frames[0])
        done = 0
        whole = not self.compressed or self.syntax == _RUN_LENGTHS
        # pydicom clears the bits above BitsStored, where a header with a high bit puts the values
        moved = self.stored.above and self.syntax not in _SIGNED_BY_CODEC
        known: dict[str, Any] = {"bits_stored": self.stored.high_bit + 1} if moved else {}
        if self._coded:
            known["photometric_interpretation"] = _SPACE[self._coded]
        decoded = iter(iter_pixels(self._source, indices=frames, **known))
        while True:
            try:
                with _muted() if self.compressed else nullcontext():
                    values = next(decoded, None)
            except BaseException as error:  # every decoder fails in its own way
                if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
                    raise
                raise Unreadable(_reason(error, str(self.syntax.name))) from None
            if values is None:
                break
            done += 1
            yield self._as_rgb(self.stored.of(values, whole=whole))
        if done < len(frames):
            raise Unreadable("it holds fewer frames than its header says")

    def _as_rgb(self, values: NDArray[Any]) -> NDArray[Any]:
        """Colours whose header says RGB, whose JPEG does not contradict, and that are YCbCr."""
        if str(self.syntax) not in _JPEG or self.photometric != "RGB" or self._coded:
            return values
        if values.ndim != 3 or values.dtype != np.uint8:
            return values
        if self._is_ycbcr is None:  # one answer for all frames, so that a video does not flicker
            self._is_ycbcr = not self._jfif and looks_like_ycbcr(values)
        if not self._is_ycbcr:
            return values
        from pydicom.pixels.processing import convert_color_space

        self.remarks = ("colours taken for YCbCr, though the header says RGB",)
        return convert_color_space(values, "YBR_FULL", "RGB")

    def _prepare(self, frame: int) -> None:
        """See what a JPEG says of its colours, and put its scans right."""
        if self._prepared or str(self.syntax) not in _JPEG:
            return
        self._prepared = True
        coded = self._encoded(frame)
        if self._number("SamplesPerPixel", default=1) == 3:
            self._coded, self._jfif = coded_as(coded), says_jfif(coded)
        if self._source is self.dataset:
            data = self.dataset.PixelData
            if (mended := with_full_scans(data, coded)) != data:
                self.dataset.PixelData = mended

    def _encoded(self, frame: int) -> bytes:
        """The bytes of a frame; none where they are damaged, which the decoder will say."""
        from pydicom.encaps import get_frame

        try:
            if isinstance(self._source, Path):
                with pixel_data(self._source) as file:
                    return get_frame(file, frame, number_of_frames=self.frames)
            return get_frame(self.dataset.PixelData, frame, number_of_frames=self.frames)
        except OSError:
            raise
        except Exception:
            return b""

    def _table(self, item: Dataset) -> LookUpTable:
        return look_up_table(item, little_endian=self.syntax.is_little_endian)

    def _check_claims(self, frames: Sequence[int]) -> None:
        size = {"count": self.frames, "rows": self.rows, "columns": self.columns}
        if isinstance(self._source, Path):
            with pixel_data(self._source) as file:
                check_claims(file, frames, **size)
        else:
            check_claims(self.dataset.PixelData, frames, **size)

    def _by_palette(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        from pydicom.pixels.processing import apply_color_lut

        colours = apply_color_lut(values, self.dataset)[..., :3]
        return _to_bytes(colours, 16 if colours.dtype.itemsize > 1 else 8)

    def _greys(
        self, values: NDArray[Any], frame: int, shared: tuple[float, float] | None
    ) -> tuple[NDArray[np.uint8], str]:
        """Modality LUT or rescale, then VOI LUT or window, else limits or percentiles."""
        from pydicom.pixels.processing import apply_modality_lut

        transform = self._group(frame, "PixelValueTransformationSequence")
        if transform.get("ModalityLUTSequence"):
            real = self._table(transform.ModalityLUTSequence[0]).apply(values)
        else:
            real = apply_modality_lut(values, transform)
        table = self._by_table(real)
        if table is not None and table.std() >= _FLAT:
            return table, "VOI LUT"
        window = _window(self._group(frame, "FrameVOILUTSequence"))
        if window:
            centre, width, shape = window
            pixels = _windowed(real, centre, width, shape)
            if pixels.std() >= _FLAT:
                return pixels, f"window {centre:g}/{width:g}"
        if real is values and values.dtype == np.uint8 and self.bits == 8:
            return values, "as stored"
        if shared:
            return scale(real, low=shared[0], high=shared[1]), "percentiles"
        return stretch(real, of=self._without_padding(values, real)), "percentiles"

    def _group(self, frame: int, name: str) -> Dataset:
        """The functional group of a frame that enhanced objects have, else the file itself."""
        return group(self.dataset, frame, name) or self.dataset

    def _by_table(self, real: NDArray[Any]) -> NDArray[np.uint8] | None:
        """Greys by the first table of the file; None when there is none that can be used."""
        if not self.dataset.get("VOILUTSequence"):
            return None
        try:
            table = self._table(self.dataset.VOILUTSequence[0])
            shown = table.apply(real)
        except Exception:  # a damaged table: there are other ways to choose greys
            return None
        return scale(shown, low=0.0, high=float(table.top))

    def _without_padding(self, values: NDArray[Any], real: NDArray[Any]) -> NDArray[Any]:
        """The values that are image, where the file says which value only fills the frame."""
        padding = text(self.dataset, "PixelPaddingValue")
        if not padding.lstrip("-").isdigit():
            return real
        image = real[values != self._as_pixel(int(padding))]
        return image if image.size else real

    def _as_pixel(self, number: int) -> int:
        """A number of the header in the sign of the pixels: 63536 may stand for -2000."""
        size = 1 << self._number("BitsAllocated", default=16)
        if self.signed and number >= size // 2:
            return number - size
        return number + size if not self.signed and number < 0 else number


def _to_bytes(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Colours of any depth to 0…255."""
    if values.dtype == np.uint8 and bits <= 8:
        return values
    return scale(values.astype(np.float64), low=0.0, high=float(2**bits - 1))


def _window(group: Dataset) -> tuple[float, float, str] | None:
    """The first window of the file: centre, width and function."""
    try:
        centre, width = (float(text(group, f"Window{name}")) for name in ("Center", "Width"))
    except ValueError:
        return None
    shape = text(group, "VOILUTFunction").upper() or "LINEAR"
    return (centre, width, shape) if width > 0 else None


def _windowed(real: NDArray[Any], centre: float, width: float, shape: str) -> NDArray[np.uint8]:
    """Window of PS3.3 C.11.2.1.2 (linear) and C.11.2.1.3 (exact, sigmoid)."""
    values = real.astype(np.float64)
    if shape == "SIGMOID":
        return scale(1 / (1 + np.exp(-4 * (values - centre) / width)), low=0.0, high=1.0)
    if shape == "LINEAR_EXACT" or width <= 1:
        return scale(values, low=centre - width / 2, high=centre + width / 2)
    return scale(values, low=centre - 0.5 - (width - 1) / 2, high=centre - 0.5 + (width - 1) / 2)


@contextmanager
def _muted() -> Iterator[None]:
    """Send to nowhere what decoders write to the terminal by themselves, as they panic."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no terminal
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _reason(error: BaseException, syntax: str) -> str:
    """What went wrong, in words that quote nothing from the file."""
    message = str(error)
    if "less than expected" in message or "not enough" in message.lower():
        return "its pixel data is shorter than its header says"
    if isinstance(error, MemoryError):
        return "the image needs more memory than there is"
    if "missing dependencies" in message or "No decoding plugins" in message:
        return f"no decoder is installed for {syntax}"
    if isinstance(error, NotImplementedError) or "no pixel data decoders" in message:
        return f"its encoding is not supported ({syntax})"
    if isinstance(error, AttributeError):
        return "its header lacks what is needed to decode the pixel data"
    return f"its pixel data is damaged or cannot be decoded ({syntax})"
