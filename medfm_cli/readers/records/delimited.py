"""Delimited text as a stream of rows: CSV, TSV and their relatives, however large. Needs no numpy.

One broken row costs one row: it comes as `Broken` with its number, and the rows after it are read.
A stray quote, which to a CSV parser opens a cell that swallows the rest of the file, ends at its
own line when the next line is a whole row again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from medfm_cli.errors import DataError

DELIMITERS = (",", "\t", ";", "|")
LONGEST = 1 << 20
"""Longest cell that is read, in characters."""
LONGEST_LINE = 4 << 20
"""Longest line that is read, in bytes."""
HEAD = 1 << 16
"""Bytes that show what kind of table a file is."""
PROBE = 10
"""Rows that are looked at to tell a table from prose."""
MARK = 4096
"""Rows from one remembered place in a file to the next."""
LINES = 64
"""Lines of the longest row that is looked for after a broken one."""
LATIN = 0.01
"""From this share of lines that are no UTF-8 on, a file is in the older Western encoding."""


EMPTY_CELLS = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "-", "?", "<na>", "#n/a"})
"""Cells without a value, in small letters."""
NO_LABEL = EMPTY_CELLS - {"none", "nil", "-"}
"""Those that mean no label: `none` and `-` may well be a class (no lesion, a negative test)."""


_SEPARATOR_LINE = re.compile(rb"(?:\xef\xbb\xbf)?sep=([,;|\t])\r?\n", re.IGNORECASE)
"""What Excel writes before the header to say how cells are separated."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Cells(NamedTuple):
    """A row: its number, from 1, and its cells, as many as the header has."""

    number: int
    cells: list[str]


