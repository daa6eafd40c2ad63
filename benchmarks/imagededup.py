"""Near copies beside imagededup (PHash): images/s, and which planted copies are found.

Run: python benchmarks/imagededup.py [--source FOLDER …] [--pictures 100] [--copies 2] [--repeats 5]

imagededup gets an environment of its own under .peers/, made on the first run. Both work on the
same files, in one process and on one core: originals and copies of them (smaller, recompressed,
other contrast, cropped). Timed in turn, round after round: hashing from files (reading and decoding
included, the same Pillow beneath both), hashing of decoded arrays, and the search among all. A copy
counts as found when it is given as a duplicate of its original, by medfm: when it is tied to it.
Both search at distance 8, medfm's default, and at 10, imagededup's. medfm's figures are after its
second look, time and all, which imagededup does not have. Turned copies, which imagededup does not
look for, are left out unless --turned is given. "Strangers" are pairs of files that are given as
duplicates and come from different originals: false ones, and what the folders hold twice.
"""

from __future__ import annotations

import argparse
import json
import os
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

sys.path.insert(0, str(Path(__file__).parent))
from near_duplicates import CHANGES, TURN, pictures

from medfm_cli.commands.curate.similarity.clusters import form_clusters
from medfm_cli.commands.curate.similarity.fingerprint import Fingerprint, fingerprint
from medfm_cli.commands.curate.similarity.near import (
    ImageFingerprints,
    Thumbnails,
    all_links,
    near_copies,
)
from medfm_cli.samples.content import Image2D

PEER = Path(__file__).parent.parent / ".peers" / "imagededup"
DISTANCES = (8, 10)
PEER_SCRIPT = """
import json, sys, time
import numpy as np
from pathlib import Path
from PIL import Image
from imagededup.methods import PHash

method = PHash(verbose=False)
paths = sorted(Path(sys.argv[1]).iterdir())
told = {}
start, cpu = time.perf_counter(), time.process_time()
hashes = {path.name: method.encode_image(image_file=path) for path in paths}
told["files"] = [time.perf_counter() - start, time.process_time() - cpu]
arrays = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
start, cpu = time.perf_counter(), time.process_time()
for array in arrays:
    method.encode_image(image_array=array)
told["arrays"] = [time.perf_counter() - start, time.process_time() - cpu]
told["found"] = {}
for distance in json.loads(sys.argv[2]):
    start, cpu = time.perf_counter(), time.process_time()
    found = method.find_duplicates(
        encoding_map=hashes, max_distance_threshold=distance, num_dist_workers=0
    )
    told[f"search {distance}"] = [time.perf_counter() - start, time.process_time() - cpu]
    told["found"][distance] = {name: sorted(others) for name, others in found.items()}
print(json.dumps(told))
"""


def peer_python() -> Path:
    """The peer's interpreter; its environment is made when there is none."""
    python = PEER / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "imagededup"], check=True)
    return python


