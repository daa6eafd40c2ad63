"""The executable refuses unsafe augmentations before it trains, and does as it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from executable import Executable
from toy_data import balanced, toy_dataset

RECIPE = """\
data: data
backbone: {name: vit_xxs}
objective: {name: mae, decoder: {dim: 16, depth: 1, heads: 2}}
augment: {rotate: 10.0, blur: 0.5, noise: 0.1, second: {hue: 0.1}}
batch: 8
steps: 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unsafe")
    toy_dataset(folder / "data", balanced(), size=32)
    (folder / "toy.yaml").write_text(RECIPE)
    return folder


@pytest.mark.parametrize("extra", [(), ("--dry-run",)])
def test_an_unsafe_augmentation_ends_the_run_before_it_begins(
    medfm: Executable, home: Path, extra: tuple[str, ...]
) -> None:
    done = medfm("pretrain", "toy.yaml", *extra, cwd=home)
    assert done.code == 2
    assert "hue: the network sees no colour" in done.stderr
    assert "augment.allow: [hue]" in done.stderr


def test_it_is_done_when_the_recipe_allows_it(medfm: Executable, home: Path) -> None:
    done = medfm("pretrain", "toy.yaml", "augment.allow=[hue]", cwd=home)
    assert done.code == 0, done.stderr
    assert (home / done.run_dir / "model").is_dir()
    report = (home / done.run_dir / "report.html").read_text()
    assert "allows augmentations that are unsafe for these data: hue: the network" in report


def test_views_of_another_kind_than_the_input_are_an_error(medfm: Executable, home: Path) -> None:
    (home / "ecg.yaml").write_text("data: data\naugment: {kind: signal, shift: 0.1}\n")
    done = medfm("pretrain", "ecg.yaml", "--dry-run", cwd=home)
    assert done.code == 2
    assert "augment is of kind signal, and the input of kind image" in done.stderr
