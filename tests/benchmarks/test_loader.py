"""The loader's benchmark runs, at a scale that measures nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_it_prints_a_table_and_json(repository: Path) -> None:
    pytest.importorskip("webdataset")
    command = "benchmarks/loader.py --samples 24 --size 16 --batch 4 --repeats 2 --workers 0"
    out = subprocess.run(
        [sys.executable, *command.split()],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    *table, last = out.stdout.splitlines()
    assert [line.split("  ")[1] for line in table[1:]] == [
        "medfm",
        "medfm, in memory",
        "webdataset",
        "plain folder",
    ]
    found = json.loads(last)["workers"]["0"]
    assert found["medfm"]["speed_ratio"] == [1.0, 1.0, 1.0]
    assert all(row["samples_per_second"][0] > 0 for row in found.values())
