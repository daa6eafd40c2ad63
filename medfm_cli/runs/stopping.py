"""Signals: the first stops the run at the next safe point, the second stops it at once."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from medfm_cli.errors import Stopped

if TYPE_CHECKING:
    from types import FrameType

_received: list[int] = []
_reporter = 0
"""The process that prints; its children and the other ranks do not."""


def install(*, silent: bool = False) -> None:
    """Listen for SIGINT, SIGTERM and SIGHUP in this process; `silent` when another one prints.

    A SIGHUP that nohup has switched off stays so.
    """
    global _reporter
    _reporter = 0 if silent else os.getpid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)


def requested() -> bool:
    """Whether a signal asks this process to stop."""
    return bool(_received)


def check() -> None:
    """Raise `Stopped` after a signal; called between units of work."""
    if _received:
        raise Stopped(_received[0])


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    _received.append(signum)
    if len(_received) > 1:
        raise Stopped(_received[0])
    if os.getpid() == _reporter:
        with suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, b"stopping at the next safe point; a second signal stops at once\n")
