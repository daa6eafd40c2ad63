"""Tasks that score a finished encoder, and learning from a part of the subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli.commands.pretrain import engine
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.commands.pretrain.resolve import inspect_dataset
from medfm_cli.commands.pretrain.subset import chosen_subjects
from medfm_cli.data import Dataset
from medfm_cli.errors import DataError
from medfm_cli.metrics import make_cases
from medfm_cli.metrics.scorers import SCORERS
from medfm_cli.metrics.weighting import unit
from medfm_cli.runs import Result, Run

SMALL: dict[str, Any] = {"backbone": {"name": "vit_xxs"}, "batch": 8, "steps": 4}
TASKS = {"tasks": [{"name": "shapes"}], "probe": {"epochs": 5}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    toy_dataset(folder, balanced(subjects=6), size=48)
    return folder


def recipe_of(data: Path, **keys: Any) -> PretrainRecipe:
    return PretrainRecipe.model_validate({"data": str(data)} | SMALL | keys)


def pretrain(data: Path, folder: Path, **keys: Any) -> tuple[Result, Run]:
    run = toy_run(folder, verb="pretrain")
    return engine.run(recipe_of(data, **keys), run), run


def test_a_task_scores_the_encoder_beside_random_weights(data: Path, tmp_path: Path) -> None:
    result, run = pretrain(data, tmp_path, **TASKS)
    scores = result.metrics["tasks"]["shapes"]["auc"]
    images = len(Dataset.open(data).rows("test"))
    assert scores["pretrained"]["n"] == scores["random"]["n"] == images
    table = pq.read_table(run.dir / "tasks" / "shapes.parquet")
    names = [name for name in table.column_names if name.startswith("probability_")]
    probabilities = np.stack([table.column(name).to_numpy() for name in names], axis=1)
    classes = [name.removeprefix("probability_") for name in names]
    truth = np.array([classes.index(label) for label in table.column("label").to_pylist()])
    again = unit(SCORERS["auc"].prepare(make_cases(truth, probabilities)), images)
    assert scores["pretrained"]["value"] == pytest.approx(again), "recomputed from what is kept"
    assert [s.title for s in result.sections if s.title == "Probe tasks"]


def test_a_task_without_test_images_is_refused(data: Path, tmp_path: Path) -> None:
    few = [Toy(label, "train", images=1) for label in ("disc", "ring") for _ in range(4)]
    toy_dataset(tmp_path / "few", few, size=48)
    task = {"name": "few", "data": str(tmp_path / "few")}
    with pytest.raises(DataError, match="'few' has labels of fewer than two classes in its split"):
        pretrain(data, tmp_path / "run", tasks=[task])


def test_names_of_tasks_are_distinct(data: Path) -> None:
    with pytest.raises(ValueError, match="more than one task is called a"):
        recipe_of(data, tasks=[{"name": "a"}, {"name": "a"}])


def test_a_fraction_is_of_subjects(data: Path) -> None:
    dataset = Dataset.open(data)
    subjects = np.asarray(dataset.column("subject_id"), dtype=object)
    whole = inspect_dataset(recipe_of(data), dataset)
    half = inspect_dataset(recipe_of(data, fraction=0.5), dataset)
    assert half.subjects == whole.subjects // 2
    taken = set(subjects[half.rows])
    assert not taken & set(subjects[np.setdiff1d(whole.rows, half.rows)])
    other = inspect_dataset(recipe_of(data, fraction=0.5, seed=1), dataset)
    assert set(subjects[other.rows]) != taken


@given(
    st.lists(st.sampled_from("abcdefghijk"), min_size=1, max_size=40),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    st.integers(0, 9),
)
def test_smaller_parts_lie_in_larger_ones(
    subjects: list[str], one: float, other: float, seed: int
) -> None:
    small, large = (chosen_subjects(subjects, part, seed=seed) for part in sorted((one, other)))
    assert small.any() and (small <= large).all()
    assert chosen_subjects(subjects, 1.0, seed=seed).all()
    kept = {name for name, taken in zip(subjects, large, strict=True) if taken}
    assert all(taken == (name in kept) for name, taken in zip(subjects, large, strict=True))
