"""Signals: the first stops the run at the next safe point, the second stops it at once."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from medfm_cli.errors import Stopped

if TYPE_CHECKING:
    from types import FrameType

_signals: list[int] = []
_printer = 0
"""The process that prints messages; its children and the other ranks are silent."""


def install(*, silent: bool = False) -> None:
    """Handle SIGINT and SIGTERM in this process; `silent` if another process prints."""
    global _printer
    _printer = 0 if silent else os.getpid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)


def requested() -> bool:
    """Whether a signal requested this process to stop."""
    return bool(_signals)


def check() -> None:
    """Raise `Stopped` after a signal; called between units of work."""
    if _signals:
        raise Stopped(_signals[0])


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    _signals.append(signum)
    if len(_signals) > 1:
        raise Stopped(_signals[0])
    if os.getpid() == _printer:
        with suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, b"stopping at the next safe point; a second signal stops at once\n")
