"""The benchmark of checksums runs, at a scale that measures nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_it_prints_a_table_and_json(repository: Path) -> None:
    command = "benchmarks/checksums.py --samples 2 --repeats 1"
    out = subprocess.run(
        [sys.executable, *command.split()],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    head, *table, last = out.stdout.splitlines()
    assert "first time, later, more" in head
    found = json.loads(last)
    assert len(found) == len(table) == 3
    assert all(row["doctor"] > 0 for row in found.values())
