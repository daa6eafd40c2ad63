"""Start-up: CPU seconds of what answers without an engine, beside `python -c "import typer"`.

Run: python benchmarks/startup.py [--repeats 15]
Every command is run in turn, round after round, so that a busy moment hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PEER = "python -c 'import typer'"


def commands(folder: Path) -> dict[str, list[str]]:
    """What is measured, by the name in the table."""
    medfm = str(Path(sys.executable).with_name("medfm"))
    wrong = folder / "wrong.yaml"
    wrong.write_text("datta: here\nobjektive: {name: mea}\n", "utf-8")
    return {
        PEER: [sys.executable, "-c", "import typer"],
        "medfm --help": [medfm, "--help"],
        "medfm pretrain --help": [medfm, "pretrain", "--help"],
        "medfm recipes ls": [medfm, "recipes", "ls"],
        "medfm schema pretrain": [medfm, "schema", "pretrain"],
        "a recipe error": [medfm, "pretrain", str(wrong)],
    }


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one run of `command`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print a table, and the same as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        measured: dict[str, list[float]] = {}
        for _ in range(repeats):
            for name, command in commands(Path(folder)).items():
                measured.setdefault(name, []).append(cpu_seconds(command))
    medians = {name: statistics.median(times) for name, times in measured.items()}
    for name, times in measured.items():
        ratio = medians[name] / medians[PEER]
        spread = f"{min(times):.3f}–{max(times):.3f}"
        print(f"{name:<26} {medians[name]:.3f} s CPU  ({spread})  {ratio:.2f} × the peer")
    print(json.dumps({"repeats": repeats, "median_cpu_seconds": medians}))


if __name__ == "__main__":
    main()
