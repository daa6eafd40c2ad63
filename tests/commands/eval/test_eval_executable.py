"""`medfm finetune` and `medfm eval` as people run them."""

from __future__ import annotations

from pathlib import Path

from executable import Executable
from toy_data import Toy, balanced, toy_dataset

RANDOM = ("model=random", "backbone.name=vit_xxs", "backbone.image_size=32")
QUICK = ("bootstrap=100",)
LIMIT = 240.0


def test_from_a_probe_to_a_gate(medfm: Executable, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=4))
    trained = medfm(
        "finetune", "probe", "data=data", *RANDOM, *QUICK, "--json", cwd=tmp_path, timeout=LIMIT
    )
    assert trained.code == 0, trained.stderr
    document = trained.json
    assert document["metrics"]["test"]["auc"]["subjects"] == 6
    model = document["artefacts"]["model"]
    assert (tmp_path / model / "model.safetensors").is_file()

    arguments = ("eval", "gate", "data=data", f"models.probe={model}", *QUICK)
    missed = medfm(*arguments, "gate.auc=1.01", "--json", cwd=tmp_path, timeout=LIMIT)
    assert missed.code == 5, missed.stderr
    assert missed.json["error"]["message"].startswith("AUC of probe is")
    assert (tmp_path / missed.json["run_dir"] / "report.html").is_file()

    plan = medfm(*arguments, "--dry-run", cwd=tmp_path, timeout=LIMIT)
    assert plan.code == 0
    assert "score probe beside majority, pixels, random" in plan.stdout


def test_one_class_only_ends_with_3(medfm: Executable, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", [Toy("disc", "train"), Toy("disc", "test")])
    done = medfm("finetune", "probe", "data=data", *RANDOM, cwd=tmp_path, timeout=LIMIT)
    assert done.code == 3
    assert "are all of one class (disc)" in done.stderr
    assert "Traceback" not in done.stderr
