"""What a new dataset shares with others and with what a model has learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_catalog import ledger_of
from curate_pictures import drawn, numbered, seen
from curate_types import Curate
from dataset_files import write_dataset
from executable import Executable
from PIL import Image

from medfm_cli.commands.curate.duplicates.contamination import contamination
from medfm_cli.commands.curate.duplicates.contamination_summary import Contaminated
from medfm_cli.commands.curate.options.contamination import Contamination
from medfm_cli.commands.curate.options.deduplicate import Deduplicate
from medfm_cli.commands.curate.similarity.fingerprint_file import Seen, write_fingerprints
from medfm_cli.data.dataset import Dataset
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.lineage import Lineage, Step
from medfm_cli.models.lineage import SeenImages as Learnt
from medfm_cli.models.spec import BackboneSpec

Row = dict[str, Any]
PICTURES = [image.resize((90, 80)) for image in drawn(4)]


@pytest.fixture
def other(tmp_path: Path) -> Dataset:
    """Four pictures; sample n is of subject n // 2 and comes from a file of its own."""
    root = tmp_path / "other"
    write_dataset(root, 4, pixels=lambda number: np.asarray(PICTURES[number]), max_bytes=1 << 20)
    dataset = Dataset.open(root)
    rows = [
        Seen(name, row["phash"], row["thumb"])
        for name, row in zip(dataset.column("image_id"), map(seen, PICTURES), strict=True)
    ]
    write_fingerprints(root, rows, key="mine")
    return dataset


@pytest.fixture
def compare(tmp_path: Path, other: Dataset) -> Callable[..., Contaminated]:
    def against(rows: list[Row], *, key: str = "mine", near: bool = True, **options: Any) -> Any:
        asked = {"against": [str(other.root)], "near": near} | options
        with ledger_of(tmp_path / "catalog.sqlite", numbered(rows)) as catalog:
            return contamination(catalog, Contamination(**asked), near=Deduplicate(), key=key)

    return against


def id_of(dataset: Dataset, row: int) -> str:
    return str(dataset.column("image_id")[row])


def found(done: Contaminated) -> dict[str, dict[str, int]]:
    return done.compared[0].shared


def test_every_way_to_be_shared_counts_once(
    compare: Callable[..., Contaminated], other: Dataset
) -> None:
    new = drawn(5, seed=9)
    rows = [
        seen(new[0], file_sha=other.column("source_sha256")[0], split="train"),
        seen(new[1], content_sha=id_of(other, 1) + "f" * 48, split="test"),
        seen(PICTURES[2].resize((300, 200)), split="test"),
        seen(np.fliplr(np.asarray(PICTURES[3])), split="val", subject="subject-1", known=1),
        seen(new[2], split="test", subject="subject-0", known=1),
        seen(new[3], split="test", subject="subject-0", known=0),
        seen(new[4], split="test"),
    ]
    done = compare(rows)
    assert found(done) == {
        "the same file": {"train": 1},
        "the same content": {"test": 1},
        "a near copy": {"test": 1, "val": 1},
        "the same subject": {"test": 1},
    }
    assert (done.samples, done.contaminated) == (7, 5)
    near = [example for example in done.examples if example.kind == "a near copy"]
    assert [(e.item, e.other) for e in near] == [(3, id_of(other, 2)), (4, id_of(other, 3))]
    assert near[1].turn == "flipped left to right"
    assert done.gate is not None and "5 of 7 samples (71.4%)" in done.gate


def test_one_image_of_a_large_file_says_nothing_of_the_others(
    compare: Callable[..., Contaminated], other: Dataset
) -> None:
    sha = other.column("source_sha256")[0]
    assert found(compare([seen(drawn(1, seed=9)[0], file_sha=sha, part="train-7")])) == {}


def test_near_copies_only_where_they_are_asked_for(compare: Callable[..., Contaminated]) -> None:
    rows = [seen(PICTURES[2].resize((300, 200)))]
    assert compare(rows).contaminated == 1
    assert compare(rows, near=False).contaminated == 0


def test_the_share_of_the_test_split(compare: Callable[..., Contaminated]) -> None:
    new = drawn(3, seed=9)
    rows = [seen(PICTURES[0], split="train"), *(seen(image, split="test") for image in new)]
    assert compare(rows).gate is not None
    assert compare(rows, threshold=0.3).gate is None
    assert compare(rows, of="test").gate is None
    assert compare([seen(PICTURES[0], split="test"), *rows], of="test", threshold=0.2).gate


def test_subjects_need_the_same_key(compare: Callable[..., Contaminated], other: Dataset) -> None:
    rows = [seen(drawn(1, seed=9)[0], subject="subject-0", known=1)]
    assert compare(rows).contaminated == 1
    assert compare(rows, subjects=False).contaminated == 0
    done = compare(rows, key="another")
    assert done.contaminated == 0
    assert "subjects were NOT compared" in done.remarks()[0]


