"""Near copies: a million hashes searched, its recall beside brute force, and the second look.

Run: python benchmarks/near_duplicates.py [--hashes 1000000] [--threads 2] [--source FOLDER …]

Hashes are drawn in two ways: uniformly, with near copies planted among them (what a search is
usually shown with), and as those of radiographs, which resemble each other (signs of correlated
frequencies, every four thousandth pair is near). Each search runs in a process of its own,
so that its peak of memory is its own; the whole process counts, the interpreter and numpy included.
Recall: every pair that comparing each with each finds in a sample must be found, and no other.

With --source, pictures of the folders are copied (smaller, recompressed, other contrast, cropped,
turned) and found again: what the hash finds, and what the second look keeps of it; and how many
pairs of the originals themselves have near hashes, and how many of these the second look keeps.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from medfm_cli.commands.curate.similarity.hamming import distinct, near_pairs
from medfm_cli.commands.curate.similarity.likeness import alike
from medfm_cli.commands.curate.similarity.perceptual import (
    BITS,
    TURNS,
    perceptual_hash,
    small,
    turn_hashes,
    turn_images,
)

Hashes = NDArray[np.uint64]
RADIOGRAPHS_ALIKE = 0.84
"""Share of the spread of all frequencies that all pictures have in common."""


def uniform(count: int, distance: int) -> Hashes:
    """Random hashes; one in a hundred is a near copy of another."""
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 1 << BITS, count, dtype=np.uint64)
    copies = hashes[: count // 100].copy()
    for _ in range(distance):
        copies ^= np.uint64(1) << generator.integers(0, BITS, len(copies), dtype=np.uint64)
    hashes[count - len(copies) :] = copies
    return hashes


def radiographs(count: int, _distance: int) -> Hashes:
    """Hashes of pictures that resemble each other: a common outline, and ways it differs in."""
    generator = np.random.default_rng(0)
    outline = generator.standard_normal(BITS)
    ways = generator.standard_normal((12, BITS)) / 12**0.5
    weights = np.uint64(1) << np.arange(BITS, dtype=np.uint64)
    parts = []
    for start in range(0, count, 1 << 16):
        rows = min(1 << 16, count - start)
        own = generator.standard_normal((rows, BITS)) * (1 - RADIOGRAPHS_ALIKE) ** 0.5
        shared = generator.standard_normal((rows, 12)) @ ways
        waves = RADIOGRAPHS_ALIKE**0.5 * (0.75 * outline + shared) + own
        parts.append(((waves > 0) * weights).sum(axis=1, dtype=np.uint64))
    return np.concatenate(parts)


KINDS: dict[str, Callable[[int, int], Hashes]] = {"uniform": uniform, "radiographs": radiographs}


def searched(kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Search in a process of its own."""
    command = [sys.executable, __file__, "--one", kind]
    for name in ("hashes", "distance", "threads"):
        command += [f"--{name}", str(getattr(arguments, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def search(kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Find all near pairs among the distinct hashes; count them."""
    hashes = KINDS[kind](arguments.hashes, arguments.distance)
    clock, cpu = time.perf_counter(), time.process_time()
    values, _, _ = distinct(hashes)
    pairs = sum(
        len(found.left)
        for found in near_pairs(values, arguments.distance, threads=arguments.threads)
    )
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "hashes": len(hashes),
        "distinct": len(values),
        "pairs": pairs,
        "seconds": round(clock, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(peak),
        "load": round(os.getloadavg()[0], 1),
    }


def recall(kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare with what brute force finds in a sample: found by both, missed, and wrong."""
    values, _, _ = distinct(KINDS[kind](arguments.sample, arguments.distance))
    found = [
        pairs.left * len(values) + pairs.right
        for pairs in near_pairs(values, arguments.distance, threads=arguments.threads)
    ]
    ours = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    truth = brute(values, arguments.distance)
    both = len(np.intersect1d(ours, truth, assume_unique=True))
    return {
        "sample": len(values),
        "true": len(truth),
        "recall": both / max(1, len(truth)),
        "precision": both / max(1, len(ours)),
        "twice": len(ours) - len(np.unique(ours)),
    }


def brute(values: Hashes, distance: int) -> NDArray[np.int64]:
    """Every near pair as one number, by comparing each with each."""
    parts = []
    for start in range(0, len(values), 256):
        apart = np.bitwise_count(values[start : start + 256, None] ^ values[None, start:])
        i, j = np.nonzero(apart <= distance)
        i, j = i[i < j], j[i < j]
        parts.append((i + start) * len(values) + j + start)
    return np.concatenate(parts)


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    """As JPEG."""
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return Image.open(sink)


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without a share of each side, half at either end."""
    x, y = int(image.width * share / 2), int(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "one and a half": lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2)),
    "28 x 28": lambda image: image.resize((28, 28), Image.Resampling.BICUBIC),
    "JPEG 90": lambda image: recompressed(image, 90),
    "JPEG 50": lambda image: recompressed(image, 50),
    "grey": lambda image: image.convert("L"),
    "contrast + 30 %": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "contrast - 30 %": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "stretched greys": lambda image: ImageOps.autocontrast(image, cutoff=1),
    "cropped by 2 %": lambda image: cropped(image, 0.02),
    "cropped by 5 %": lambda image: cropped(image, 0.05),
    "turned by 90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}
TURN = {"turned by 90": 1, "mirrored": 4}


def pictures(folder: str, most: int) -> list[Image.Image]:
    """The pictures under a folder, evenly chosen."""
    kinds = {".png", ".jpg", ".jpeg"}
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in kinds)
    step = max(1, len(paths) // most)
    return [Image.open(path).convert("RGB") for path in paths[::step][:most]]


def looks(images: list[Image.Image]) -> tuple[Hashes, NDArray[np.uint8]]:
    """Hashes and small pictures."""
    seen = np.stack([small(np.asarray(image)) for image in images])
    return np.array([perceptual_hash(each) or 0 for each in seen], dtype=np.uint64), seen


def second_look(folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the hash finds of the copies of pictures, what the second look keeps, and what else."""
    images = pictures(folder, arguments.pictures)
    hashes, seen = looks(images)
    told: dict[str, Any] = {"pictures": len(images), "copies": {}}
    for name, change in CHANGES.items():
        theirs, copies = looks([change(image) for image in images])
        turn = TURN.get(name, 0)
        near = np.bitwise_count(turn_hashes(hashes, turn) ^ theirs) <= arguments.distance
        kept = near & alike(turn_images(seen, turn), copies)
        told["copies"][name] = [round(float(share.mean()), 3) for share in (near, kept)]
    others = list(near_pairs(hashes, arguments.distance))
    left = np.concatenate([pairs.left for pairs in others]) if others else np.zeros(0, np.int64)
    right = np.concatenate([pairs.right for pairs in others]) if others else left
    start = time.process_time()
    kept_pairs = alike(seen[left], seen[right])
    told["microseconds_a_pair"] = round(1e6 * (time.process_time() - start) / max(1, len(left)))
    told["pairs"] = len(images) * (len(images) - 1) // 2
    told["near_hashes"], told["kept"] = len(left), int(kept_pairs.sum())
    return told


def report_look(folder: str, told: dict[str, Any]) -> None:
    """Lines for people."""
    print(f"{folder}: {told['pictures']} pictures; share of copies found by hash → after the look")
    for name, (near, kept) in told["copies"].items():
        print(f"  {name:<18}{near:>7.3f} → {kept:.3f}")
    print(
        f"  of {told['pairs']:,} pairs of originals {told['near_hashes']} have near hashes, "
        f"{told['kept']} look the same ({told['microseconds_a_pair']} µs a pair)"
    )


def main() -> None:
    """Measure, and print tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=50_000)
    parser.add_argument("--distance", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--source", nargs="*", default=[])
    parser.add_argument("--one", choices=list(KINDS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(search(arguments.one, arguments)))
        return
    result: dict[str, Any] = {"turns": len(TURNS)}
    for kind in KINDS:
        found = searched(kind, arguments) | recall(kind, arguments)
        result[kind] = found
        print(
            f"{kind:<12}{found['distinct']:>10,} hashes: {found['pairs']:,} pairs in "
            f"{found['seconds']} s ({found['cpu_seconds']} s of CPU, {found['peak_mb']} MB, load "
            f"{found['load']}); of {found['true']:,} in {found['sample']:,} recall "
            f"{found['recall']:.4f}, precision {found['precision']:.4f}"
        )
    for folder in arguments.source:
        result[folder] = second_look(folder, arguments)
        report_look(folder, result[folder])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
