"""De-identified copies of the DICOM files whose samples are in the dataset."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.dicom.copy import write_copy
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.readers import Unreadable

FOLDER = "dicom"
_MASKED = "text was masked in its image, and stands in its pixels"
_KEPT = (
    "SELECT e.number, e.others, f.path FROM entries e "
    "JOIN files f ON f.number = e.file JOIN items i ON i.entry = e.number "
    "WHERE i.fate = 'kept' AND json_extract(i.facts, '$.format') = 'DICOM' "
    "GROUP BY e.number ORDER BY e.number"
)
_BLANKED = (
    "SELECT 1 FROM items, json_each(items.notes) n WHERE items.entry = ? "
    "AND n.value LIKE '%masked%' LIMIT 1"
)


@dataclass
class Copies:
    """What was copied, and what was not and why."""

    written: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def count_copies(catalog: Catalog) -> int:
    """How many entries would be copied."""
    return sum(1 for _ in catalog.rows(_KEPT))


def write_copies(
    catalog: Catalog,
    root: Path,
    options: Deidentify,
    names: Pseudonyms,
    *,
    between: Callable[[int], None],
) -> Copies:
    """Write the copies under `dicom/` of the dataset's folder.

    Args:
        catalog: after all decisions.
        root: the dataset's folder.
        options: the recipe's block.
        names: the key that UIDs and dates move by.
        between: called with 1 after each entry; may raise to stop the run.

    Raises:
        OSError: the disk refuses.
    """
    done = Copies()
    for row in catalog.rows(_KEPT):
        blanked = catalog.one(_BLANKED, row["number"])
        for path in _paths(catalog, row["path"], row["others"]):
            if blanked:
                done.refused[_MASKED] += 1
                continue
            try:
                copy = write_copy(path, root / FOLDER, options, names)
            except Unreadable as error:
                done.refused[error.reason] += 1
            else:
                done.written += 1
                done.notes.update(copy.notes)
        between(1)
    return done


def _paths(catalog: Catalog, main: str, others: str) -> Iterator[Path]:
    yield Path(main)
    for number in json.loads(others):
        yield Path(catalog.one("SELECT path FROM files WHERE number = ?", number))
