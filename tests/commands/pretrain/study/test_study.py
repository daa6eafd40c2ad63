"""A scaling study through the real command: a grid on real radiographs, and what is missing."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from executable import Ended, Executable
from toy_data import balanced, toy_dataset

from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.commands.pretrain.study.collect import read_outcome
from medfm_cli.commands.pretrain.study.runner import CommandResult as Command
from medfm_cli.commands.pretrain.study.runner import run_all

MINUTES = 60.0
GRID: dict[str, Any] = {
    "models": ["vit_xxs", "vit_xs"],
    "fractions": [0.5, 1.0],
    "seeds": [0, 1],
    "draws": 200,
}


def study(data: Path, **keys: Any) -> dict[str, Any]:
    """A study of very short trainings."""
    return {
        "data": str(data),
        "backbone": {"image_size": 32, "patch_size": 8},
        "objective": {"name": "mae", "decoder": {"dim": 16, "depth": 1, "heads": 2}},
        "batch": 8,
        "steps": 4,
        "monitor": {"every": 1e9},
        "tasks": [{"name": "labels"}],
        "probe": {"epochs": 5},
        "study": GRID | keys,
    }


def write(folder: Path, values: dict[str, Any]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grid.yaml").write_text(yaml.safe_dump(values))
    return "grid.yaml"


@pytest.fixture(scope="module")
def radiographs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few hundred real images of the official file, every part smaller."""
    whole = np.load(shared_data / "pneumoniamnist_subset" / "pneumoniamnist_imbalanced.npz")
    path = tmp_path_factory.mktemp("source") / "few.npz"
    steps = {"train": 16, "val": 6, "test": 5}  # they are sorted by label
    parts = {name: whole[name][:: steps[name.split("_")[0]]] for name in whole.files}
    np.savez(path, **parts)
    return path


@pytest.fixture(scope="module")
def done(
    medfm: Executable, radiographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ended, Path]:
    place = tmp_path_factory.mktemp("study")
    recipe = write(place, study(radiographs))
    words = ("pretrain", recipe, "--json", "--processes", "2")
    return medfm(*words, cwd=place, timeout=8 * MINUTES), place


@pytest.mark.realdata
def test_the_grid_is_run_and_fitted(done: tuple[Ended, Path]) -> None:
    ended, place = done
    assert ended.code == 0, ended.stderr
    numbers, folder = ended.json["metrics"], place / ended.json["run_dir"]
    assert (numbers["cells"], numbers["cells_done"], numbers["missing"]) == (8, 8, {})
    assert len(numbers["lines"]) == 4
    for line in numbers["lines"]:
        fit = line["fit"]
        assert fit["low"] <= fit["high"] and fit["exploratory"] is True
        assert len(fit["sizes"]) == 2 and fit["seeds"] == 2
    (factors,) = numbers["factors"].values()
    assert factors["classes"] == 2 and factors["compressibility"] > 0
    with (folder / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and all(float(row["AUC: labels"]) > 0 for row in rows)
    samples = {(row["Data"], row["Seed"]): int(row["Samples"]) for row in rows}
    assert samples["0.5", "0"] == pytest.approx(samples["1", "0"] / 2, abs=1)
    assert all(float(row["CPU hours"]) > 0 for row in rows)
    figures = sorted(path.name for path in (folder / "figures").iterdir())
    assert figures == ["parameters-labels.svg", "samples-labels.svg"]
    text = (folder / "report.html").read_text()
    assert "exploratory" in text and "estimate" in text


@pytest.mark.realdata
def test_scores_are_those_that_the_cells_wrote(done: tuple[Ended, Path]) -> None:
    ended, place = done
    folder = place / ended.json["run_dir"]
    with (folder / "cells.csv").open() as file:
        rows = {(r["Model"], r["Data"], r["Seed"]): r["AUC: labels"] for r in csv.DictReader(file)}
    recipe = PretrainRecipe.model_validate(study(Path(place / "none")))
    for cell in recipe.cells():
        (run,) = (folder / "cells" / "runs").glob(f"pretrain-{cell.name}-????????")
        outcome = read_outcome(cell, run, ["labels"])
        told = outcome.numbers["tasks"]["labels"]["auc"]["pretrained"]["value"]
        found = float(rows[cell.model, f"{cell.fraction:g}", str(cell.seed)])
        assert found == pytest.approx(told)


@pytest.mark.realdata
def test_what_is_done_is_not_done_again(done: tuple[Ended, Path], medfm: Executable) -> None:
    ended, place = done
    folder = place / ended.json["run_dir"]
    (folder / "DONE").unlink()
    lost = next((folder / "cells" / "runs").glob("pretrain-*-seed0-????????"))
    (lost / "DONE").unlink()
    kept = {
        path: path.stat().st_mtime_ns
        for path in (folder / "cells" / "runs").glob("pretrain-*-????????/result.json")
        if path.parent != lost
    }
    again = medfm("pretrain", "grid.yaml", "--json", cwd=place, timeout=4 * MINUTES)
    assert again.code == 0, again.stderr
    assert again.json["metrics"] == ended.json["metrics"]
    assert (lost / "DONE").is_file()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_cell_that_fails_is_missing_and_not_filled_in(medfm: Executable, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=4), size=32)
    grid = {"models": ["vit_xxs", "no_such_model"], "fractions": [1.0], "seeds": [0]}
    values = study(tmp_path / "data", **grid) | {"backbone": {"image_size": 32}}
    recipe = write(tmp_path, values)
    failed = medfm("pretrain", recipe, "--json", cwd=tmp_path, timeout=2 * MINUTES)
    assert failed.code == 1
    assert "1 of 2 cells failed" in failed.json["error"]["message"]
    assert "there is no backbone 'no_such_model'" in failed.json["error"]["message"]
    words = ("pretrain", recipe, "study.missing=keep", "--json")
    kept = medfm(*words, cwd=tmp_path, timeout=2 * MINUTES)
    assert kept.code == 0, kept.stderr
    numbers = kept.json["metrics"]
    assert numbers["cells_done"] == 1 and list(numbers["missing"]) == ["mae-no_such_model-1-seed0"]
    assert [line["fit"] for line in numbers["lines"]] == [None]
    rows = (tmp_path / kept.json["run_dir"] / "cells.csv").read_text().splitlines()
    assert rows[-1].startswith("mae,no_such_model,1,0,,,,")


