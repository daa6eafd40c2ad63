"""What the processes of test_distributed.py do: train a task and leave the weights."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor
from training_tools import (
    Comparer,
    Counted,
    MemoryLoader,
    Painter,
    fit_once,
    images,
    new_run,
    options,
)

from medfm_cli.data.batch import Batch
from medfm_cli.errors import RunFailed, Stopped
from medfm_cli.processes.launch import follow_parent
from medfm_cli.runs import Run, stopping
from medfm_cli.training.loop import fit
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.scope import Scope
from medfm_cli.training.session import open_session

RANK, WORLD = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


class Poisoned(Painter):
    """Gives NaN on the second process, at step 3."""

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        values = super().inputs(batch, random)
        if RANK == 1 and random.step == 2:
            values["clean"] = values["clean"] * float("nan")
        return values


class Signalled(Painter):
    """The signal comes to the second process only, at step 3."""

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        if RANK == 1 and random.step == 2:
            stopping._received.append(15)
        return super().inputs(batch, random)


def weigh(folder: Path, loader: Any, run: Run) -> int:
    """Two trainings in one session: with whole weights on each process, then with shards."""
    with open_session("fp32", run) as session:
        for sharding in ("none", "fsdp"):
            task, scope = Counted(), Scope(folder=sharding, fields={"sharding": sharding})
            chosen = options(accumulate=2, clip=0.5, sharding=sharding)
            fit(task, loader, chosen, session=session, scope=scope)
            if RANK == 0:
                save_file(dict(task.state_dict()), folder / f"{sharding}.safetensors")
            if sharding == "none":  # shards are of a copy
                save_file(task.gradients, folder / f"gradients-{RANK}.safetensors")
    return 0


def main(folder: Path, kind: str) -> int:
    follow_parent()
    kinds = {"plain": Painter, "poisoned": Poisoned, "signalled": Signalled, "comparing": Comparer}
    run = new_run(folder, rank=RANK, world=WORLD)
    loader = MemoryLoader(images(), batch=8, rank=RANK, world=WORLD)
    if kind == "weighted":
        return weigh(folder, loader, run)
    task = kinds[kind]()
    parts = 1 if kind == "comparing" else 2
    try:
        fit_once(task, loader, options(accumulate=parts, clip=0.5), run)
    except (RunFailed, Stopped) as error:
        (folder / f"error-{RANK}.json").write_text(json.dumps(error.message))
        return error.exit_code
    if RANK == 0:
        save_file(dict(task.state_dict()), folder / "weights.safetensors")
    if isinstance(task, Comparer):
        save_file(task.gradients, folder / f"gradients-{RANK}.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
