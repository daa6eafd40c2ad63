"""Throughput of a whole curation beside decoding and writing alone.

Run: python benchmarks/curate.py [--source FOLDER] [--samples 4000] [--repeats 3] [--workers 1 2]

The same image files are taken by the real command with every step that is on by default (checks,
burned-in text, hashes, near duplicates, split, manifest, a second look at what was written,
description, report), by the same command with those steps off, and by a loop that does what
webdataset's ShardWriter needs: decode with Pillow, encode as PNG with the same settings, write
image and label. Each is a process of its own, start-up included; they take turns, and medians of
images a second and of CPU time (its children's too) are told. So the first ratio is the price of
all that a plain loop does not do, and the second that of the machinery. The files lie in the page
cache. Without --source pictures are drawn; with it the images under FOLDER are taken.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

OFF = (
    "quality.on=false",
    "deidentify.on=false",
    "deduplicate.near=off",
    "describe.on=false",
)
PLAIN = "webdataset, a plain loop"


def drawn(number: int, side: int) -> Image.Image:
    """Smooth shapes under noise, about as compressible as a radiograph."""
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (8, 8), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    noisy = smooth + generator.normal(0, 4, smooth.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def files(arguments: argparse.Namespace, root: Path) -> Path:
    """The folder of images with a table of labels: drawn, or links to those under --source."""
    root.mkdir()
    found = sorted(p for p in Path(arguments.source or "/nowhere").rglob("*") if _is_image(p))
    rows = ["file,label,patient"]
    for number in range(len(found[: arguments.samples]) if found else arguments.samples):
        if found:
            name = f"{number:06d}{found[number].suffix.lower()}"
            (root / name).write_bytes(found[number].read_bytes())
        else:
            name = f"{number:06d}.png"
            drawn(number, arguments.side).save(root / name)
        rows.append(f"{name},{'ab'[number % 2]},p{number // 4}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in {".png", ".jpg", ".jpeg"}


def plain_loop(source: Path, out: Path) -> None:
    """Decode and write with webdataset; no more."""
    import webdataset as wds

    from medfm_cli.samples.payload import png

    out.mkdir(parents=True)
    labels = dict(line.split(",")[:2] for line in (source / "labels.csv").open())
    with wds.ShardWriter(f"{out}/shard-%05d.tar", maxsize=256 << 20, verbose=0) as sink:
        for path in sorted(p for p in source.iterdir() if _is_image(p)):
            with Image.open(path) as image:
                pixels = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
            told = json.dumps({"label": labels[path.name]}).encode()
            sink.write({"__key__": path.stem, "png": png(pixels), "json": told})


def contestants(source: Path, workers: list[int]) -> dict[str, list[str]]:
    """Name → command; the folder to write to is added to each."""
    medfm = [sys.executable, "-m", "medfm_cli", "curate", "images-with-csv", f"source={source}"]
    found = {PLAIN: [sys.executable, __file__, "--loop", str(source)]}
    for count in workers:
        of = f"{count} worker{'s' if count > 1 else ''}"
        found[f"medfm, {of}"] = [*medfm, f"workers={count}", "--quiet", "--out"]
        found[f"medfm, steps off, {of}"] = [*medfm, *OFF, f"workers={count}", "--quiet", "--out"]
    return found


def cost(command: list[str], out: Path) -> tuple[float, float]:
    """Seconds on the clock and of CPU time that a command took with its children."""
    before, started = _cpu(), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MEDFM_KEY_FILE": str(out.parent / "key")}
    done = subprocess.run([*command, str(out)], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    return seconds, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(root: Path, source: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Each in turn, `repeats` times."""
    images = sum(_is_image(path) for path in source.iterdir())
    costs: dict[str, list[tuple[float, float]]] = {}
    for repeat in range(arguments.repeats):
        for number, (name, command) in enumerate(contestants(source, arguments.workers).items()):
            out = root / f"out-{repeat}-{number}"
            costs.setdefault(name, []).append(cost(command, out))
    found = {}
    for name, values in costs.items():
        clock, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        plain_clock, plain_cpu = (
            statistics.median(column) for column in zip(*costs[PLAIN], strict=True)
        )
        found[name] = {
            "images_per_second": round(images / clock, 1),
            "cpu_microseconds": round(1e6 * cpu / images),
            "clock_ratio": round(clock / plain_clock, 2),
            "cpu_ratio": round(cpu / plain_cpu, 2),
        }
    return found


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Lines for people."""
    for name, row in found.items():
        yield (
            f"  {name:<28}{row['images_per_second']:>9,.1f} images/s "
            f"{row['cpu_microseconds']:>8,} µs CPU an image   "
            f"×{row['clock_ratio']} time, ×{row['cpu_ratio']} CPU of the plain loop"
        )


def main() -> None:
    """Measure and print a table, and all as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", help="folder of images to take instead of drawn ones")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--side", type=int, default=224, help="edge of the drawn images")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loop", nargs=2, metavar=("SOURCE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop:
        plain_loop(*map(Path, arguments.loop))
        return
    with tempfile.TemporaryDirectory() as folder:
        source = files(arguments, Path(folder) / "in")
        found = measure(Path(folder), source, arguments)
    print(f"{arguments.samples} images, start-up included, medians of {arguments.repeats}:")
    print("\n".join(table(found)))
    print(json.dumps({**vars(arguments), "found": found}))


if __name__ == "__main__":
    main()
