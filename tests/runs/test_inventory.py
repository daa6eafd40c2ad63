"""The files of a finished run: a change of one is found, a copy and a text for people are none."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from medfm_cli.runs.inventory import INVENTORY, changed_file, write_inventory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "model" / "more").mkdir(parents=True)
    (folder / "model" / "weights").write_bytes(bytes(3_000_000))
    (folder / "model" / "more" / "vocabulary.json").write_text("{}")
    (folder / "model" / "card.md").write_text("intended use: EMPTY")
    (folder / "predictions.csv").write_text("a,b")
    write_inventory(folder, ["predictions.csv", "model"])
    return folder


def test_a_run_as_it_was_written_is_whole_and_stays_untouched(run: Path) -> None:
    names = ["model/more/vocabulary.json", "model/weights", "predictions.csv"]
    assert list(json.loads((run / INVENTORY).read_text())) == names
    before = (run / INVENTORY).stat().st_mtime_ns
    assert changed_file(run) is None
    assert changed_file(run, all_bytes=True) is None
    assert (run / INVENTORY).stat().st_mtime_ns == before


def test_a_change_under_the_same_size_and_time_is_found(run: Path) -> None:
    path = run / "model" / "weights"
    times = path.stat()
    with path.open("rb+") as file:
        file.seek(1_500_000)
        file.write(b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert changed_file(run) == "model/weights"


@pytest.mark.parametrize("how", ["longer", "gone", "a pipe", "a folder"])
def test_what_is_no_longer_the_file_is_found(run: Path, how: str) -> None:
    path = run / "predictions.csv"
    if how == "longer":
        path.write_text("a,b,c")
    else:
        path.unlink()
    if how == "a pipe":
        os.mkfifo(path)
    if how == "a folder":
        path.mkdir()
    assert changed_file(run) == "predictions.csv"


def test_a_copy_is_whole_and_its_times_are_written_down(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy", copy_function=shutil.copyfile))
    before = (copy / INVENTORY).read_bytes()
    assert changed_file(copy) is None
    after = (copy / INVENTORY).read_bytes()
    assert after != before
    assert changed_file(copy) is None
    assert (copy / INVENTORY).read_bytes() == after


def test_texts_for_people_may_be_completed_and_files_added(run: Path) -> None:
    (run / "model" / "card.md").write_text("intended use: research")
    (run / "model" / "notes.txt").write_text("mine")
    assert changed_file(run, all_bytes=True) is None


def test_a_run_without_artefacts_or_of_an_older_version_has_none(tmp_path: Path) -> None:
    write_inventory(tmp_path, [])
    assert not (tmp_path / INVENTORY).exists()
    assert changed_file(tmp_path) is None
