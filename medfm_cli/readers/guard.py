"""Whatever goes wrong inside a library becomes `Unreadable`: damaged files make it fail in any way.

Readers say what they can in their own words; this is for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

from medfm_cli.errors import Unreadable

P = ParamSpec("P")
T = TypeVar("T")
PANIC = "PanicException"
"""What decoders written in Rust raise for their own bugs; it is no `Exception`, and has no module
to import it from."""


def guarded(function: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """A generator function that fails by `Unreadable`, `OSError` and `MemoryError` alone."""

    @wraps(function)
    def safe(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from function(*args, **kwargs)
        except BaseException as error:
            raise _meant(error) from None

    return safe


def safely(function: Callable[P, T]) -> Callable[P, T]:
    """The same for a plain function."""

    @wraps(function)
    def safe(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            raise _meant(error) from None

    return safe


def _meant(error: BaseException) -> BaseException:
    """What an error of a reader is to its callers; itself where it is none of a library's."""
    if isinstance(error, Unreadable | OSError | MemoryError):
        return error
    if isinstance(error, Exception) or type(error).__name__ == PANIC:
        return Unreadable(f"the reader failed ({type(error).__name__})")
    return error