def test_a_dataset_without_fingerprints(
    compare: Callable[..., Contaminated], other: Dataset
) -> None:
    (other.root / "fingerprints.parquet").unlink()
    done = compare([seen(PICTURES[2].resize((300, 200)))])
    assert done.contaminated == 0
    assert any("near copies were NOT looked for" in told for told in done.remarks())


def model(folder: Path, *learnt: Learnt) -> Path:
    step = Step(verb="finetune", recipe="probe", run="r", seen=list(learnt))
    config = ModelConfig(
        kind="encoder",
        backbone=BackboneSpec(),
        preprocessing=Preprocessing(size=64),
        lineage=Lineage(steps=[step]),
    )
    folder.mkdir()
    (folder / "config.json").write_text(config.to_file())
    return folder


def test_what_a_model_has_learnt_from(compare: Callable[..., Contaminated], tmp_path: Path) -> None:
    ids = [f"{number:012x}" for number in (5, 6)]
    learnt = Learnt(dataset="v", splits=["train"], labels=True, count=2, images=" ".join(ids))
    rows = [{"content_sha": ids[1] + "a" * 52, "split": "test"}, {"content_sha": "b" * 64}]
    done = compare(rows, against=[str(model(tmp_path / "model", learnt))])
    assert found(done) == {"the same content": {"test": 1}}
    assert len(done.remarks()) == 1


def test_a_model_that_does_not_tell(compare: Callable[..., Contaminated], tmp_path: Path) -> None:
    silent = Learnt(dataset="v", splits=["train"], labels=True, count=99999, images=None)
    done = compare([{}], against=[str(model(tmp_path / "model", silent))])
    assert done.gate is None
    assert any("does not list" in told for told in done.remarks())


def test_neither_a_dataset_nor_a_model(compare: Callable[..., Contaminated]) -> None:
    with pytest.raises(DataError, match="nowhere"):
        compare([{}], against=["nowhere"])


def test_the_command_ends_with_5_and_writes_the_dataset(medfm: Executable, tmp_path: Path) -> None:
    for number, image in enumerate(drawn(6)):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "two").mkdir(exist_ok=True)
        image.save(tmp_path / "one" / f"{number}.png")
        if number < 2:
            image.rotate(90, expand=True).resize((100, 120)).save(
                tmp_path / "two" / f"{number}.png"
            )
    for number, image in enumerate(drawn(6, seed=5)):
        image.save(tmp_path / "two" / f"new{number}.png")
    keys = ("labels=none", "deidentify.secret=public")
    one = medfm("curate", "folders", "source=one", *keys, "--out", "a", cwd=tmp_path)
    asked = json.dumps({"against": [str(tmp_path / one.run_dir)]})
    again = ("curate", "folders", "source=two", *keys, "--out", "b")
    done = medfm(*again, f"contamination={asked}", "--json", cwd=tmp_path)
    assert done.code == 5, done.stderr
    assert done.json["metrics"]["contaminated"] == 2
    (run_dir,) = (tmp_path / "b").glob("curate-folders-*[0-9a-f]")
    assert len(Dataset.open(run_dir / "dataset")) == 8
    report = (run_dir / "report.html").read_text()
    assert "Contamination" in report and "a near copy" in report
    fine = medfm(*again, f"contamination={asked}", "contamination.threshold=0.3", cwd=tmp_path)
    assert fine.code == 0, fine.stderr


@pytest.mark.realdata
def test_a_test_split_that_others_have_trained_on(
    curate: Curate, shared_data: Path, tmp_path: Path
) -> None:
    """The children's radiographs against themselves, made smaller and recompressed."""
    source = shared_data / "cxr_pediatric_pneumonia" / "img"
    paths = sorted(source.iterdir())[::6]
    for path in paths:
        image = Image.open(path).convert("L")
        (tmp_path / "large").mkdir(exist_ok=True)
        (tmp_path / "small").mkdir(exist_ok=True)
        image.save(tmp_path / "large" / f"{path.stem}.png")
        image.resize((150, 150)).save(tmp_path / "small" / f"{path.stem}.jpg", quality=60)
    large = curate(tmp_path / "large", labels="none")
    against = {"against": [str(large.run.dir)], "threshold": 0.5}
    small = curate(tmp_path / "small", out="again", labels="none", contamination=against)
    shared = small.result.metrics["contaminated"]
    assert shared == small.counts["kept"] == len(small.rows)
    assert small.result.gate is not None
    assert (small.run.dir / "figures" / "contamination.png").is_file()
