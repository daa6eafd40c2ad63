"""What splitting costs: a million samples dealt to sides and clients, and asked about.

Run: python benchmarks/curate_split.py [--samples 1000000]

Samples are made up: three to a subject on average, one in ten in a cluster of near duplicates,
twelve labels with a long tail, four modalities. Each size runs in a process of its own; times are
CPU seconds, and the peak of memory includes the interpreter and the libraries. scikit-learn's
StratifiedGroupKFold, which holds everything in memory and knows neither clusters nor shares, stands
beside the split.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LABELS = [f"label {number:02d}" for number in range(12)]


def samples(count: int) -> Iterator[tuple[Any, ...]]:
    """Id, hash, subject, label, modality, site, cluster."""
    chance = random.Random(0)
    weights = [0.7**number for number in range(len(LABELS))]
    for number in range(1, count + 1):
        cluster = chance.randrange(count) if chance.random() < 0.1 else None
        yield (
            *(number, f"{number:064x}", f"subject-{chance.randrange(max(1, count // 3)):07d}"),
            chance.choices(LABELS, weights)[0],
            chance.choice(["CT", "XR", "MR", "US"]),
            *(f"site {number % 40}", cluster),
        )


def fill(catalog: Any, count: int) -> None:
    """Write the samples as the step finds them."""
    from medfm_cli.commands.curate.catalog import Catalog

    assert isinstance(catalog, Catalog)
    told = ["id", "content_sha", "subject", "label", "modality", "site", "cluster"]
    empty = ["part", "file_sha", "shape", "parts", "facts", "meta", "study", "anatomy", "time"]
    empty += ["sex", "official", "text", "turns", "boxes", "notes"]
    zero = ["block", "file", "entry", "unit", "frame", "height", "width", "channels"]
    rest = ("image", *("{}" if name == "facts" else "" for name in empty), *(0 for _ in zero))
    rows = ((*row, *rest) for row in samples(count))
    catalog.insert("items", [*told, "kind", *empty, *zero], rows)
    catalog.index("items")


def ours(count: int) -> dict[str, float]:
    """CPU seconds of each step, and the peak in MB."""
    from medfm_cli.commands.curate.catalog import Catalog
    from medfm_cli.commands.curate.instructions.step import add_instructions
    from medfm_cli.commands.curate.options.clients import Clients
    from medfm_cli.commands.curate.options.instructions import Instructions
    from medfm_cli.commands.curate.options.split import Split
    from medfm_cli.commands.curate.split.clients import partition
    from medfm_cli.commands.curate.split.step import split

    skew = Clients(count=10, scheme="dirichlet")
    steps: dict[str, Callable[[], Any]] = {
        "split": lambda: split(catalog, Split(), seed=0),
        "clients iid": lambda: partition(catalog, Clients(count=5, public=0.1), seed=0),
        "clients dirichlet": lambda: partition(catalog, skew, seed=0),
        "instructions": lambda: add_instructions(catalog, Instructions(), seed=0),
    }
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, Catalog(Path(folder, "l")) as catalog:
        fill(catalog, count)
        for name, step in steps.items():
            start = time.process_time()
            done = step()
            found[name] = time.process_time() - start
            if name == "split":
                found["worst share"] = max(
                    abs(counts[side] / counts.total() - share)
                    for counts in done.labels.values()
                    for side, share in done.shares.items()
                )
    found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def theirs(count: int) -> dict[str, float]:
    """The same of scikit-learn: one fold in seven is about val or test."""
    from sklearn.model_selection import StratifiedGroupKFold

    rows = list(samples(count))
    labels, groups = [row[3] for row in rows], [row[2] for row in rows]
    start = time.process_time()
    folds = StratifiedGroupKFold(n_splits=7, shuffle=True, random_state=0)
    list(folds.split(labels, labels, groups))
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"split": took, "peak MB": peak}


def apart(who: str, count: int) -> dict[str, float]:
    """Run in a process of its own."""
    command = [sys.executable, __file__, "--one", who, "--samples", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--one", choices=["ours", "theirs"])
    args = parser.parse_args()
    if args.one:
        print(json.dumps((ours if args.one == "ours" else theirs)(args.samples)))
        return
    results: dict[str, dict[str, float]] = {}
    for count in sorted({10_000, 100_000, args.samples}):
        results[f"medfm {count}"] = apart("ours", count)
        results[f"scikit-learn {count}"] = apart("theirs", count)
    for name, found in results.items():
        told = ", ".join(
            f"{key} {value:.4f}" if key == "worst share" else f"{key} {value:.1f}"
            for key, value in found.items()
        )
        print(f"{name:24s} {told}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
