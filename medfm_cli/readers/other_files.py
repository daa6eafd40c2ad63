"""A few words for files that are no images, so that a quarantine says what they are."""

from __future__ import annotations

from medfm_cli.readers.records.delimited import delimiter

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ", "an xz file"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (257, b"ustar", "a tar archive"),
    (4, b"ftyp", "a video (MP4 family)"),
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


def describe(head: bytes) -> str:
    """What a file that begins with `head` seems to be."""
    if not head:
        return "an empty file"
    for offset, mark, name in _MAGIC:
        if head[offset : offset + len(mark)] == mark:
            return name
    return _text(head) or "unknown binary content"


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
