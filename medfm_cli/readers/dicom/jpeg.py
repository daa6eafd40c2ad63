"""What the markers of a JPEG frame say (ITU-T T.81), and what is put right before decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SCAN, _APP0, _APP14 = 0xDA, 0xE0, 0xEE
_SEQUENTIAL = (0xC0, 0xC1)
_JPEG_LS = 0xF7
_TABLES = (0xC4, 0xC8, 0xCC)
"""Markers between those of frame headers that are none."""
_NAMES = (b"RGB", b"rgb")
_ADOBE = {0: "RGB", 1: "YCbCr"}
_EMPTY_SCAN = re.compile(
    rb"(\xff\xda\x00(?:\x08\x01.{2}|\x0a\x02.{4}|\x0c\x03.{6}|\x0e\x04.{8})\x00)\x00(?=\x00)",
    re.DOTALL,
)
"""A scan from the first coefficient to the first."""


def segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and contents of the segments up to the first scan."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        yield marker, frame[at + 4 : end]
        if marker == _SCAN:
            return
        at = end


def is_frame_header(marker: int) -> bool:
    """Whether a marker (SOF) begins the description of size and components."""
    return marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in _TABLES)


def coded_as(frame: bytes) -> str:
    """`RGB` or `YCbCr` where a frame of three components says it, else empty.

    Adobe's marker says it, the names of components do (R, G, B), and a colour with fewer samples
    than the first one is a chroma. JFIF's marker is left to pydicom, which heeds it.
    """
    if says_jfif(frame):
        return ""
    found = ""
    for marker, body in segments(frame):
        if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            found = _ADOBE.get(body[11], "")
        if is_frame_header(marker):
            return found or _by_components(body)
    return ""


def says_jfif(frame: bytes) -> bool:
    """Whether a frame bears JFIF's marker, after which its colours are YCbCr."""
    return any(marker == _APP0 and body.startswith(b"JFIF") for marker, body in segments(frame))


def _by_components(header: bytes) -> str:
    names, sampling = header[6:15:3], header[7:15:3]
    if len(header) < 15 or header[5] != 3:
        return ""
    if names in _NAMES:
        return "RGB"
    return "YCbCr" if sampling[0] > max(sampling[1:]) else ""


def with_full_scans(data: bytes, frame: bytes) -> bytes:
    """Encapsulated data whose sequential scans name all 64 coefficients.

    Some encoders write 0 for the last one, where only 63 makes sense (T.81 B.2.3): the 12-bit
    images of NEMA's working group 4 do. libjpeg-turbo overlooks it, the decoder here does not.

    Args:
        data: the pixel data, with all frames.
        frame: one of them.
    """
    if not any(marker in _SEQUENTIAL for marker, _ in segments(frame)):
        return data
    return _EMPTY_SCAN.sub(lambda found: found[1] + b"\x3f", data)
