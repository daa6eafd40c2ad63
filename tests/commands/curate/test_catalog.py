"""The catalog: streamed reads while it is written, and private to its owner."""

from __future__ import annotations

import stat
from pathlib import Path

from medfm_cli.commands.curate.catalog import Catalog


def test_rows_stream_while_others_are_updated(tmp_path: Path) -> None:
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        names = ("number", "block", "name", "path", "size", "stamp", "last", "stem")
        catalog.insert(
            "files", names, ((i, 0, f"{i}.png", "", 1, 0, "", "") for i in range(10_000))
        )
        catalog.many(
            "UPDATE files SET size = ? WHERE number = ?",
            (
                (row["number"] * 2, row["number"])
                for row in catalog.rows("SELECT number FROM files")
            ),
        )
        assert catalog.one("SELECT sum(size) FROM files") == 2 * sum(range(10_000))


def test_a_query_that_outlives_its_ledger_says_nothing(tmp_path: Path) -> None:
    """A run that is stopped leaves queries half read; warnings are errors here."""
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        catalog.execute("INSERT INTO left_out VALUES (0, 'x', 'hidden')")
        rows = catalog.rows("SELECT * FROM left_out")
        next(rows)
    rows.close()  # type: ignore[attr-defined]


def test_a_new_ledger_forgets_the_old_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with Catalog(path) as catalog:
        catalog.execute("INSERT INTO left_out VALUES (0, 'x', 'hidden')")
    with Catalog(path) as catalog:
        assert catalog.one("SELECT count(*) FROM left_out") == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        catalog.remove()
    assert not path.exists()
