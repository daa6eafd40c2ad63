"""What `execute` does to a run directory before the engine sees it."""

from __future__ import annotations

from pathlib import Path

from medfm_cli import execute


def test_what_a_killed_process_wrote_aside_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "checkpoints" / ".state.json.4711.tmp"
    leftover.parent.mkdir()
    leftover.write_text("torn", "utf-8")
    kept = tmp_path / "checkpoints" / "state.json"
    kept.write_text("whole", "utf-8")
    execute._sweep(tmp_path)
    assert kept.exists() and not leftover.exists()
