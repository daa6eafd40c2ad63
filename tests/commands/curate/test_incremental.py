"""A source that changed: only what changed is read, and the data set is that of a fresh start."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_files import dicom, noise, picture, table
from real_mix import mix

from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.doctor.artefacts import check
from medfm_cli.console import Silence
from medfm_cli.errors import DataError
from medfm_cli.execute import Job, Outcome, execute
from medfm_cli.runs.run import read_jsonl

SAME = ("samples.parquet", "quarantine.parquet", "shards", "fingerprints.parquet")


def curate(source: Path, out: Path, *, name: str = "toy", **keys: Any) -> Outcome:
    recipe = CurateRecipe.model_validate({"source": str(source), "workers": 1} | keys)
    return execute(Job("curate", name, recipe, out, Silence()))


def content(outcome: Outcome) -> dict[str, bytes]:
    """Every byte of the data set but its card, which names the run."""
    root = outcome.dir / "dataset"
    files = [path for name in SAME for path in (root / name, *(root / name).glob("*"))]
    return {str(p.relative_to(root)): p.read_bytes() for p in files if p.is_file()}


def read(outcome: Outcome) -> int:
    """How many items and refusals came out of files that were read in this run."""
    events = read_jsonl(outcome.dir / "log.jsonl")
    return sum(e["items"] + e["rejected"] for e in events if e["event"] == "unit")


def taken(outcome: Outcome) -> int:
    events = read_jsonl(outcome.dir / "log.jsonl")
    return sum(event["entries"] for event in events if event["event"] == "reused")


def folder(root: Path, count: int = 12) -> Path:
    for number in range(count):
        picture(root / f"{number % 3}" / f"{number:02}.png", number)
    return root


def test_only_what_was_added_or_changed_is_read(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "in"), tmp_path / "out"
    assert read(curate(source, out)) == 12
    picture(source / "0" / "new.png", 50)
    picture(source / "1" / "01.png", 51)
    (source / "2" / "02.png").unlink()
    again = curate(source, out)
    assert again.status == "done"
    assert (read(again), taken(again)) == (2, 10)
    assert content(again) == content(curate(source, tmp_path / "fresh"))
    assert curate(source, out).status == "up to date"
    assert not list(again.dir.rglob("previous.sqlite*"))


@pytest.mark.parametrize("seed", range(3))
def test_any_sequence_of_changes_ends_as_a_fresh_start(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    source, out = folder(tmp_path / "in", 20), tmp_path / "out"
    dicom(source / "ct.dcm", np.stack([noise(n) for n in range(3)]), Modality="US")
    shutil.copyfile(source / "0" / "00.png", source / "1" / "copy.png")
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    table(source / "labels.csv", "file,label,patient", *(f"{n:02}.png,{'ab'[n % 2]},p{n // 2}"
                                                         for n in range(30)))  # fmt: skip
    curate(source, out)
    for step in range(4):
        for _ in range(chance.randrange(1, 5)):
            change(chance, source, step)
        again = curate(source, out)
        assert taken(again) > 0
        assert content(again) == content(curate(source, tmp_path / f"fresh-{step}"))
        counts = again.result.metrics
        parts = ("kept", "duplicates", "quarantined")
        assert counts["read"] == sum(counts[name] for name in parts)


def change(chance: random.Random, source: Path, step: int) -> None:
    files = sorted(path for path in source.rglob("*.png"))
    victim, other = chance.sample(files, 2)
    match chance.randrange(7):
        case 0:
            picture(source / f"{chance.randrange(3)}" / f"{chance.randrange(20, 30)}.png",
                    chance.randrange(1000))  # fmt: skip
        case 1:
            picture(victim, chance.randrange(1000))
        case 2:
            victim.unlink()
        case 3:
            victim.rename(victim.with_name(f"moved-{step}-{victim.name}"))
        case 4:
            shutil.copyfile(victim, other)
        case 5:
            os.utime(victim, ns=(step, step + 1))
        case 6:
            victim.write_bytes(victim.read_bytes()[:300])


def test_other_settings_take_nothing(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "in"), tmp_path / "out"
    curate(source, out)
    assert taken(curate(source, out, quality={"min_side": 30})) == 0
    assert taken(curate(source, out, split={"train": 0.5, "val": 0.25, "test": 0.25})) == 0
    # The split is no matter of reading, but the newest run was read with other settings.
    assert taken(curate(source, out, seed=7)) == 12


def test_a_duplicate_that_is_kept_now_has_its_payload(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "in"), tmp_path / "out"
    shutil.copyfile(source / "0" / "00.png", source / "2" / "zz.png")
    curate(source, out)
    (source / "0" / "00.png").unlink()
    again = curate(source, out)
    assert read(again) == 0, "the payload of its twin serves"
    assert content(again) == content(curate(source, tmp_path / "fresh"))


def test_a_table_that_changed_changes_labels_without_reading(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "in"), tmp_path / "out"
    rows = [f"{n:02}.png,a,p{n}" for n in range(12)]
    table(source / "labels.csv", "file,label,patient", *rows)
    curate(source, out, labels="labels.csv")
    table(source / "labels.csv", "file,label,patient", *(r.replace(",a,", ",b,") for r in rows))
    again = curate(source, out, labels="labels.csv")
    assert taken(again) == 12
    assert set(again.result.metrics) and "b" in json.dumps(
        json.loads((again.dir / "dataset" / "dataset.json").read_text())["counts"]["labels"]
    )
    fresh = curate(source, tmp_path / "fresh", labels="labels.csv")
    assert content(again) == content(fresh)


def test_damaged_shards_are_not_believed(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "in"), tmp_path / "out"
    first = curate(source, out)
    (shard,) = (first.dir / "dataset" / "shards").glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    picture(source / "0" / "new.png", 50)
    again = curate(source, out)
    assert (taken(again), read(again)) == (0, 13)
    assert content(again) == content(curate(source, tmp_path / "fresh"))


def test_force_reads_everything(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "in"), tmp_path / "out"
    curate(source, out)
    recipe = CurateRecipe.model_validate({"source": str(source), "workers": 1})
    forced = execute(Job("curate", "toy", recipe, out, Silence(), force=True))
    assert (taken(forced), read(forced)) == (0, 12)


def test_file_names_are_not_kept_in_the_clear(tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "Mustermann.png", 1)
    done = curate(source, tmp_path / "out")
    for path in (done.dir / "checkpoints").rglob("*"):
        assert not path.is_file() or b"Mustermann" not in path.read_bytes()


@pytest.mark.realdata
def test_every_kind_with_masks_boxes_and_companions(tmp_path: Path, shared_data: Path) -> None:
    source, out = mix(shared_data, tmp_path / "in"), tmp_path / "out"
    first = curate(source, out, whole=True)
    kinds = json.loads((first.dir / "dataset" / "dataset.json").read_text())["counts"]["kinds"]
    assert len(kinds) >= 5, kinds
    mix(shared_data, source, start=3, count=1)
    again = curate(source, out, whole=True)
    assert 0 < read(again) < taken(again)
    assert content(again) == content(curate(source, tmp_path / "fresh", whole=True))


def test_a_damaged_dataset_is_not_up_to_date_and_is_made_again(tmp_path: Path) -> None:
    """One image in the place of another of the same length, under the same time."""
    source, out = folder(tmp_path / "in", 6), tmp_path / "out"
    first = curate(source, out)
    before = content(first)
    assert [item.kind for item in check(str(first.dir))] == ["dataset"]
    (shard,) = (first.dir / "dataset" / "shards").iterdir()
    times = shard.stat()
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DataError, match=f"{shard.name} was changed after it was written"):
        check(str(first.dir))
    with pytest.raises(DataError, match=f"{shard.name} is damaged"):
        check(str(first.dir / "dataset"))
    again = curate(source, out)
    assert (again.status, again.dir) == ("done", first.dir)
    assert content(again) == before
    assert check(str(again.dir)) == check(str(again.dir / "dataset"))


def test_shards_of_a_killed_try_are_looked_at_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = folder(tmp_path / "in", 6), tmp_path / "out"
    before = content(curate(source, tmp_path / "fresh", shard_bytes=1 << 20))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr("medfm_cli.commands.curate.writing.step.write_manifest", full)
        curate(source, out, shard_bytes=1 << 20)
    (shard,) = out.glob("*/dataset/shards/*.tar")
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    assert content(curate(source, out, shard_bytes=1 << 20)) == before


def test_the_report_beside_the_shards_is_the_same_however_the_work_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder(tmp_path / "in", 4)
    one = curate(source, tmp_path / "one", workers="auto")
    real = {"cores": 1000, "memory_bytes": 1 << 40, "packages": {}}
    monkeypatch.setattr("medfm_cli.execute.environment", lambda: real)
    two = curate(source, tmp_path / "two", workers=2)
    assert one.dir.name == two.dir.name
    names = {p.relative_to(two.dir) for p in (two.dir / "dataset").rglob("*") if p.is_file()}
    for name in sorted(names):
        assert (one.dir / name).read_bytes() == (two.dir / name).read_bytes(), name
    assert "Recipe" in (two.dir / "dataset" / "report.html").read_text()
    assert "1000 cores" in (two.dir / "report.html").read_text()
