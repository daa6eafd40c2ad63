"""Arrow files and streams, as Hugging Face `datasets` saves them to disk: a row a sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import HEAD_ROWS
from medfm_cli.readers.tables.columnar import describe, item_of, understand

_FILE = b"ARROW1\0\0"
_STREAM = b"\xff\xff\xff\xff"
LARGEST_SCHEMA = 1 << 24


def sniff(head: bytes) -> bool:
    """Whether the file begins as an Arrow file, or as a stream that begins with its schema."""
    if head.startswith(_FILE):
        return True
    size = int.from_bytes(head[4:8], "little")
    root = int.from_bytes(head[8:12], "little")
    plausible = 0 < size < LARGEST_SCHEMA and size % 8 == 0 and 4 <= root <= 64
    return head.startswith(_STREAM) and plausible


def count(path: Path) -> int:
    """How many rows there are.

    Raises:
        Unreadable: it is damaged.
    """
    with _opened(path) as reader:
        return sum(batch.num_rows for batch in _batches(reader))


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """The samples in the order of the rows, or the range `options.items` of them.

    The file is mapped into memory: rows outside of the range cost nothing.

    Raises:
        Unreadable: the file is damaged.
    """
    first, last = options.items or (0, None)
    with _opened(path) as reader:
        start = 0
        table = meaning = None
        for batch in _batches(reader):
            if table is None:
                _check(batch)
                head = _plain(batch.slice(0, HEAD_ROWS))
                table = describe(reader.schema, "Arrow", path, head)
                meaning = understand(table, options)
            low = max(first - start, 0)
            high = batch.num_rows if last is None else min(last - start, batch.num_rows)
            if low < high:
                _check(batch)
            for place in range(low, high):
                number = start + place + 1
                try:
                    row = batch.slice(place, 1).to_pylist()[0]
                    yield from item_of(row, number, table, meaning, options)  # type: ignore[arg-type]
                except (Unreadable, UnicodeDecodeError) as error:
                    why = error if isinstance(error, Unreadable) else Unreadable("not UTF-8")
                    yield Unreadable(f"row {number}: {why.reason}", step=why.step, part=str(number))
            start += batch.num_rows


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            kept = file.read(len(_FILE)) == _FILE
        source = pa.memory_map(str(path), "r")
        reader = pa.ipc.open_file(source) if kept else pa.ipc.open_stream(source)
    except (pa.ArrowException, OSError, ValueError):
        raise Unreadable("a damaged or truncated Arrow file") from None
    try:
        yield reader
    finally:
        source.close()


def _batches(reader: Any) -> Iterator[Any]:
    import pyarrow as pa

    try:
        if hasattr(reader, "num_record_batches"):
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        else:
            yield from reader
    except (pa.ArrowException, OSError, ValueError):
        raise Unreadable("a damaged or truncated Arrow file") from None


def _check(batch: Any) -> None:
    """Refuse offsets that lead out of the file before anything follows them."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowException:
        raise Unreadable("a damaged Arrow file") from None


def _plain(batch: Any) -> list[dict[str, Any]]:
    """Rows without the columns of files."""
    from pyarrow import types

    names = [
        column.name
        for column in batch.schema
        if not (types.is_binary(column.type) or types.is_nested(column.type))
    ]
    rows: list[dict[str, Any]] = batch.select(names).to_pylist() if names else []
    return rows
