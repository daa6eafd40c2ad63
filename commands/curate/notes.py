"""Notes on files: what tables and folders say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Resolve = Callable[[str, Any, str], None]
"""Records what an `auto` became: key, value, reason."""


@dataclass(slots=True)
class Note:
    """What is said of one file; empty text where nothing is.

    `shared` tells that the row could mean several files; `torn` that rows contradict each other.
    """

    label: str = ""
    subject: str = ""
    study: str = ""
    site: str = ""
    split: str = ""
    modality: str = ""
    anatomy: str = ""
    row: int = -1
    shared: bool = False
    torn: bool = False


@dataclass
class Notes:
    """What is said of all files.

    Attributes:
        by_file: file's number in the listing → what is said of it.
        origin: `table`, `folders`, `field`, `own` (what the files themselves say) or `none`.
        table: the table that was used.
        labelled: whether the notes carry labels.
        absent: what rows of the table name that is not there.
        columns: names of the table's columns.
        by_patient: patient's identifier → what is said of all images whose header has it; private.
    """

    by_file: dict[int, Note] = field(default_factory=dict)
    origin: str = "none"
    table: Path | None = None
    labelled: bool = False
    absent: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    by_patient: dict[str, Note] = field(default_factory=dict)

    def of(self, index: int) -> Note:
        """The note of a file, made when it has none yet."""
        return self.by_file.setdefault(index, Note())
