"""Trainings in real processes, some of which kill themselves (SIGKILL) after a step.

The processes are forked from one that has imported torch already: a start takes milliseconds, and
every objective can have its own deaths.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from warm import CONTEXT


def pretrain(
    folder: Path,
    recipe: dict[str, Any],
    *,
    processes: int = 1,
    dies_after: int | None = None,
    seconds: float = 600,
) -> list[int | None]:
    """Pretrain in the run directory `folder`, or go on there; give the exit codes.

    With `dies_after` every process kills itself when it has done that many steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    ranks = [
        CONTEXT.Process(target=_be, args=(folder, recipe, rank, processes, port, dies_after))
        for rank in range(processes)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(seconds)
    for process in ranks:
        process.kill()  # what hangs; the others have ended
        process.join()
    return [process.exitcode for process in ranks]


def run(target: Callable[..., None], *arguments: Any, seconds: float = 300) -> int | None:
    """Run a function of a module in `tests/` in a process of its own; give the exit code."""
    process = CONTEXT.Process(target=target, args=arguments)
    process.start()
    process.join(seconds)
    process.kill()  # what hangs; else it has ended
    process.join()
    return process.exitcode


def said(folder: Path) -> str:
    """What the processes wrote to stderr."""
    return "".join(path.read_text() for path in sorted(folder.glob("stderr-*.txt")))


def _be(
    folder: Path,
    recipe: dict[str, Any],
    rank: int,
    world: int,
    port: int,
    dies_after: int | None,
) -> None:
    sys.stderr = (folder / f"stderr-{rank}.txt").open("w")  # kept open to the end
    if world > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world),
            "LOCAL_WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    from medfm_cli.commands.pretrain import engine
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.console import Silence
    from medfm_cli.runs import Run

    if dies_after is not None:
        die(dies_after)
    run = Run(folder, "pretrain", "toy", "0" * 64, Silence(), rank, world, world)
    engine.run(PretrainRecipe.model_validate(recipe), run)


def die(after: int) -> None:
    """Have this process kill itself once it has counted that many steps, before a checkpoint."""
    from medfm_cli.training.meter import Meter

    count = Meter.count

    def counted(self: Meter, *arguments: Any, **options: Any) -> None:
        count(self, *arguments, **options)
        if self._state.step == after:
            os.kill(os.getpid(), signal.SIGKILL)

    Meter.count = counted  # type: ignore[method-assign]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
