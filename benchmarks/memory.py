"""Memory of a whole curation: peak of the command and of each worker, for more and more images.

Run: python benchmarks/memory.py [--samples 10000 100000] [--side 32] [--workers 2]

Pictures are drawn (each like no other, one in fifty turned or copied), labelled by a table with a
patient for every four, and curated by the real command with every step that is on by default.
What is looked at is `VmHWM` in /proc, the largest resident set a process ever had, many times a
second until it ends; pages that processes share are counted in each of them. The aim: not more
than 1.2 times as much for ten times the images.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

FOLDER = 1000
"""Files of a folder."""
TICK = 0.02
AIM = 1.2


def draw(root: Path, start: int, count: int, side: int) -> None:
    """Write pictures `start` … `start + count`."""
    folder = root / f"{start // FOLDER:05d}"
    folder.mkdir(parents=True)
    for number in range(start, start + count):
        original = number - 1 if number % 50 == 49 else number
        generator = np.random.default_rng(original)
        coarse = generator.integers(0, 256, (4, 4), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        noise = generator.normal(0, 12, (side, side))
        pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
        turned = np.rot90(pixels) if number % 100 == 99 else pixels
        Image.fromarray(turned).save(folder / f"{number:07d}.png", compress_level=1)


def source(root: Path, samples: int, side: int) -> Path:
    """A folder of pictures and a table of labels and patients."""
    with ProcessPoolExecutor() as pool:
        starts = range(0, samples, FOLDER)
        jobs = [pool.submit(draw, root, s, min(FOLDER, samples - s), side) for s in starts]
        for job in jobs:
            job.result()
    labels = random.Random(0)
    with (root / "labels.csv").open("w") as file:
        file.write("file,label,patient\n")
        for number in range(samples):
            file.write(f"{number:07d}.png,{labels.choice('abc')},p{number // 4}\n")
    return root


def peak(pid: int) -> int:
    """The largest resident set of a process so far, in bytes; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def curate(place: Path, out: Path, workers: int, overrides: list[str]) -> dict[str, Any]:
    """Run the command; gives its peaks, its counts and how long it took."""
    words = ["curate", "images-with-csv", f"source={place}", f"workers={workers}", "--json"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "medfm_cli", *words, *overrides, "--out", str(out), "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MEDFM_KEY_FILE": str(out.parent / "key")},
    )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in (process.pid, *_children(process.pid)):
            peaks[pid] = max(peaks.get(pid, 0), peak(pid))
        time.sleep(TICK)
    seconds = time.perf_counter() - started
    assert process.stdout is not None
    document = json.loads(process.stdout.read())
    assert document["exit_code"] == 0, document
    main = peaks.pop(process.pid)
    return {
        "main_mb": round(main / 1e6, 1),
        "worker_mb": round(max(peaks.values()) / 1e6, 1),
        "seconds": round(seconds, 1),
        "kept": document["metrics"]["kept"],
        "duplicates": document["metrics"]["duplicates"],
    }


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def main() -> None:
    """Measure and print a line for each number of samples, and all as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("overrides", nargs="*", help="keys of the recipe")
    arguments = parser.parse_args()
    found: dict[int, dict[str, Any]] = {}
    for samples in arguments.samples:
        with tempfile.TemporaryDirectory() as folder:
            place = source(Path(folder) / "in", samples, arguments.side)
            out = Path(folder) / "out"
            found[samples] = curate(place, out, arguments.workers, arguments.overrides)
        row = found[samples]
        print(
            f"{samples:>9,} images: main {row['main_mb']} MB, worker {row['worker_mb']} MB, "
            f"{row['seconds']} s ({samples / row['seconds']:,.0f} images/s), "
            f"{row['kept']} kept, {row['duplicates']} duplicates"
        )
    first, last = found[arguments.samples[0]], found[arguments.samples[-1]]
    growth = {name: round(last[name] / first[name], 3) for name in ("main_mb", "worker_mb")}
    print(f"growth: main ×{growth['main_mb']}, worker ×{growth['worker_mb']} (aim ≤ {AIM})")
    print(json.dumps({**vars(arguments), "found": found, "growth": growth}))


if __name__ == "__main__":
    main()
