"""Silences libraries in C that write to stderr, and detects whether they did."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def silenced() -> Iterator[Callable[[], bool]]:
    """Keep libraries from writing to the process's stderr; the value detects whether one did.

    The descriptor itself is turned away, for such libraries know nothing of `sys.stderr`. What
    other threads write meanwhile is lost too: it is for the moment of one call.
    """
    with tempfile.TemporaryFile() as heard:
        try:
            before = os.dup(2)
        except OSError:  # a process without stderr
            yield lambda: False
            return
        try:
            os.dup2(heard.fileno(), 2)
            yield lambda: os.fstat(heard.fileno()).st_size > 0
        finally:
            os.dup2(before, 2)
            os.close(before)
