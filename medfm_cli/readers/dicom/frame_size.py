"""What a compressed frame claims of its own size, before a decoder takes memory for it.

Decoders believe the frame, not the DICOM header: a few bytes can ask for tens of gigabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom.jpeg import is_frame_header, segments

COMPONENTS = 4
"""Most components of an image (colours and transparency)."""
_CODESTREAM = b"\xff\x4f\xff\x51"
_BOXES = b"\x00\x00\x00\x0cjP  "


def check_claims(
    data: bytes | BinaryIO, frames: Sequence[int], *, count: int, rows: int, columns: int
) -> None:
    """Compare the size that frames claim with that of the DICOM header.

    Args:
        data: encapsulated pixel data, or a file open where it begins.
        frames: ascending numbers of those that will be decoded.
        count: how many frames there are.
        rows, columns: as the DICOM header has them.

    Raises:
        Unreadable: one of them differs.
    """
    from pydicom.encaps import generate_frames

    selected = set(frames)
    try:
        for index, frame in enumerate(generate_frames(data, number_of_frames=count)):
            if index in selected and (found := claimed(frame)):
                _compare(found, rows, columns)
            if index >= frames[-1]:
                return
    except Unreadable:
        raise
    except Exception:  # damaged encapsulation: the decoder will tell
        return


def claimed(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components of a JPEG, JPEG-LS or JPEG 2000 image; None if it is none."""
    if frame.startswith(b"\xff\xd8"):
        return _of_jpeg(frame)
    start = 0 if frame.startswith(_CODESTREAM) else -1
    if frame.startswith(_BOXES):
        start = frame.find(_CODESTREAM)
    return _of_jpeg_2000(frame[start:]) if start >= 0 else None


def _compare(found: tuple[int, int, int], rows: int, columns: int) -> None:
    height, width, components = found
    if height not in (0, rows) or width != columns or components > COMPONENTS:
        raise Unreadable("its pixel data does not have the size in its header")


def _of_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """From the frame header (ITU-T T.81 B.2.2, T.87 C.2.2)."""
    for marker, body in segments(frame):
        if is_frame_header(marker) and len(body) >= 6:
            height, width = (int.from_bytes(body[i : i + 2], "big") for i in (1, 3))
            return height, width, body[5]
    return None


def _of_jpeg_2000(stream: bytes) -> tuple[int, int, int] | None:
    """From the image and tile size (ITU-T T.800 A.5.1)."""
    if len(stream) < 42:
        return None
    right, bottom, left, top = (
        int.from_bytes(stream[at : at + 4], "big") for at in range(8, 24, 4)
    )
    return bottom - top, right - left, int.from_bytes(stream[40:42], "big")
