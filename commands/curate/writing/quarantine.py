"""Everything that was left out, in the order of the steps, as rows of `quarantine.parquet`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.data.manifest import Quarantined

_LEFT_OUT = (
    "SELECT source, file_sha, frame, step, reason, NULL AS twin FROM refused "
    "ORDER BY entry, frame, reason",
    "SELECT source, file_sha, frame, step, reason, NULL AS twin FROM items "
    "WHERE fate = 'dropped' ORDER BY id",
    "SELECT i.source, i.file_sha, i.frame, i.step, i.reason, "
    "substr(t.content_sha, 1, 16) AS twin FROM items i JOIN items t ON t.id = i.twin "
    "WHERE i.fate = 'duplicate' ORDER BY i.twin, i.id",
)
"""What was refused while it was read, what its label excludes, and copies."""


def quarantined(ledger: Ledger, source_name: Callable[[int, str], str]) -> Iterator[Quarantined]:
    """What was left out.

    Args:
        ledger: after all decisions.
        source_name: how the dataset calls a file, given its block and its name.
    """
    for block, name, reason in ledger.rows("SELECT * FROM left_out ORDER BY block, name, reason"):
        yield Quarantined(source=source_name(block, name), step="source", reason=reason)
    absent = "SELECT DISTINCT block, name, reason FROM absent ORDER BY block, name, reason"
    for block, name, reason in ledger.rows(absent):
        yield Quarantined(source=source_name(block, name), step="table", reason=reason)
    for row in (row for sql in _LEFT_OUT for row in ledger.rows(sql)):
        yield Quarantined(
            source=row["source"],
            source_sha256=row["file_sha"],
            frame=row["frame"],
            step=row["step"],
            reason=row["reason"],
            image_id=row["twin"],
        )
