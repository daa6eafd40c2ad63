"""What each objective is worth at a tiny size: k-NN, linear probe and images/s, in one table.

Run: python benchmarks/objectives.py --shared FOLDER [--steps 300] [--only NAME …]

FOLDER holds the sets that are named below. Objectives of images train the same encoder (`vit_xs`,
patches of 4 at 28 pixels) on the same radiographs for the same number of steps of 64; those of
other kinds train the encoder of their recipe. Rates, views and heads are those of the `-tiny`
recipes. The encoder is then frozen: nearest neighbours and logistic regression on the validation
split, BioVFM's linear probe on the test split, beside the same network with its random weights, on
the same samples. Gains are paired, intervals are over subjects and know nothing of other seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SOURCES = {
    "images": ("medmnist", "pneumoniamnist_subset/pneumoniamnist_imbalanced.npz"),
    "ecg": ("wfdb-ecg", "ecg_ptbxl"),
    "icu": ("physionet2012-icu", "icu_physionet2012_a"),
    "audio": ("audio", "audio_heart_pascal"),
}
"""Which recipe curates what, by kind."""
OBJECTIVES = dict.fromkeys(("mae", "simmim", "simclr", "mocov3", "dino", "dinov2"), "images")
OBJECTIVES |= {f"{name}-{kind}": kind for kind in list(SOURCES)[1:] for name in ("mae", "simclr")}
COMMON = ["monitor.data=same", "monitor.every=1e9", "tasks=[{name: labels, data: same}]"]
IMAGES = ["backbone.name=vit_xs", "backbone.image_size=28", "backbone.patch_size=4", "batch=64"]
OWN = {"simmim": ["objective.mask_patch=8"]}


def main() -> None:
    """Measure and print, a line an objective."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=list(OBJECTIVES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place, data = Path(folder), dict[str, str]()
        for name in arguments.only:
            kind = OBJECTIVES[name]
            if kind not in data:
                recipe, source = SOURCES[kind]
                where = f"source={(arguments.shared / source).resolve()}"
                data[kind] = medfm(place, "curate", recipe, where)["run_dir"]
            words = [*COMMON, *(IMAGES if kind == "images" else []), *OWN.get(name, [])]
            words += [f"steps={arguments.steps}", f"seed={arguments.seed}", f"data={data[kind]}"]
            told = medfm(place, "pretrain", f"{name}-tiny", *words)
            print(json.dumps(line(name, told["metrics"])), flush=True)


def line(name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """What is told of one objective."""
    probes = {
        "knn val": numbers["knn"]["auc"],
        "logistic val": numbers["linear"]["auc"],
        "probe test": numbers["tasks"]["labels"]["auc"],
    }
    told: dict[str, Any] = {"objective": name, "images/s": numbers["images_per_second"]}
    told["cpu ms/image"] = round(1000 * numbers["cpu_seconds"] / numbers["samples_seen"], 2)
    told["waiting"] = numbers["waiting_for_data"]
    for title, scores in probes.items():
        told[title] = text(scores["pretrained"], "value", ".3f")
        told[f"{title} gain"] = text(scores["gain"], "delta", "+.3f")
    told["n"] = [scores["gain"]["n"] for scores in probes.values()]
    told["load"] = round(os.getloadavg()[0], 1)
    return told


def text(estimate: dict[str, Any], key: str, form: str) -> str:
    """A value with its interval."""
    value, low, high = (estimate[name] for name in (key, "low", "high"))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def medfm(place: Path, *words: str) -> dict[str, Any]:
    """Run the command; what it prints as JSON."""
    command = [sys.executable, "-m", "medfm_cli", *words, "--json", "-q"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"medfm {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


if __name__ == "__main__":
    main()
