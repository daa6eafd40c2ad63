"""A source that goes away while it is read: that says nothing of its files, so the run fails.

Nothing that was read meanwhile is kept as a refusal, and the same command tries again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from medfm_cli.errors import DataError
from medfm_cli.readers.faults import GONE

HINT = "connect the source again, then run the same command: it continues where it was"


def source_gone() -> OSError:
    """The error of a file that was listed and is no longer there; `envelope` words it."""
    return OSError(errno.ESTALE, "a file of the source is no longer there")


def check_there(paths: Iterable[str]) -> None:
    """See that files which were listed are still there.

    Raises:
        OSError: ESTALE; one is not.
    """
    for path in paths:
        try:
            os.stat(path)  # noqa: PTH116 - any name will do, and there are millions
        except OSError as error:
            if error.errno in GONE:
                raise source_gone() from None


@contextmanager
def must_stay(source: str) -> Iterator[None]:
    """Word what the system says when a source can no longer be read in the block.

    Raises:
        DataError: it has gone.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in GONE:
            raise
        reason = (error.strerror or "gone").lower()
        raise DataError(
            f"the source '{source}' can no longer be read: {reason}", hint=HINT
        ) from None


def check_listing(source: str, fingerprint: str, listed: int) -> None:
    """See that a listing holds all the files of an earlier one of the same run.

    Args:
        source: as the recipe names it.
        fingerprint: of the earlier listing, which ends with its number of files.
        listed: the number of files now.

    Raises:
        DataError: files have gone.
    """
    before = fingerprint.rpartition("-")[2]
    if before.isdigit() and listed < int(before):
        raise DataError(
            f"the source '{source}' had {before} files a moment ago and has {listed} now", hint=HINT
        )
