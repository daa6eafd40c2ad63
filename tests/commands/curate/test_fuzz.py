"""Damaged and hostile files through the real command: no traceback, no hang, counts that add up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from executable import Ended, Executable
from fuzzing import PLANT, damaged, seeds

SECONDS = 5
MINUTES = 60.0
RECIPE = f"""
source: SOURCE
labels: none
subject: none
whole: true
quality:
  seconds: {SECONDS}
workers: 2
"""
IN_CI, EACH_RUN = 600, 150


def curate(medfm: Executable, source: Path, place: Path, *more: str) -> Ended:
    """Curate a folder of whatever; gives how the command ended, which must be well or with 3."""
    place.mkdir(exist_ok=True)
    (place / "fuzz.yaml").write_text(RECIPE.replace("SOURCE", str(source)))
    done = medfm("curate", "fuzz.yaml", "--json", *more, cwd=place, timeout=10 * MINUTES)
    assert "Traceback" not in done.stderr
    assert done.code in (0, 3), done.stderr
    assert done.json["exit_code"] == done.code
    return done


def check(done: Ended, place: Path, *, names: bool = True) -> dict[str, Any]:
    """The counts of a curation that ended well; they add up, and nobody is named."""
    counts: dict[str, Any] = done.json["metrics"]
    parts = ("kept", "duplicates", "quarantined")
    assert counts["read"] == sum(counts[name] for name in parts)
    run = place / done.json["run_dir"]
    quarantine = pq.read_table(run / "dataset" / "quarantine.parquet").to_pylist()
    left = [row for row in quarantine if row["step"] not in ("source", "table", "duplicates")]
    assert len(left) == counts["quarantined"]
    assert all(row["reason"] and row["step"] for row in quarantine)
    assert not list(run.rglob("*.tmp"))
    if names:
        assert [path for path in outputs(run) if PLANT.encode() in content(path)] == []
    return counts


def outputs(run: Path) -> Iterator[Path]:
    """Every file that a run leaves but the site's own way back, which only it may read."""
    for path in sorted(run.rglob("*")):
        if path.is_file() and path.name != "linkage.parquet":
            yield path


def content(path: Path) -> bytes:
    """The bytes of a file; a parquet file in plain words."""
    if path.suffix == ".parquet":
        return repr(pq.read_table(path, partitioning=None).to_pylist()).encode()
    return path.read_bytes()


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory, real: Path | None) -> list[Path]:
    return seeds(tmp_path_factory.mktemp("sound") / "seeds", real)


@pytest.mark.parametrize("start", range(0, IN_CI, EACH_RUN))
def test_damaged_files(medfm: Executable, sound: list[Path], tmp_path: Path, start: int) -> None:
    files = damaged(sound, tmp_path / "in", EACH_RUN, seed=start, start=start)
    assert len(files) == EACH_RUN
    done = curate(medfm, tmp_path / "in", tmp_path / "out")
    counts = check(done, tmp_path / "out")
    assert counts["kept"] > EACH_RUN / 20, "sound files among them are kept"
    assert counts["quarantined"] > EACH_RUN / 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10_000, 10_010))
def test_many_more_damaged_files(
    medfm: Executable, sound: list[Path], tmp_path: Path, seed: int
) -> None:
    damaged(sound, tmp_path / "in", 400, seed=seed, start=seed)
    check(curate(medfm, tmp_path / "in", tmp_path / "out"), tmp_path / "out")