class Broken(NamedTuple):
    """A row that cannot be read: its number, the line where it begins, and why. No cell of it."""

    number: int
    line: int
    reason: str


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    Attributes:
        path: the file.
        delimiter: between cells.
        encoding: `utf-8` or `cp1252`.
        header: the columns' names, without space around them.
        start, line: the byte and the number of the line after the header.
        end: what ends a line.
        shortest: cells of the shortest row that is whole: up to the last column with a name.
    """

    path: Path
    delimiter: str
    encoding: str
    header: tuple[str, ...]
    start: int
    line: int
    end: bytes
    shortest: int


def delimiter(head: bytes) -> str:
    """The delimiter of a table that begins with `head`, empty when it is none."""
    text = _text(head)
    if not text or text.lstrip()[:1] in ("<", "{", "["):
        return ""
    if named := _SEPARATOR_LINE.match(head):
        return named[1].decode()
    best = max(DELIMITERS, key=text.lstrip().partition("\n")[0].count)
    csv.field_size_limit(LONGEST)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=best)
        full = list(islice((line for line in lines if any(c.strip() for c in line)), PROBE))
    except csv.Error:
        return ""
    if len(full) < 2 or len(full[0]) < 2:
        return ""
    fits = len(full[1]) > 1 or any(len(line) == len(full[0]) for line in full[1:])
    return best if fits else ""


def layout(path: Path) -> Layout:
    """How the table in a file is written; kept until the file changes.

    Raises:
        DataError: it is missing, no table, or has two columns of one name.
    """
    try:
        status = path.stat()
        return _layout(path, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        raise DataError(f"the table '{path}' does not exist") from None
    except OSError as error:
        raise DataError(f"the table '{path}' cannot be read: {error.strerror}") from None


def rows(
    table: Layout, first: int = 0, last: int | None = None, *, fill: bool = False
) -> Iterator[Cells | Broken]:
    """The rows from number `first + 1` to `last`, one after the other; empty lines are none.

    Args:
        table: what `layout` found.
        first, last: the range, counted over whole and broken rows alike; all by default.
        fill: a row with too few cells is filled with empty ones instead of being broken.
    """
    before, line, offset = _nearest(table, first)
    with table.path.open("rb") as file:
        file.seek(offset)
        lines = _Lines(file, table, offset, line)
        for number, row in enumerate(_records(lines, table, fill=fill), before + 1):
            if last is not None and number > last:
                return
            if number > first:
                yield Cells(number, row) if isinstance(row, list) else Broken(number, *row)


def count(table: Layout) -> int:
    """How many rows there are, the broken ones too; remembers where they lie."""
    return _marks(table, *_stamp(table.path))[0]


@lru_cache(maxsize=16)
def _layout(path: Path, _size: int, _time: int) -> Layout:
    with path.open("rb") as file:
        head = file.read(HEAD)
        found = delimiter(head)
        if head.startswith(UTF_16):
            raise DataError(f"'{path}' is in UTF-16", hint="save the table as CSV in UTF-8")
        if not found:
            raise DataError(
                f"'{path}' is not a table: it needs a header line, rows, and a delimiter (, ; | or "
                "tab)"
            )
        end = b"\n" if b"\n" in head or b"\r" not in head else b"\r"
        table = Layout(path, found, _encoding(file, end), (), 0, 1, end, 0)
        file.seek(0)
        lines = _Lines(file, table, 0, 1)
        if _SEPARATOR_LINE.match(head):
            next(lines)
        header = _header(lines, table)
    if header is None:
        raise DataError(f"'{path}' is not a table: its header line cannot be read")
    names = tuple(name.strip() for name in header)
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise DataError(f"'{path}' has two columns called '{min(twice)}'", hint="rename one")
    shortest = max((place for place, name in enumerate(names, 1) if name), default=0)
    return Layout(path, found, table.encoding, names, lines.offset, lines.line, end, shortest)


def _header(lines: _Lines, table: Layout) -> list[str] | None:
    try:
        reader = csv.reader(lines, delimiter=table.delimiter, strict=True)
        row = next((row for row in reader if any(cell.strip() for cell in row)), None)
    except csv.Error:
        return None
    return None if lines.wrong else row


def _encoding(file: IO[bytes], end: bytes) -> str:
    """UTF-8, unless the header or many lines are none.

    One odd line in a large file is damage and costs a row; many are an older Western encoding.
    """
    file.seek(0)
    first, lines, odd, others = True, 0, 0, 0
    rest = b""
    while block := file.read(1 << 20):
        block, _, tail = (rest + block).rpartition(end)
        lines += block.count(end) + 1
        if not block.isascii():
            for line in block.split(end):
                if not line.isascii():
                    good = _is_utf8(line)
                    odd, others = odd + (not good), others + good
                    if first and not good and line == block.split(end, 1)[0]:
                        return "cp1252"
        first, rest = False, tail[-LONGEST_LINE:]
    if not _is_utf8(rest):
        odd += 1
    return "cp1252" if odd > others and odd >= LATIN * lines else "utf-8"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Lines:
    """The lines of a file as text, with the place of the next one; taken lines can be put back.

    `wrong` says what is wrong with those taken since it was last emptied.
    """

    def __init__(self, file: IO[bytes], table: Layout, offset: int, line: int) -> None:
        self._read = _ends_with_return(file) if table.end == b"\r" else _ends_with_newline(file)
        self._encoding = table.encoding
        self._back: list[tuple[bytes, int]] = []
        self.taken: list[tuple[bytes, int]] = []
        self.offset, self.line = offset, line
        self.wrong = ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        data, size = line = self._back.pop() if self._back else next(self._read)
        self.taken.append(line)
        if self.line == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        self.offset += size
        self.line += 1
        if size > LONGEST_LINE:
            self.wrong = f"a line of more than {LONGEST_LINE >> 20} MB"
            return "\n"
        if b"\0" in data:
            self.wrong = "it holds NUL bytes"
            data = data.replace(b"\0", b"")
        try:
            return data.decode(self._encoding)
        except UnicodeDecodeError:
            if self._encoding == "cp1252":
                return data.decode("latin-1")
            self.wrong = "it is not in UTF-8, unlike the rows around it"
            return data.decode("utf-8", "replace")

    def put_back(self, keep: int) -> None:
        """Put back all taken lines but the first `keep`."""
        back = self.taken[keep:]
        del self.taken[keep:]
        self._back.extend(reversed(back))
        self.offset -= sum(size for _, size in back)
        self.line -= len(back)


def _ends_with_newline(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Lines with their sizes; of one that is too long only the start."""
    while line := file.readline(LONGEST_LINE + 1):
        size, more = len(line), line
        while len(more) > LONGEST_LINE and not more.endswith(b"\n"):
            more = file.readline(LONGEST_LINE + 1)
            size += len(more)
        yield line, size


