"""A curation that is killed at any moment: the same command ends with the same data set."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from curate_files import noise, picture, table
from executable import Executable
from PIL import Image
from real_mix import mix

MINUTES = 60.0
TRIES = int(os.environ.get("MEDFM_KILL_TRIES", "9"))
"""Random kills; 60 make an evening's test of their own."""
WORDS = ("curate", "kills.yaml", "--json")
RECIPE = """
source: in
labels: {file: labels.csv}
whole: true
deduplicate: {near: keep_one}
shard_bytes: 400000
workers: 2
"""
HOOK = """
import os, signal, sys
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"}
at, where, count = int(os.environ.get("KILL_AT", "0")), os.environ["KILL_COUNT"], 0
def hook(event, arguments):
    global count
    where_to = str(arguments[0]) if event in EVENTS else ""
    if "curate-kills-" in where_to and not where_to.endswith(".progress"):
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
if not any("multiprocessing" in word for word in sys.orig_argv):
    sys.addaudithook(hook)
    if not at:
        import atexit
        atexit.register(lambda: open(where, "w").write(str(count)))
"""
"""In the command's own process: end it at the so many-th thing it does to its run directory.

What Python and libraries read and cache elsewhere differs between tries and machines, how often
the workers' progress is looked up depends on time: neither counts.
"""


@dataclass(frozen=True)
class Whole:
    """A curation that nobody disturbed: what it wrote, and how often it touched the disk."""

    content: dict[str, bytes]
    events: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, real: Path | None) -> Path:
    """A recipe, and a source of pictures with near and exact copies, and of every other kind."""
    root = tmp_path_factory.mktemp("kills")
    rows = []
    for number in range(40):
        picture(root / "in" / f"{number:02}.png", number, height=96, width=96)
        rows.append(f"{number:02}.png,{'ab'[number % 2]},p{number // 2}")
    for number in range(8):
        grey = Image.fromarray(noise(number, height=96, width=96))
        grey.rotate(90).save(root / "in" / f"turned-{number}.png")
        grey.save(root / "in" / f"copy-{number}.png")
    (root / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    table(root / "in" / "labels.csv", "file,label,patient", *rows)
    if real is not None:
        mix(real, root / "in" / "more", count=2)
    (root / "kills.yaml").write_text(RECIPE)
    (root / "sitecustomize.py").write_text(HOOK)
    return root


@pytest.fixture(scope="module")
def whole(medfm: Executable, place: Path) -> Whole:
    counted = place / "events"
    done = medfm.having(PYTHONPATH=str(place), KILL_COUNT=str(counted))(
        *WORDS, "--out", "whole", cwd=place, timeout=3 * MINUTES
    )
    assert done.code == 0, done.stderr
    counts = done.json["metrics"]
    assert counts["duplicates"] >= 16, "turned and copied pictures"
    return Whole(content(place / done.json["run_dir"]), int(counted.read_text()))


def content(run: Path) -> dict[str, bytes]:
    """Every byte of the data set and of the linkage."""
    files = [path for path in (run / "dataset").rglob("*") if path.is_file()]
    return {str(p.relative_to(run)): p.read_bytes() for p in [*files, run / "linkage.parquet"]}


def disturbed(medfm: Executable, place: Path, out: str, at: list[int]) -> Iterator[str]:
    """Run and kill at each of these events, one try after the other; gives where each one was."""
    for number in at:
        killed = medfm.having(PYTHONPATH=str(place), KILL_AT=str(number), KILL_COUNT="")(
            *WORDS, "--out", out, cwd=place, timeout=3 * MINUTES
        )
        assert killed.code == -signal.SIGKILL, (killed.code, killed.stderr)
        logs = list((place / out).glob("*/log.jsonl"))
        lines = logs[0].read_text().splitlines() if logs else []
        yield str(json.loads(lines[-1])["event"]) if lines else "nothing yet"


def check(medfm: Executable, place: Path, out: str, whole: Whole) -> None:
    """The same command ends well, with the same bytes, and leaves nothing lying about."""
    done = medfm(*WORDS, "--out", out, cwd=place, timeout=3 * MINUTES)
    assert done.code == 0, done.stderr
    run = place / done.json["run_dir"]
    assert content(run) == whole.content
    passing = (".tmp", ".progress", ".lease", ".bin", ".sqlite")
    left = [p for p in run.rglob("*") if p.suffix in passing]
    assert left == []
    shutil.rmtree(place / out)


@pytest.mark.parametrize("part", range(4))
def test_killed_once(medfm: Executable, place: Path, whole: Whole, part: int) -> None:
    """In each quarter of what it does to the disk."""
    at = random.Random(part).randrange(whole.events * part // 4, whole.events * (part + 1) // 4)
    list(disturbed(medfm, place, f"once-{part}", [max(1, at)]))
    check(medfm, place, f"once-{part}", whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(TRIES))
def test_killed_at_random(medfm: Executable, place: Path, whole: Whole, seed: int) -> None:
    """Many times, some of them twice: the second try goes on and is killed as well."""
    chance = random.Random(1000 + seed)
    at = [chance.randrange(1, whole.events)]
    if seed % 4 == 0:
        at.append(chance.randrange(1, 40))
    print("killed after:", *disturbed(medfm, place, f"random-{seed}", at))  # noqa: T201
    check(medfm, place, f"random-{seed}", whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(TRIES // 3))
def test_killed_by_the_clock(medfm: Executable, place: Path, whole: Whole, seed: int) -> None:
    """From outside, wherever it is, and its workers with it."""
    import time

    out = f"clock-{seed}"
    process = medfm.start(*WORDS, "--out", out, cwd=place)
    time.sleep(random.Random(seed).uniform(0.3, 6))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=MINUTES)
    check(medfm, place, out, whole)
