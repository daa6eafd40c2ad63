"""torchrun, accelerate launch and srun do what `--processes` does: real processes, gloo.

Each start of the executable imports torch in every process; these tests are slow for that
reason only. There is no SLURM here: two processes are started with the variables of srun.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from executable import Ended, Executable, ended, until
from safetensors.torch import load_file
from toy_data import balanced, toy_dataset

from medfm_cli.runs.lock import lock
from medfm_cli.runs.run import read_jsonl

pytestmark = pytest.mark.slow
SECONDS = 300.0  # of patience on a busy machine
STEPS = 60
RECIPE = f"""\
data: data
backbone: {{name: vit_xxs}}
objective: {{name: mae, decoder: {{dim: 16, depth: 1, heads: 2}}}}
augment: {{flip: true}}
batch: 20               # of 36 images: a run stops in the middle of an epoch
accumulate: 2
workers: 1
steps: {STEPS}
checkpoints: {{every_steps: 7}}
"""
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2")
DEFAULTS = ("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
PRETRAIN = ("pretrain", "toy.yaml", "--out")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launchers")
    toy_dataset(folder / "data", balanced(subjects=6), size=48)
    (folder / "toy.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def expected(medfm: Executable, home: Path) -> Path:
    """The run of two processes on one machine, left alone."""
    arguments = (*PRETRAIN, "whole", "--processes", "2")
    return home / medfm(*arguments, cwd=home, timeout=SECONDS).run_dir


def torchrun(*arguments: str) -> tuple[str, ...]:
    return (*TORCHRUN, "--master_port", str(free_port()), "-m", "medfm_cli", *arguments)


def run(medfm: Executable, home: Path, *command: str) -> Ended:
    return medfm(cwd=home, command=command, timeout=SECONDS)


def same(found: Path, expected: Path) -> None:
    """The same weights and losses, bit for bit."""
    weights = "model/model.safetensors"
    assert (found / weights).read_bytes() == (expected / weights).read_bytes()
    assert losses(found) == losses(expected)


def losses(folder: Path) -> dict[int, float]:
    return {r["step"]: r["loss"] for r in read_jsonl(folder / "metrics.jsonl") if "loss" in r}


def folder_of(home: Path, out: str) -> Path:
    return next((home / out).glob("pretrain-toy-*"))


def reached(home: Path, out: str, step: int) -> bool:
    folder = next((home / out).glob("pretrain-toy-*"), None)
    return folder is not None and max(losses(folder), default=0) >= step


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that have done something with torch: the ranks."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(parent) == pid and b"medfm_cli" in line:
                found.append(int(entry.name))
    return found


def rank_of(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(v[5:].decode() for v in variables if v.startswith(b"RANK="))


def test_torchrun_has_the_bits_of_processes_and_says_everything_once(
    medfm: Executable, home: Path, expected: Path
) -> None:
    first = run(medfm, home, *torchrun(*PRETRAIN, "torchrun", "--json"))
    assert first.code == 0, first.stderr
    assert first.json["status"] == "done"
    assert first.stderr.count("report:") == 1
    same(home / first.json["run_dir"], expected)
    again = run(medfm, home, *torchrun(*PRETRAIN, "torchrun", "--json"))
    assert again.code == 0, again.stderr
    assert again.json["status"] == "up to date"


def test_accelerate_launch_has_the_bits_of_processes(
    medfm: Executable, home: Path, expected: Path
) -> None:
    port = ("--main_process_port", str(free_port()))
    command = (*ACCELERATE, *DEFAULTS, *port, "--multi_gpu", "-m", "medfm_cli")
    done = run(medfm, home, *command, *PRETRAIN, "accelerate")
    assert done.code == 0, done.stderr
    same(home / done.run_dir, expected)


def test_accelerate_launch_for_the_cpu_starts_one_process_and_it_is_said(
    medfm: Executable, home: Path
) -> None:
    command = (*ACCELERATE, *DEFAULTS, "--cpu", "-m", "medfm_cli")
    done = run(medfm, home, *command, "pretrain", "toy.yaml", "--dry-run")
    assert done.code == 0, done.stderr
    assert "accelerate launch started one process only" in done.stderr


@pytest.fixture
def step(medfm: Executable, home: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the two processes of a step of srun; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def srun(medfm: Executable, home: Path, *arguments: str) -> list[subprocess.Popen[str]]:
    port = str(free_port())
    shared = {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_NODEID": "0",
        "MASTER_PORT": port,
    }
    return [
        medfm.having(**shared, SLURM_PROCID=rank, SLURM_LOCALID=rank).start(*arguments, cwd=home)
        for rank in ("0", "1")
    ]


def test_srun_has_the_bits_of_processes_and_all_end_with_the_same_code(
    medfm: Executable, home: Path, expected: Path, step: list[subprocess.Popen[str]]
) -> None:
    step += srun(medfm, home, *PRETRAIN, "srun")
    first, second = (ended(process, timeout=SECONDS) for process in step)
    assert (first.code, second.code) == (0, 0), first.stderr + second.stderr
    same(home / first.run_dir, expected)
    assert (second.stdout, second.stderr) == ("", "")

    step += srun(medfm, home, *PRETRAIN, "srun", "batch=18")
    first, second = (ended(process, timeout=SECONDS) for process in step[2:])
    assert (first.code, second.code) == (2, 2), first.stderr + second.stderr
    assert "error: a batch of 18 cannot be divided evenly over 2 processes" in first.stderr
    assert (second.stdout, second.stderr) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_of_two_killed_ends_the_run_and_it_goes_on_with_the_same_bits(
    medfm: Executable, home: Path, expected: Path, number: signal.Signals
) -> None:
    out = f"torchrun-{number}"
    command = torchrun(*PRETRAIN, out)
    process = subprocess.Popen(
        command, cwd=home, env=medfm.environment, stdout=-1, stderr=-1, text=True
    )
    until(lambda: process.poll() is not None or reached(home, out, 10), timeout=SECONDS)
    second = next(pid for pid in children(process.pid) if rank_of(pid) == "1")
    os.kill(second, number)
    done = ended(process, timeout=90)
    assert done.code == 1, done.stderr
    said = "lost contact with the others" if number == signal.SIGKILL else "stopped by SIGTERM"
    assert said in done.stderr
    assert done.stderr.count("error: ") == 1
    folder = folder_of(home, out)
    with lock(folder):
        assert json.loads((folder / "result.json").read_text())["status"] != "done"
    again = run(medfm, home, *torchrun(*PRETRAIN, out))
    assert again.code == 0, again.stderr
    assert any(record["event"] == "resumed" for record in read_jsonl(folder / "log.jsonl"))
    same(home / again.run_dir, expected)


def test_one_of_two_processes_killed_ends_the_run_and_it_goes_on_with_the_same_bits(
    medfm: Executable, home: Path, expected: Path
) -> None:
    arguments = (*PRETRAIN, "killed", "--processes", "2")
    process = medfm.start(*arguments, cwd=home)
    until(lambda: process.poll() is not None or reached(home, "killed", 10), timeout=SECONDS)
    second = next(pid for pid in children(process.pid) if rank_of(pid) == "1")
    os.kill(second, signal.SIGKILL)
    done = ended(process, timeout=60)
    assert done.code == 1, done.stderr
    assert "error: training process 1 of 2 was killed by SIGKILL" in done.stderr
    assert done.stderr.count("error: ") == 1
    with lock(folder_of(home, "killed")):
        pass
    same(home / medfm(*arguments, cwd=home, timeout=SECONDS).run_dir, expected)


def test_a_pipeline_trains_twice_in_the_same_processes(medfm: Executable, home: Path) -> None:
    """One with whole weights, one with shards, a validation and a best step."""
    (home / "pipeline.yaml").write_text(
        "pretrain: {data: data, backbone: {name: vit_xxs}, batch: 8, steps: 4}\n"
        "finetune: {data: data, model: $pretrain, mode: full, batch: 8, steps: 6, sharding: fsdp}\n"
    )
    done = run(medfm, home, *torchrun("run", "pipeline.yaml", "--out", "pipeline"))
    assert done.code == 0, done.stderr
    stage = next((home / done.run_dir).glob("finetune-*"))
    state = next((stage / "checkpoints").glob("*6/state.json"))
    assert json.loads(state.read_text())["sharding"] == "fsdp"
    assert json.loads(state.read_text())["best"]["step"] >= 1


def test_two_processes_do_what_one_does(medfm: Executable, home: Path, expected: Path) -> None:
    alone = home / medfm(*PRETRAIN, "alone", cwd=home, timeout=SECONDS).run_dir
    one, two = losses(alone), losses(expected)
    assert one.keys() == two.keys() == set(range(1, STEPS + 1))
    assert max(abs(one[step] - two[step]) for step in one) < 1e-5
    first, second = (load_file(f / "model" / "model.safetensors") for f in (alone, expected))
    assert all(first[name].sub(second[name]).abs().max() < 1e-4 for name in first)