def _ends_with_return(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Lines that end as on an old Macintosh."""
    rest = b""
    while block := file.read(1 << 20):
        *lines, rest = (rest + block).split(b"\r")
        yield from ((line + b"\r", len(line) + 1) for line in lines)
    if rest:
        yield rest, len(rest)


def _records(lines: _Lines, table: Layout, *, fill: bool) -> Iterator[list[str] | tuple[int, str]]:
    """Each row as its cells, or as the line where it begins and what is wrong with it.

    Where rows begin does not depend on `fill`, so that a range is always the same rows.
    """
    csv.field_size_limit(LONGEST)
    reader = csv.reader(lines, delimiter=table.delimiter, strict=True)
    while True:
        lines.taken.clear()
        lines.wrong = ""
        line = lines.line
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = lines.wrong or _reason(error)
        else:
            if not lines.wrong:
                if not any(cells) or not any(cell.strip() for cell in cells):
                    continue
                if whole := _whole(cells, table):
                    yield whole
                    continue
            reason = lines.wrong or f"{len(cells)} cells, where the header has {len(table.header)}"
        own = _own_lines([data for data, _ in lines.taken], table, unclosed=reason == _UNCLOSED)
        if own < len(lines.taken):
            lines.put_back(own)
        elif fill and not lines.wrong and 0 < len(cells) < len(table.header):
            yield cells + [""] * (len(table.header) - len(cells))
            continue
        yield line, reason


_UNCLOSED = "a quoted cell that is not closed"


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field limit" in text:
        return _UNCLOSED
    if "new-line" in text:
        return "a line break in a cell without quotes"
    return "a quote inside of a quoted cell"


def _whole(cells: list[str], table: Layout) -> list[str] | None:
    """The row with as many cells as the header has; None when it has not."""
    width = len(table.header)
    if len(cells) == width:
        return cells
    if len(cells) < width:
        return cells + [""] * (width - len(cells)) if len(cells) >= table.shortest else None
    return None if any(cell.strip() for cell in cells[width:]) else cells[:width]


def _own_lines(block: list[bytes], table: Layout, *, unclosed: bool) -> int:
    """How many of the lines of a broken row are its own: up to where the next whole row begins.

    Lines inside of a long note can look like a row, so only the second line is tried, unless a
    quote swallowed everything.
    """
    text = [line.decode(table.encoding, "replace") for line in block]
    for start in range(1, len(text) if unclosed else min(2, len(text))):
        lines = text[start : start + LINES]
        try:
            cells = next(csv.reader(lines, delimiter=table.delimiter, strict=True))
        except csv.Error:
            continue
        if len(cells) == len(table.header):
            return start
    return len(block)


@lru_cache(maxsize=16)
def _marks(table: Layout, _size: int, _time: int) -> tuple[int, list[tuple[int, int, int]]]:
    """How many rows there are; of every `MARK`th its number before, line and byte."""
    marks = [(0, table.line, table.start)]
    number = 0
    with table.path.open("rb") as file:
        file.seek(table.start)
        lines = _Lines(file, table, table.start, table.line)
        for number, _ in enumerate(_records(lines, table, fill=True), 1):
            if number % MARK == 0:
                marks.append((number, lines.line, lines.offset))
    return number, marks


def _nearest(table: Layout, first: int) -> tuple[int, int, int]:
    if first < MARK:
        return 0, table.line, table.start
    marks = _marks(table, *_stamp(table.path))[1]
    return marks[min(first // MARK, len(marks) - 1)]


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _text(head: bytes) -> str:
    """The start of a file as text; it may end inside a character. Empty for binary.

    NUL bytes further down are damage, which costs their rows only.
    """
    first = b"\n".join(head.split(b"\n", 2)[:2])
    if b"\0" in first or head.count(0) * 100 > len(head):
        return ""
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 3:
            return head[: error.start].decode("utf-8-sig")
        return head.decode("latin-1")
