"""Notes and reports, one text a file: `.txt` in UTF-8 or the older Western encoding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.samples.content import Text

LARGEST = 4 << 20
"""Largest text that is one sample, in bytes."""
_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13, 27}


def sniff(head: bytes) -> bool:
    """Whether the file holds text, of whatever kind."""
    return bool(head.strip()) and not _CONTROLS & set(head)


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The whole file as one text; line ends become `\\n`.

    Raises:
        Unreadable: it is binary, too large, or says nothing.
    """
    del options
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unreadable(f"a text of more than {LARGEST >> 20} MB; a table of texts has rows")
    if b"\0" in data:
        raise Unreadable("a text with NUL bytes")
    encoding, text = decode(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise Unreadable("an empty text", step="quality")
    yield Item(Text(text), {"format": "text", "encoding": encoding})


def decode(data: bytes) -> tuple[str, str]:
    """The name of the encoding, and the text: UTF-8, else Windows-1252, else Latin-1."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return encoding.removesuffix("-sig"), data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return "latin-1", data.decode("latin-1")
