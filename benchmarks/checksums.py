"""Checksums: what it costs that every sample is checked when it is read for the first time.

Run: python benchmarks/checksums.py [--samples 400] [--repeats 9]

Reads all images of a drawn dataset twice from a store that is opened anew: the first time each is
checked (CRC-32 of its bytes), the second time not, round after round; the files lie in the page
cache. Volumes, which need no decoding, are the worst case. Beside it stands what `medfm doctor`
takes for all bytes (SHA-256).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from medfm_cli.data import Dataset, LabelSchema, Sample, ShardWriter, write_manifest
from medfm_cli.data.shards import member_places
from medfm_cli.samples.content import Content, Image2D, Volume
from medfm_cli.samples.payload import encode


def smooth(number: int, *shape: int) -> np.ndarray:
    """Noise on a gradient: PNG makes it about half as large, as it does radiographs."""
    noise = np.random.default_rng(number).integers(0, 8, shape)
    return (np.linspace(0, 240, shape[-1]) + noise).astype(np.uint8)


KINDS: dict[str, Callable[[int], Content]] = {
    "64² grey": lambda n: Image2D(smooth(n, 64, 64)),
    "512² grey": lambda n: Image2D(smooth(n, 512, 512)),
    "32 × 128² volume": lambda n: Volume(smooth(n, 32, 128, 128).astype(np.float32)),
}


def dataset(root: Path, make: Callable[[int], Content], count: int) -> Dataset:
    """A dataset of `count` samples of one kind."""
    rows = []
    with ShardWriter(root / "shards") as writer:
        for number in range(count):
            content, name = make(number), f"{number:016x}"
            members = encode(content)
            place = writer.add(name, members)
            sums = {each: zlib.crc32(data) for each, data in members.items()}
            lengths = {each: len(data) for each, data in members.items()}
            rows.append(
                Sample(
                    sample_id=name, image_id=name, subject_id=name, split="train",
                    kind=content.kind, height=0, width=0, channels=1, source=name,
                    source_sha256=name, members=json.dumps(member_places(place, lengths, sums)),
                    crc32=next(iter(sums.values())), **place._asdict(),
                )
            )  # fmt: skip
    write_manifest(root, rows, name="b", label_schema=LabelSchema(), shards=writer.finished)
    return Dataset.open(root)


def pass_over(opened: Dataset) -> float:
    """Seconds of CPU for reading every sample."""
    started = time.process_time()
    for row in range(len(opened)):
        opened.content(row)
    return time.process_time() - started


def main() -> None:
    """Measure and print a table and one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    results = {}
    for kind, make in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            opened = dataset(Path(folder), make, arguments.samples)
            pass_over(opened)
            checked, plain, whole = [], [], []
            for _ in range(arguments.repeats):
                fresh = Dataset.open(folder)
                checked.append(pass_over(fresh))
                plain.append(pass_over(fresh))
                started = time.process_time()
                fresh.verify()
                whole.append(time.process_time() - started)
            each = 1e6 / arguments.samples
            results[kind] = {
                "checked": statistics.median(checked) * each,
                "unchecked": statistics.median(plain) * each,
                "more": statistics.median(c / p - 1 for c, p in zip(checked, plain, strict=True)),
                "doctor": statistics.median(whole) * each,
            }
    print("kind, µs of CPU a sample: first time, later, more; medfm doctor")
    for kind, row in results.items():
        numbers = f"{row['checked']:9.1f} {row['unchecked']:9.1f} {row['more']:+7.1%}"
        print(f"{kind:>18} {numbers} {row['doctor']:9.1f}")
    print(json.dumps(results, ensure_ascii=False))


if __name__ == "__main__":
    main()
