"""One process at a time in a run directory."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medfm_cli.errors import Locked
from medfm_cli.runs.atomic import no_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the kernel lets go when the process ends, however it ends.

    Raises:
        Locked: another process holds it.
        EnvironmentProblem: what lies in its place is not a regular file.
    """
    descriptor = no_link(str(folder / ".lock"), os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise Locked(
                f"another run (process {holder}) is working in '{folder}'",
                hint="wait for it to end, or choose another --out",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
