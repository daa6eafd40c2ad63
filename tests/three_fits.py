"""Three trainings of one run, as in a federated round; what training/test_scope.py kills."""

from __future__ import annotations

import json
from pathlib import Path

import mortal
import torch
from safetensors.torch import save_file
from torch import Tensor
from training_tools import MemoryLoader, Painter, images, new_run, options

from medfm_cli.training.loop import fit
from medfm_cli.training.scope import Scope
from medfm_cli.training.session import open_session

STEPS = 12


def train(folder: Path, dies_after: int | None = None) -> None:
    """Train at two sites, and then from the average of the two; die within the second training.

    Leaves the final weights, and where each training resumed.
    """
    torch.set_num_threads(1)
    run = new_run(folder)
    sites: dict[str, dict[str, Tensor]] = {}
    resumed = []
    with open_session("fp32", run) as session:
        for number, site in enumerate(("a", "b", "all")):
            if site == "b" and dies_after is not None:
                mortal.die(dies_after)
            task = Painter(dropout=0.3)
            if site == "all":
                task.load_state_dict({k: (v + sites["b"][k]) / 2 for k, v in sites["a"].items()})
            report = fit(
                task,
                MemoryLoader(images(), batch=8),  # type: ignore[arg-type]
                options(seed=number, steps=STEPS, ema=0.9, checkpoint_steps=5),
                session=session,
                scope=Scope(folder=f"rounds/0001/{site}", fields={"round": 1, "site": site}),
            )
            resumed.append(report.resumed_from)
            sites[site] = dict(task.state_dict())
    save_file(sites["all"], folder / "weights.safetensors")
    (folder / "resumed.json").write_text(json.dumps(resumed))
