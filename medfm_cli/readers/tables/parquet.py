"""Parquet: images, texts or plain cells, a row a sample; read a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import HEAD_ROWS
from medfm_cli.readers.tables.columnar import describe, item_of, understand

BATCH = 64
"""Rows that are decoded at a time."""
LARGEST_GROUP = 2 << 30
"""Largest row group that is read, in bytes, uncompressed."""


def sniff(head: bytes) -> bool:
    """Whether the file begins as Parquet does."""
    return head.startswith(b"PAR1")


def count(path: Path) -> int:
    """How many rows the file has, by its own account.

    Raises:
        Unreadable: it is damaged.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def read(
    path: Path, options: ReadOptions, *, cells_only: bool = False
) -> Iterator[Item | Unreadable]:
    """The samples in the order of the rows, or the range `options.items` of them.

    With `cells_only` each is a row of a plain table, whatever its columns hold.

    Raises:
        Unreadable: the file is damaged, or a row group is too large.
    """
    with _opened(path) as file:
        first, last = options.items or (0, file.metadata.num_rows)
        table = describe(file.schema_arrow, "Parquet", path, _head(file))
        meaning = understand(table, options)
        for number, row in _rows(file, first, last):
            try:
                yield from item_of(row, number + 1, table, meaning, options, cells_only=cells_only)
            except Unreadable as error:
                reason = f"row {number + 1}: {error.reason}"
                yield Unreadable(reason, step=error.step, part=str(number + 1))


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=False)
    except (pa.ArrowException, OSError, ValueError):
        raise Unreadable("a damaged or truncated Parquet file") from None


def _head(file: Any) -> list[dict[str, Any]]:
    """The first rows, without the columns of files."""
    from pyarrow import ArrowException, types

    names = [
        column.name
        for column in file.schema_arrow
        if not (types.is_binary(column.type) or types.is_nested(column.type))
    ]
    if not names or not file.metadata.num_row_groups:
        return []
    try:
        batch = next(file.iter_batches(HEAD_ROWS, row_groups=[0], columns=names), None)
        return batch.to_pylist() if batch is not None else []
    except (ArrowException, OSError, ValueError):
        raise Unreadable("a damaged or truncated Parquet file") from None


def _rows(file: Any, first: int, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
    from pyarrow import ArrowException

    start = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if start + size <= first or start >= last:
            start += size
            continue
        if file.metadata.row_group(group).total_byte_size > LARGEST_GROUP:
            raise Unreadable(f"a row group of more than {LARGEST_GROUP >> 30} GB")
        number = start
        try:
            for batch in file.iter_batches(BATCH, row_groups=[group]):
                if number + batch.num_rows > first and number < last:
                    low, high = max(first - number, 0), min(last - number, batch.num_rows)
                    for place in range(low, high):
                        yield number + place, batch.slice(place, 1).to_pylist()[0]
                number += batch.num_rows
        except (ArrowException, OSError, ValueError, UnicodeDecodeError):
            raise Unreadable(f"damaged from about row {number + 1} on") from None
        start += size
