"""A few words for files that are no images, so that a quarantine says what they are."""

from __future__ import annotations

import re
import zlib

from medfm_cli.readers.records.delimited import UTF_16, delimiter

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ", "an xz file"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (257, b"ustar", "a tar archive"),
    *((4, b"ftyp" + brand, "an AVIF image") for brand in (b"avif", b"avis")),
    *((4, b"ftyp" + brand, "a HEIF image") for brand in (b"heic", b"heix", b"hevc", b"mif1")),
    (4, b"ftyp", "a video (MP4 family)"),
    (0, b"MATRIX7", "an ECAT 7 scan: convert it to NIfTI"),
    (0, b"CDF\x01", "a NetCDF file (MINC 1): convert it to NIfTI"),
    (0, b"CDF\x02", "a NetCDF file (MINC 1): convert it to NIfTI"),
    (0, b"\x00\x00\x00\x01\x00\x00", "an MGH volume of FreeSurfer: convert it to NIfTI"),
    (0, b"Brain Vision", "a BrainVision header: convert the recording to EDF"),
    (0, b"BrainVision", "a BrainVision header: convert the recording to EDF"),
    (0, b"\x00\x00\x01\xba", "a video (MPEG)"),
    (0, b"\x00\x00\x01\xb3", "a video (MPEG)"),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska)"),
    (8, b"AVI ", "a video (AVI)"),
    (8, b"WAVE", "audio (WAV)"),
    (0, b"OggS", "audio (Ogg)"),
    (0, b"ID3", "audio (MP3)"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"PAR1", "a parquet table"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\x80\x04\x95", "a Python pickle, which is never opened"),
    (0, b"\x80\x02", "a Python pickle, which is never opened"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
)


_TEXTS = (
    (re.compile(rb"# === DATA DESCRIPTION FILE"), "a PAR header of Philips: convert it to NIfTI"),
    (
        re.compile(rb"^\s*type\s*=\s*(string|float|integer)-attribute", re.MULTILINE),
        "an AFNI header: convert it to NIfTI",
    ),
)


def describe(head: bytes) -> str:
    """What a file that begins with `head` seems to be."""
    if not head:
        return "an empty file"
    if head.startswith(UTF_16):
        return "text in UTF-16: save it in UTF-8"
    if _is_mgz(head):
        return "an MGZ volume of FreeSurfer: convert it to NIfTI"
    for offset, mark, name in _MAGIC:
        if head[offset : offset + len(mark)] == mark:
            return name
    for pattern, name in _TEXTS:
        if pattern.search(head):
            return name
    return _text(head) or "unknown binary content"


def _is_mgz(head: bytes) -> bool:
    """Whether a gzip file begins with FreeSurfer's version number and a plausible width."""
    if not head.startswith(b"\x1f\x8b"):
        return False
    try:
        start = zlib.decompressobj(wbits=31).decompress(head, 8)
    except zlib.error:
        return False
    return start[:6] == b"\x00\x00\x00\x01\x00\x00"


def _text(head: bytes) -> str:
    sample = head[: len(head) - 3] if len(head) > 64 else head  # may end inside a character
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if any(ord(character) < 9 for character in text):
        return ""
    start = text.lstrip("\ufeff \t\r\n")[:1]
    kinds = {"<": "text (XML or HTML)", "{": "text (JSON)", "[": "text (JSON)"}
    if start not in kinds and delimiter(head):
        return "text (a table: 'readers: [table]' takes its rows as samples)"
    return kinds.get(start, "text")
