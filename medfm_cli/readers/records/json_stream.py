"""JSON as a stream of elements: a list of millions of objects in the memory of one.

Reads `[…]`, the list inside of an object (`{"questions": […], …}`), and JSON lines. Needs no numpy.
Why not ijson: it gives no byte offsets, and rows are read in ranges and COCO's annotations one by
one from the byte where each begins. `json`'s own decoder parses every element.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from medfm_cli.readers.records.delimited import LONGEST_LINE, Broken

CHUNK = 1 << 18
LARGEST = 16 << 20
"""Largest element that is read, in characters."""
WRAPPINGS = (
    *("questions", "data", "annotations", "images", "samples", "reports", "records", "rows"),
    *("items", "examples", "notes", "texts"),
)
"""Keys of an object whose list is what the file is about."""
_SPACE = re.compile(r"[\s]*")
_NEXT = re.compile(r"\s*,?\s*")
_KEY = re.compile(r'"((?:[^"\\]|\\.){1,80})"\s*:')
_ODD = re.compile("[\udc80-\udcff]")
_NO_UTF8 = Broken(0, 0, "it is not in UTF-8")
_FAILS = (ValueError, RecursionError, MemoryError)


class Damaged(ValueError):
    """JSON that breaks off or is damaged; says what is wrong in a few words."""


def is_lines(path: Path) -> bool:
    """Whether a file is JSON lines: an object a line.

    A file of one line is, unless the object is the wrapping of a list of objects.
    """
    with path.open("rb") as file:
        first = _next_line(file)
        second = _next_line(file)
    found = _loaded(first)
    if not isinstance(found, dict):
        return second.startswith(b"{") and first.startswith(b"{") and first.endswith(b"}")
    if second:
        return second.startswith(b"{")
    return not any(
        key in WRAPPINGS and isinstance(value, list) and value and isinstance(value[0], dict)
        for key, value in found.items()
    )


def _next_line(file: IO[bytes]) -> bytes:
    while line := file.readline(LONGEST_LINE):
        if text := line.strip(b"\xef\xbb\xbf \t\r\n"):
            return text
    return b""


def is_json(head: bytes) -> bool:
    """Whether a file begins like JSON that holds objects."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return bool(re.match(rb'\{\s*"|\[\s*\{\s*"', start)) and b"\0" not in head


def keys(head: bytes) -> set[str]:
    """The names of keys, in small letters, that occur in the first bytes of JSON."""
    return {key.lower() for key in _KEY.findall(head.decode("utf-8", "replace"))}


def lines(path: Path, offset: int = 0, line: int = 1) -> Iterator[tuple[int, int, Any | Broken]]:
    """The objects of JSON lines: the byte and line where each begins, and the object.

    A line that is none is `Broken` (without a number); empty lines are left out.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.readline(LONGEST_LINE + 1):
            start, offset = offset, offset + len(data)
            more = data
            while len(more) > LONGEST_LINE and not more.endswith(b"\n"):
                more = file.readline(LONGEST_LINE + 1)
                offset += len(more)
            if offset - start > LONGEST_LINE:
                reason = f"a line of more than {LONGEST_LINE >> 20} MB"
                yield start, line, Broken(0, line, reason)
            elif data.strip(b"\xef\xbb\xbf \t\r\n\0"):
                found = _loaded(data)
                damaged = not isinstance(found, dict)
                yield start, line, Broken(0, line, "not a JSON object") if damaged else found
            line += 1


def elements(path: Path, key: str | None = None, offset: int = 0) -> Iterator[tuple[int, Any]]:
    """The elements of a list, with the byte where each begins; `Broken` for one that is not UTF-8.

    Args:
        path: the file.
        key: the key of the outer object that holds the list; the file itself is the list if None.
        offset: begin at the element at this byte, which an earlier reading gave.

    Raises:
        Damaged: the list breaks off, or there is none; what came before it was good.
    """
    with path.open("rb") as file:
        file.seek(offset)
        text = _Text(file, offset)
        if not offset:
            _enter(text, key)
        while True:
            text.skip(_NEXT)
            if text.peek() == "]":
                return
            start = text.offset()
            yield start, text.value()


def list_keys(path: Path) -> dict[str, str]:
    """The keys of the outer object, with what each holds: `list`, `object` or `value`.

    Raises:
        Damaged: it is no object, or breaks off.
    """
    found: dict[str, str] = {}
    with path.open("rb") as file:
        text = _Text(file, 0)
        text.skip(_SPACE)
        if text.take() != "{":
            raise Damaged("not a JSON object")
        while True:
            text.skip(_NEXT)
            if text.peek() == "}":
                return found
            name = text.value()
            text.skip(_SPACE)
            if text.take() != ":" or not isinstance(name, str):
                raise Damaged("damaged JSON")
            text.skip(_SPACE)
            found[name] = {"[": "list", "{": "object"}.get(text.peek(), "value")
            text.pass_value()


def _enter(text: _Text, key: str | None) -> None:
    """Go to the first element of the list."""
    text.skip(_SPACE)
    if key is not None:
        if text.take() != "{":
            raise Damaged("not a JSON object")
        while True:
            text.skip(_NEXT)
            if text.peek() == "}":
                raise Damaged(f"no list '{key}'")
            name = text.value()
            text.skip(_SPACE)
            if text.take() != ":":
                raise Damaged("damaged JSON")
            text.skip(_SPACE)
            if name == key:
                break
            text.pass_value()
    if text.take() != "[":
        raise Damaged("not a JSON list")


class _Text:
    """A file as text that is read as it is needed, forgetting what lies behind."""

    def __init__(self, file: IO[bytes], offset: int) -> None:
        self._file = file
        self._decoder = getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at = "", 0
        self._offset, self._told = offset, 0  # the byte of the character `_told`
        self._ended = False
        if not offset and file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        elif not offset:
            self._offset = 3

    def offset(self) -> int:
        """The byte of the next character."""
        passed = self._text[self._told : self._at]
        self._offset += len(passed.encode("utf-8", "surrogateescape"))
        self._told = self._at
        return self._offset

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Pass over what the pattern matches."""
        while True:
            match = pattern.match(self._text, self._at)
            end = match.end() if match else self._at
            if end < len(self._text) or not self._more():
                self._at = end
                return

    def peek(self) -> str:
        """The next character.

        Raises:
            Damaged: there is none.
        """
        if self._at >= len(self._text) and not self._more():
            raise Damaged("JSON that breaks off")
        return self._text[self._at]

    def take(self) -> str:
        """The next character, passing it."""
        character = self.peek()
        self._at += 1
        return character

    def value(self) -> Any:
        """The next value, passing it; `Broken` when its text is no UTF-8.

        Raises:
            Damaged: it is none, it breaks off, or it is too large.
        """
        self._forget()
        while True:
            with suppress(*_FAILS):
                found, end = _DECODER.raw_decode(self._text, self._at)
                if end == len(self._text) and self._more():
                    continue  # a number may go on
                piece = self._text[self._at : end]
                self._at = end
                return found if piece.isascii() or not _ODD.search(piece) else _NO_UTF8
            if len(self._text) - self._at > LARGEST:
                raise Damaged(f"JSON with an element of more than {LARGEST >> 20} MB, or damaged")
            if not self._more(len(self._text)):
                raise Damaged("JSON that is damaged or breaks off")

    def pass_value(self) -> None:
        """Pass over the next value, element by element where it is a list or an object."""
        opening = self.peek()
        if opening not in "[{":
            self.value()
            return
        self.take()
        closing = "]" if opening == "[" else "}"
        while True:
            self.skip(_NEXT)
            if self.peek() == closing:
                self.take()
                return
            self.value()
            if opening == "{":
                self.skip(_SPACE)
                if self.take() != ":":
                    raise Damaged("damaged JSON")
                self.skip(_SPACE)
                self.value()

    def _forget(self) -> None:
        if self._at > CHUNK:
            self.offset()
            self._text, self._at, self._told = self._text[self._at :], 0, 0

    def _more(self, size: int = CHUNK) -> bool:
        """Read on; whether there was anything."""
        if self._ended:
            return False
        data = self._file.read(max(size, CHUNK))
        self._ended = not data
        self._text += self._decoder.decode(data, final=self._ended)
        return bool(data)


def _loaded(data: bytes) -> Any:
    with suppress(*_FAILS):
        return _DECODER.decode(data.decode("utf-8-sig").strip())
    return None


_DECODER = json.JSONDecoder(parse_constant={"NaN": None}.get)
