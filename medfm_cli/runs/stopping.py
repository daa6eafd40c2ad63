"""Signals: the first asks the run to stop at the next safe point, the second stops it at once."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from medfm_cli.errors import Stopped

if TYPE_CHECKING:
    from types import FrameType

_asked: list[int] = []
_speaker = 0
"""The process that tells people; its children and its fellow ranks keep silent."""


def install(*, silent: bool = False) -> None:
    """Listen for SIGINT and SIGTERM in this process; `silent` when another one tells people."""
    global _speaker
    _speaker = 0 if silent else os.getpid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)


def requested() -> bool:
    """Whether someone asked this process to stop."""
    return bool(_asked)


def check() -> None:
    """Raise `Stopped` when asked to stop; called between units of work."""
    if _asked:
        raise Stopped(_asked[0])


def _on_signal(signum: int, _frame: FrameType | None) -> None:
    _asked.append(signum)
    if len(_asked) > 1:
        raise Stopped(_asked[0])
    if os.getpid() == _speaker:
        with suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, b"stopping at the next safe point; a second signal stops at once\n")
