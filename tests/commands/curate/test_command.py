"""The real command: kills, a full disk, bad input, and recipes that ship."""

from __future__ import annotations

import hashlib
import io
import random
import resource
import signal
import subprocess
import tarfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from curate_files import noise, picture, table
from executable import Executable, ended, stopped, until

KEYS = ("labels=none", "shard_bytes=20000", "workers=2")


def contents(run_dir: Path) -> dict[str, str]:
    root = run_dir / "dataset"
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curate")
    for number in range(150):
        picture(folder / "pictures" / f"{number:03d}.png", number % 140, height=64, width=64)
    return folder


@pytest.fixture(scope="module")
def undisturbed(medfm: Executable, home: Path) -> dict[str, str]:
    done = medfm("curate", "dicom", "source=pictures", *KEYS, "--out", "whole", cwd=home)
    return contents(home / done.run_dir)


def start(medfm: Executable, home: Path, out: str) -> subprocess.Popen[str]:
    return medfm.start("curate", "dicom", "source=pictures", *KEYS, "--out", out, cwd=home)


def finish(medfm: Executable, home: Path, out: str) -> Path:
    done = medfm("curate", "dicom", "source=pictures", *KEYS, "--out", out, cwd=home)
    return home / done.run_dir


def progress(home: Path, out: str) -> int:
    """How many units and shards are finished."""
    return sum(1 for _ in (home / out).glob("curate-dicom-*/checkpoints/*/*.json"))


@pytest.mark.slow
def test_killed_at_random_points_it_ends_with_the_same_bytes(
    medfm: Executable, home: Path, undisturbed: dict[str, str]
) -> None:
    chance = random.Random()
    points = sorted(chance.sample(range(1, 5 + len(undisturbed)), 3))
    for point in points:
        process = start(medfm, home, "torn")
        until(lambda p=process, n=point: p.poll() is not None or progress(home, "torn") >= n)
        stopped(process, by=signal.SIGKILL)
    folder = finish(medfm, home, "torn")
    assert contents(folder) == undisturbed, f"killed after {points}"
    assert not list(folder.rglob("*.tmp"))
    assert not list(folder.glob("checkpoints/units/*.bin"))


@pytest.mark.slow
def test_finished_shards_are_not_written_again(
    medfm: Executable, home: Path, undisturbed: dict[str, str]
) -> None:
    process = start(medfm, home, "half")
    journal = "curate-dicom-*/checkpoints/shards/*.json"
    until(lambda: process.poll() is not None or len(list((home / "half").glob(journal))) > 3)
    stopped(process, by=signal.SIGKILL)
    known = {path.stem for path in (home / "half").glob(journal)}
    (shards,) = (home / "half").glob("curate-dicom-*/dataset/shards")
    before = {name: (shards / f"{name}.tar").stat().st_mtime_ns for name in known}
    folder = finish(medfm, home, "half")
    assert contents(folder) == undisturbed
    after = {name: (shards / f"{name}.tar").stat().st_mtime_ns for name in known}
    assert before == after


@pytest.mark.slow
def test_a_signal_ends_it_with_143_and_it_goes_on(
    medfm: Executable, home: Path, undisturbed: dict[str, str]
) -> None:
    process = start(medfm, home, "stopped")
    until(lambda: process.poll() is not None or progress(home, "stopped") >= 1)
    done = stopped(process, by=signal.SIGTERM)
    if process.returncode:  # else it was faster than the signal
        assert done.code == 143, done.stderr
        assert "run the same command again to continue" in done.stderr
    assert contents(finish(medfm, home, "stopped")) == undisturbed


def test_a_full_disk_is_told_and_the_run_goes_on_later(
    medfm: Executable, home: Path, undisturbed: dict[str, str]
) -> None:
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))

    arguments = ("curate", "dicom", "source=pictures", *KEYS, "--out", "full")
    done = medfm(*arguments, cwd=home, before=small_disk)
    assert done.code == 4, done.stderr
    assert "there is no room left to write" in done.stderr
    (folder,) = (home / "full").glob("curate-dicom-*")
    assert not (folder / "dataset" / "dataset.json").exists()
    assert not list(folder.rglob("*.tmp"))
    assert contents(finish(medfm, home, "full")) == undisturbed


def test_workers_end_with_their_parent(medfm: Executable, home: Path) -> None:
    process = start(medfm, home, "orphans")

    def children() -> set[int]:
        path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        return {int(pid) for pid in path.read_text().split()} if path.exists() else set()

    if not Path("/proc/self/task").exists():
        ended(process)
        pytest.skip("no /proc here")
    found = until(lambda: children() if len(children()) >= 2 else process.poll() is not None)
    stopped(process, by=signal.SIGKILL)
    if isinstance(found, set):
        until(lambda: not any(_alive(pid) for pid in found), timeout=20)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("source=gone",), 3, "the source 'gone' does not exist"),
        (("source=empty",), 3, "holds no files to read"),
        (("source=words",), 3, "none of the 2 files"),
        (("source=pictures", "labels=gone.csv"), 3, "the label table 'gone.csv' is neither in"),
        (("source=pictures", "labels={file: names.csv, colum: x}"), 2, "unknown key"),
        (("source=pictures", "split.test=0.5"), 2, "must add up to 1"),
        (("source=pictures", "frames=0"), 2, "frames"),
        (("source=evil.tar",), 3, "climbs out of its folder"),
        (("source=medmnist:breastmnist",), 4, "could not be downloaded"),
        (("source=medmnist:nothing",), 3, "no official 2D MedMNIST file"),
    ],
)
def test_bad_input_is_one_sentence_and_the_right_code(
    medfm: Executable, home: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    (home / "empty").mkdir(exist_ok=True)
    table(home / "words" / "a.txt", "only words")
    table(home / "words" / "b.txt", "and more")
    table(home / "names.csv", "file,label", "000.png,a")
    with tarfile.open(home / "evil.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../evil.png"), io.BytesIO())
    done = medfm("curate", "dicom", *arguments, "--out", "bad", cwd=home)
    assert done.code == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((home / "bad").glob("*/dataset/dataset.json"))


def test_a_dry_run_counts_and_touches_nothing(medfm: Executable, home: Path) -> None:
    before = sorted(home.rglob("*"))
    done = medfm("curate", "dicom", "source=pictures", *KEYS, "--dry-run", cwd=home)
    assert done.code == 0, done.stderr
    assert "read 150 files" in done.stdout + done.stderr
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("name", ["images-with-csv", "folders", "medmnist", "nifti-slices"])
def test_every_recipe_that_ships_runs(medfm: Executable, tmp_path: Path, name: str) -> None:
    for number in range(12):
        picture(tmp_path / "s" / "ab"[number % 2] / f"{number}.png", number)
    if name == "images-with-csv":
        table(tmp_path / "s" / "labels.csv", "file,label", *[f"{i}.png,{i % 2}" for i in range(12)])
    if name == "nifti-slices":
        voxels = np.stack([noise(i) for i in range(12)], axis=2)
        nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "s" / "x.nii.gz")
    source = "s"
    if name == "medmnist":
        images = np.stack([noise(i, height=28, width=28) for i in range(9)])
        parts = {
            f"{s}_images": images[i * 3 : i * 3 + 3] for i, s in enumerate(("train", "val", "test"))
        }
        labels = {f"{s}_labels": np.array([[0], [1], [0]]) for s in ("train", "val", "test")}
        np.savez(tmp_path / "x.npz", **parts, **labels)
        source = "x.npz"
    done = medfm("curate", name, f"source={source}", "--json", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["kept"] >= 8
