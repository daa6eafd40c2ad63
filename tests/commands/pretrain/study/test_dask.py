"""A study on a real Dask cluster: the same scores as on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dask_cluster import cluster
from executable import Executable
from toy_data import balanced, toy_dataset

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

MINUTES = 60.0


def test_cells_run_on_a_cluster(medfm: Executable, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=4), size=32)
    recipe = {
        "data": str(tmp_path / "data"),
        "backbone": {"name": "vit_xxs", "image_size": 32, "patch_size": 8},
        "batch": 8,
        "steps": 3,
        "tasks": [{"name": "shapes"}],
        "probe": {"epochs": 3},
        "study": {"models": ["vit_xxs"], "seeds": [0, 1], "draws": 100},
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(recipe))
    words = ("pretrain", "grid.yaml", "--json")
    with cluster(tmp_path / "cluster", medfm.environment) as made:
        how = ("study.engine=dask", f"study.address={made.address}", "--out", "dask")
        there = medfm(*words, *how, cwd=tmp_path, timeout=4 * MINUTES)
    assert there.code == 0, there.stderr
    here = medfm(*words, "--out", "here", cwd=tmp_path, timeout=4 * MINUTES)
    assert here.code == 0, here.stderr

    def scores(run_dir: str) -> list[list[str]]:
        rows = [line.split(",") for line in (tmp_path / run_dir / "cells.csv").read_text().split()]
        return [row[:7] for row in rows]

    assert scores(there.json["run_dir"]) == scores(here.json["run_dir"])
    names = [Path(done.json["run_dir"]).name for done in (there, here)]
    assert names[0] == names[1], "where cells run is no part of what the study is"
