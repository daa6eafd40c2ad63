"""A library's failure costs one file, whatever it raises; what is not its own passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from medfm_cli.readers import Unreadable
from medfm_cli.readers.guard import guarded, safely

PanicException = type("PanicException", (BaseException,), {})
Alarm = type("Alarm", (BaseException,), {})


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (KeyError("Mueller"), Unreadable),
        (PanicException("index out of bounds"), Unreadable),
        (Unreadable("too large"), Unreadable),
        (OSError(5, "damaged"), OSError),
        (MemoryError(), MemoryError),
        (Alarm(), Alarm),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_becomes_of_an_error(raised: BaseException, expected: type[BaseException]) -> None:
    @guarded
    def read() -> Iterator[int]:
        yield 1
        raise raised

    @safely
    def count() -> int:
        raise raised

    items = read()
    assert next(items) == 1
    with pytest.raises(expected) as found:
        next(items)
    assert "Mueller" not in str(found.value)
    with pytest.raises(expected):
        count()


def test_a_generator_that_is_closed_early_is_closed_inside_too() -> None:
    closed = []

    @guarded
    def read() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    items = read()
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed
