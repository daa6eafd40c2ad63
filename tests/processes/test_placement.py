"""What launchers say to the processes they start, as medfm understands it."""

from __future__ import annotations

import pytest

from medfm_cli.errors import UsageError
from medfm_cli.processes.placement import (
    Place,
    find_place,
    first_host,
    started_alone,
    tasks_by_node,
)

STEP = {  # the second process on the second node of `srun`, as its manual names the variables
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_CPUS_PER_TASK": "8",
}


def test_torchrun_says_it_in_torchs_variables() -> None:
    environment = {"RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"}
    assert find_place(environment) == Place(1, 2, "torchrun")


def test_a_step_of_slurm_is_translated_into_torchs_variables() -> None:
    environment = dict(STEP)
    assert find_place(environment) == Place(3, 4, "srun")
    added = {name: environment[name] for name in environment.keys() - STEP.keys()}
    assert added == {
        "RANK": "3",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "gpu07",
        "MASTER_PORT": "19711",
        "OMP_NUM_THREADS": "8",
    }


def test_the_user_may_choose_where_the_processes_of_slurm_meet() -> None:
    environment = STEP | {"MASTER_ADDR": "head", "MASTER_PORT": "1234", "OMP_NUM_THREADS": "2"}
    find_place(environment)
    chosen = [environment[name] for name in ("MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS")]
    assert chosen == ["head", "1234", "2"]


def test_a_batch_script_and_an_interactive_step_are_one_process() -> None:
    batch = {"SLURM_JOB_ID": "4711", "SLURM_PROCID": "0", "SLURM_NTASKS": "8"}
    assert find_place(batch) is None
    interactive = STEP | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "8"}
    assert find_place(interactive) is None


@pytest.mark.parametrize("environment", [{}, {"RANK": "0"}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_one_process_is_no_team(environment: dict[str, str]) -> None:
    assert find_place(environment) is None


@pytest.mark.parametrize(("rank", "world"), [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "")])
def test_nonsense_is_refused(rank: str, world: str) -> None:
    with pytest.raises(UsageError):
        find_place({"RANK": rank, "WORLD_SIZE": world})


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("head", "head"),
        ("head,gpu[1-2]", "head"),
        ("gpu[03-05,9],head", "gpu03"),
        ("rack[2-3]n[07,9]", "rack2n07"),
        ("", ""),
    ],
)
def test_the_first_host_of_a_list(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


def test_tasks_by_node() -> None:
    assert tasks_by_node("2(x3),1") == [2, 2, 2, 1]
    assert tasks_by_node("4") == [4]


def test_accelerate_that_started_one_process_of_several_is_noticed() -> None:
    started = {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}
    assert started_alone(started)
    assert not started_alone({"ACCELERATE_MIXED_PRECISION": "no"})
    assert not started_alone(started | {"WORLD_SIZE": "2"})
    assert not started_alone({"MASTER_ADDR": "127.0.0.1"})