def write(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Write originals and copies as files; gives the names of the copies' changes.

    Every original gets `copies` of them, the changes taking turns.
    """
    changes = [name for name in CHANGES if name not in TURN]
    copies = min(arguments.copies, len(changes))
    number = 0
    for source in arguments.source or [""]:
        for image in pictures(source, arguments.pictures) if source else drawn(arguments.pictures):
            image.save(folder / f"{number:05d}-original.png", compress_level=1)
            for turn in range(copies):
                place = (number * copies + turn) % len(changes)
                copy = CHANGES[changes[place]](image).convert("RGB")
                copy.save(folder / f"{number:05d}-{place:02d}.jpg", quality=95)
            number += 1
    if not number:
        raise SystemExit("no images in the given folders")
    return changes


def drawn(count: int) -> Iterator[Image.Image]:
    """Smooth pictures in colour, where no folder is given."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        coarse = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        yield Image.fromarray(coarse).resize((320, 320), Image.Resampling.BICUBIC)


def ours(folder: Path, turned: bool) -> dict[str, Any]:
    """Hash and search with medfm; times on the clock and of the processor."""
    paths = sorted(folder.iterdir())
    told: dict[str, Any] = {"found": {}}
    seen: list[Fingerprint] = []
    start, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        with Image.open(path) as image:
            found = fingerprint(Image2D(np.asarray(image)))
        assert found is not None
        seen.append(found)
    told["files"] = [time.perf_counter() - start, time.process_time() - cpu]
    arrays = [Image2D(np.asarray(Image.open(path).convert("RGB"))) for path in paths]
    start, cpu = time.perf_counter(), time.process_time()
    for array in arrays:
        fingerprint(array)
    told["arrays"] = [time.perf_counter() - start, time.process_time() - cpu]
    for distance in DISTANCES:
        start, cpu = time.perf_counter(), time.process_time()
        groups = search(seen, distance, turned=turned)
        told[f"search {distance}"] = [time.perf_counter() - start, time.process_time() - cpu]
        told["found"][distance] = named(paths, groups)
    return told


def search(seen: list[Fingerprint], distance: int, *, turned: bool) -> list[list[int]]:
    """Groups of pictures that look the same, as `medfm curate` ties them."""
    with tempfile.TemporaryDirectory() as folder, Thumbnails(Path(folder)) as thumbs:
        for each in seen:
            thumbs.add(each.thumb)
        looks = ImageFingerprints(np.array([each.hash for each in seen], dtype=np.uint64), thumbs)
        links = all_links(near_copies(looks, distance=distance, turned=turned, threads=1))
    return [members.tolist() for members in form_clusters(links.left, links.right)]


def named(paths: list[Path], groups: list[list[int]]) -> dict[str, list[str]]:
    """The duplicates of every file, as imagededup gives them."""
    found: dict[str, list[str]] = {path.name: [] for path in paths}
    for group in groups:
        for place in group:
            found[paths[place].name] = [paths[other].name for other in group if other != place]
    return found


def recalls(found: dict[str, list[str]], changes: list[str]) -> dict[str, float]:
    """Share of the copies that are found beside their original, by change and in all."""
    originals = [name for name in found if name.endswith("-original.png")]
    shares = {}
    for place, change in enumerate(changes):
        copies = {name: name.replace("original.png", f"{place:02d}.jpg") for name in originals}
        hits = [copy in found[name] for name, copy in copies.items() if copy in found]
        shares[change] = sum(hits) / max(1, len(hits))
    shares["all"] = statistics.mean(shares.values())
    return shares


def strangers(found: dict[str, list[str]]) -> int:
    """Pairs of files that are given as duplicates and come from different originals."""
    pairs = ((name, other) for name, others in found.items() for other in others if name < other)
    return sum(name[:5] != other[:5] for name, other in pairs)


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Both in turn, `repeats` times; the order changes."""
    python = peer_python()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    told: dict[str, list[dict[str, Any]]] = {"medfm": [], "imagededup": []}
    command = [str(python), "-W", "ignore", "-c", PEER_SCRIPT, str(folder), json.dumps(DISTANCES)]
    for repeat in range(arguments.repeats):
        for name in ("medfm", "imagededup") if repeat % 2 else ("imagededup", "medfm"):
            if name == "medfm":
                told[name].append(ours(folder, arguments.turned))
                continue
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            )
            told[name].append(json.loads(done.stdout.splitlines()[-1]))
    return told


def summary(
    told: dict[str, list[dict[str, Any]]], files: int, changes: list[str]
) -> dict[str, Any]:
    """Medians of images/s of CPU time, ratios within a round, and recalls."""
    result: dict[str, Any] = {"files": files, "load": round(os.getloadavg()[0], 1)}
    for part in ("files", "arrays"):
        for distance in DISTANCES:
            rates = {
                name: [
                    files / (round_[part][1] + round_[f"search {distance}"][1]) for round_ in rounds
                ]
                for name, rounds in told.items()
            }
            pairs = zip(rates["medfm"], rates["imagededup"], strict=True)
            result[f"{part} + search at {distance}"] = {
                **{name: round(statistics.median(values), 1) for name, values in rates.items()},
                "faster by": round(statistics.median(a / b for a, b in pairs), 2),
            }
    for name, rounds in told.items():
        for distance in DISTANCES:
            found = rounds[0]["found"]
            given = found.get(distance) or found[str(distance)]
            result[f"{name} at {distance}"] = {
                "recall": {key: round(v, 4) for key, v in recalls(given, changes).items()},
                "strangers": strangers(given),
            }
    return result


def main() -> None:
    """Measure, and print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", nargs="*", default=[], help="folders of images; none: drawn ones"
    )
    parser.add_argument("--pictures", type=int, default=100, help="originals of each folder")
    parser.add_argument("--copies", type=int, default=2, help="copies of each original")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--turned", action=argparse.BooleanOptionalAction, default=False)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = write(folder, arguments)
        found = summary(measure(folder, arguments), len(list(folder.iterdir())), changes)
    print("images/s of CPU time, medians; recall of planted copies; pairs of different originals")
    for key, value in found.items():
        print(f"  {key:<24}{value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
