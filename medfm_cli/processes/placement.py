"""Which of the processes of a launcher this one is: torchrun, accelerate launch, srun. Torch-free.

torchrun and `accelerate launch` set torch's variables (RANK, WORLD_SIZE, LOCAL_RANK,
MASTER_ADDR, MASTER_PORT). SLURM's are translated into them, so that nothing else needs to know.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass

from medfm_cli.errors import UsageError


@dataclass(frozen=True)
class Place:
    """The place of this process among those that were launched together."""

    rank: int
    world: int
    launcher: str


def find_place(environment: MutableMapping[str, str]) -> Place | None:
    """The place that a launcher gave this process; None where it runs alone.

    Within a step of SLURM, torch's variables are added to `environment`.

    Raises:
        UsageError: the variables are not numbers, or contradict each other.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        launcher = "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "a launcher"
    elif _in_step(environment):
        _translate(environment)
        launcher = "srun"
    else:
        return None
    rank, world = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
    if not 0 <= rank < max(1, world):
        raise UsageError(
            f"{launcher} says that this is process {rank} of {world} (RANK, WORLD_SIZE)",
            hint="unset RANK and WORLD_SIZE to run in one process",
        )
    return Place(rank, world, launcher) if world > 1 else None


def started_alone(environment: MutableMapping[str, str]) -> bool:
    """Whether `accelerate launch` should have started several processes and started one.

    It does so with `--cpu`, whatever `--num_processes` is: it sets a rendezvous address but starts
    no other process.
    """
    meant_for_several = "ACCELERATE_MIXED_PRECISION" in environment and "MASTER_ADDR" in environment
    return meant_for_several and "WORLD_SIZE" not in environment and "PMI_SIZE" not in environment


def first_host(nodes: str) -> str:
    """The first host of SLURM's list: `gpu[03-05,9],head` → `gpu03`."""
    first = re.split(r",(?![^[]*\])", nodes)[0]
    return re.sub(r"\[([^\]]*)\]", lambda found: re.split("[,-]", found[1])[0], first)


def tasks_by_node(text: str) -> list[int]:
    """How many processes each node has, from SLURM's short form: `2(x3),1` → `[2, 2, 2, 1]`."""
    counts: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(count)] * int(times or 1)
    return counts


def _in_step(environment: MutableMapping[str, str]) -> bool:
    """Whether srun started this; a batch script has a SLURM_PROCID too, and is no step."""
    return "SLURM_STEP_ID" in environment and "SLURM_PROCID" in environment


def _translate(environment: MutableMapping[str, str]) -> None:
    """Set torch's variables from those of SLURM."""
    # An interactive step has the tasks of the whole job in SLURM_NTASKS, and is one process.
    world = environment.get("SLURM_STEP_NUM_TASKS") or environment.get("SLURM_NTASKS", "1")
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    # Jobs that share a node must not meet at the same door, nor two steps of one job.
    job, step = environment.get("SLURM_JOB_ID", "0"), environment["SLURM_STEP_ID"]
    port = 15000 + sum(int(text) for text in (job, step) if text.isdigit()) % 10000
    environment["RANK"] = environment["SLURM_PROCID"]
    environment["WORLD_SIZE"] = world
    environment["LOCAL_RANK"] = environment.get("SLURM_LOCALID", "0")
    environment.setdefault("MASTER_ADDR", first_host(nodes) or "127.0.0.1")
    environment.setdefault("MASTER_PORT", str(port))
    environment.setdefault("OMP_NUM_THREADS", environment.get("SLURM_CPUS_PER_TASK", "1"))
    counts = tasks_by_node(environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
    node = environment.get("SLURM_NODEID", "0")
    if node.isdigit() and int(node) < len(counts):
        environment.setdefault("LOCAL_WORLD_SIZE", str(counts[int(node)]))


def _number(environment: MutableMapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise UsageError(
            f"the environment variable {name} is '{environment[name]}', which is not a number",
            hint=f"unset {name} to run in one process",
        ) from None