def test_a_study_is_checked_before_it_begins(tmp_path: Path) -> None:
    values = study(tmp_path)
    with pytest.raises(ValueError, match="a study needs tasks"):
        PretrainRecipe.model_validate(values | {"tasks": []})
    with pytest.raises(ValueError, match="the same value twice"):
        PretrainRecipe.model_validate(study(tmp_path, seeds=[1, 1]))
    with pytest.raises(ValueError, match="mask_ratio"):
        blocks = [{"name": "mae", "mask_ratio": 2.0}]
        PretrainRecipe.model_validate(study(tmp_path, objectives=blocks))


def test_a_cell_is_an_ordinary_recipe(tmp_path: Path) -> None:
    recipe = PretrainRecipe.model_validate(study(tmp_path, objectives=[{"name": "mae"}]))
    grid = recipe.cells()
    assert len(grid) == len({cell.name for cell in grid}) == 8
    one = PretrainRecipe.model_validate(recipe.of_cell(grid[-1]))
    assert (one.study, one.backbone.name, one.fraction, one.seed) == (None, "vit_xs", 1.0, 1)
    assert one.objective.decoder.dim == 64, "the block of the study, not the recipe's"
    assert json.dumps(recipe.of_cell(grid[0]))


def test_a_cell_finds_its_starting_weights_from_anywhere(tmp_path: Path) -> None:
    for weights, wanted in (
        ("model.pth", str(Path("model.pth").resolve())),
        ("hf:some/one", "hf:some/one"),
    ):
        values = study(tmp_path) | {"backbone": {"image_size": 32, "weights": weights}}
        recipe = PretrainRecipe.model_validate(values)
        assert recipe.of_cell(recipe.cells()[0])["backbone"]["weights"] == wanted
        assert recipe.backbone.weights == weights


def test_commands_end_when_the_lease_is_gone(tmp_path: Path) -> None:
    ends: dict[str, Command] = {}

    class Enough(Exception):
        """Stops the study."""

    def stop() -> None:
        if ends:
            raise Enough

    commands = {"short": ["sleep", "0"], "long": ["sleep", "300"], "later": ["sleep", "300"]}
    with pytest.raises(Enough):
        run_all(
            commands,
            lease=tmp_path / "lease",
            at_once=2,
            check_stop=stop,
            done=ends.__setitem__,
        )
    assert list(ends) == ["short"] and not (tmp_path / "lease").exists()


def test_a_command_may_say_more_than_a_pipe_holds(tmp_path: Path) -> None:
    ends: dict[str, Command] = {}
    program = "import json; print(json.dumps({'long': 'x' * 300_000}))"
    run_all(
        {"wordy": [sys.executable, "-c", program]},
        lease=tmp_path / "lease",
        at_once=1,
        check_stop=lambda: None,
        done=ends.__setitem__,
    )
    assert ends["wordy"].code == 0
    assert len(ends["wordy"].document["long"]) == 300_000
