"""Reading on a Dask cluster: the same data set, whatever becomes of the machines."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from curate_files import picture
from dask_cluster import Cluster, cluster
from executable import Ended, Executable, ended, until

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

SAME = ("samples.parquet", "quarantine.parquet", "shards")
MINUTES = 60.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with two copies and a broken file among them."""
    root = tmp_path_factory.mktemp("source") / "images"
    for number in range(120):
        picture(root / f"{number % 4}" / f"{number:03}.png", number, height=64, width=64)
    picture(root / "0" / "copy.png", 7, height=64, width=64)
    (root / "1" / "broken.png").write_bytes((root / "1" / "001.png").read_bytes()[:700])
    return root


@pytest.fixture(scope="module")
def machines(medfm: Executable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with cluster(folder, medfm.environment) as made:
        yield made


def curate(medfm: Executable, source: Path, out: Path, *more: str) -> Ended:
    return medfm(*command(source, out, *more), timeout=3 * MINUTES)


def command(source: Path, out: Path, *more: str) -> tuple[str, ...]:
    return ("curate", "folders", f"source={source}", "--out", str(out), *more)


def content(done: Ended) -> dict[str, bytes]:
    """Every byte of the data set but its card, which names the recipe."""
    root = done.run_dir / "dataset"
    files = [path for name in SAME for path in (root / name, *(root / name).glob("*"))]
    return {str(p.relative_to(root)): p.read_bytes() for p in files if p.is_file()}


@pytest.fixture(scope="module")
def local(
    medfm: Executable, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What reading on this machine gives."""
    return content(curate(medfm, source, tmp_path_factory.mktemp("local"), "workers=1"))


def test_a_cluster_gives_the_same_bytes(
    medfm: Executable, source: Path, local: dict[str, bytes], machines: Cluster, tmp_path: Path
) -> None:
    """Its workers have a nanny: their processes may start none through multiprocessing."""
    done = curate(medfm, source, tmp_path, "engine=dask", f"address={machines.address}")
    assert content(done) == local
    assert len(local) >= 3
    assert not list(tmp_path.rglob("*.lease"))
    key = next(medfm.home.rglob("deid.key")).read_text().strip()
    logs = machines.logs()
    assert key not in logs
    assert repr(bytes.fromhex(key))[2:-1] not in logs
    assert "broken.png" not in logs


def test_a_cluster_of_this_machine_alone_gives_the_same_bytes(
    medfm: Executable, source: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    done = curate(medfm, source, tmp_path, "engine=dask", "workers=2")
    assert content(done) == local
    assert "Traceback" not in done.stderr
    assert "distributed" not in done.stderr


def test_a_worker_that_is_killed_changes_nothing(
    medfm: Executable, source: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster(tmp_path / "cluster", medfm.environment, options=("--no-nanny",)) as machines:
        out = tmp_path / "out"
        process = medfm.start(*command(source, out, "engine=dask", f"address={machines.address}"))
        until(lambda: list(out.glob("*/checkpoints/units/*.progress")))
        victim = children_of(machines.workers[0].pid)
        machines.workers[0].send_signal(signal.SIGKILL)
        done = ended(process, timeout=3 * MINUTES)
        assert content(done) == local
        until(lambda: not [pid for pid in victim if Path(f"/proc/{pid}").exists()], timeout=20)


def children_of(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_a_scheduler_that_is_gone_is_told_and_what_was_read_stays(
    medfm: Executable, source: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with cluster(tmp_path / "cluster", medfm.environment, workers=1) as machines:
        words = ("engine=dask", f"address={machines.address}")
        process = medfm.start(*command(source, out, *words))
        until(lambda: list(out.glob("*/checkpoints/units/*.jsonl")))
        machines.scheduler.send_signal(signal.SIGKILL)
        done = ended(process, timeout=MINUTES)
    assert done.code == 4, done.stderr
    assert "is gone; what was read is kept" in done.stderr
    assert "Traceback" not in done.stderr
    again = curate(medfm, source, out, "engine=dask", "workers=1")
    assert "were read by an earlier try" in again.stderr
    assert content(again) == local


def test_a_stop_ends_the_tasks(medfm: Executable, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with cluster(tmp_path / "cluster", medfm.environment, workers=1) as machines:
        words = command(source, out, "engine=dask", f"address={machines.address}")
        process = medfm.start(*words)
        until(lambda: list(out.glob("*/checkpoints/units/*.progress")))
        process.send_signal(signal.SIGTERM)
        done = ended(process, timeout=MINUTES)
        assert done.code == 143, done.stderr
        (worker,) = machines.workers
        until(lambda: not busy(worker.pid), timeout=20)
        assert not list(out.rglob("*.lease"))


def busy(pid: int) -> list[str]:
    """The processes below one that work on a payload."""
    import psutil

    lines = [" ".join(c.cmdline()) for c in psutil.Process(pid).children(recursive=True)]
    return [line for line in lines if "engines.child" in line]


def test_a_file_that_crashes_or_blocks_its_reader_costs_only_itself(
    medfm: Executable, source: Path, tmp_path: Path
) -> None:
    """On the worker's machine files called crash… end the process that opens them."""
    hook = tmp_path / "inside"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def hook(event, arguments):\n"
        "    if event == 'open' and os.path.basename(str(arguments[0])).startswith('crash'):\n"
        "        os._exit(11)\n"
        "sys.addaudithook(hook)\n"
    )
    files = tmp_path / "files"
    for number in range(6):
        picture(files / f"{number}.png", number)
    picture(files / "crash.png", 99)
    with cluster(tmp_path / "cluster", medfm.environment, workers=0) as machines:
        machines.add_worker(PYTHONPATH=str(hook))
        done = curate(
            medfm, files, tmp_path / "out", "engine=dask", f"address={machines.address}", "--json"
        )
    assert done.code == 0, done.stderr
    counts = done.json["metrics"]
    assert (counts["kept"], counts["quarantined"]) == (6, 1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("address=tcp://127.0.0.1:9",), 4, "there is no Dask scheduler at 'tcp://127.0.0.1:9'"),
        (("address=somewhere",), 2, "address"),
    ],
)
def test_a_wrong_address_is_one_sentence(
    medfm: Executable, source: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = curate(medfm, source, tmp_path, "engine=dask", *words)
    assert done.code == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_with_other_versions_is_told(
    medfm: Executable, source: Path, tmp_path: Path
) -> None:
    hook = tmp_path / "inside"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "from importlib import metadata\n"
        "real = metadata.version\n"
        "metadata.version = lambda name: '1.0' if name == 'pillow' else real(name)\n"
    )
    with cluster(tmp_path / "cluster", medfm.environment, workers=0) as machines:
        machines.add_worker(PYTHONPATH=str(hook))
        words = ("engine=dask", f"address={machines.address}")
        done = curate(medfm, source, tmp_path / "out", *words)
    assert done.code == 4, done.stderr
    assert "has pillow 1.0 instead of " in done.stderr


def test_without_the_extra_it_says_which(medfm: Executable, source: Path, tmp_path: Path) -> None:
    hook = tmp_path / "inside"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("import sys\nsys.modules['distributed'] = None\n")
    without = medfm.having(PYTHONPATH=str(hook))
    done = curate(without, source, tmp_path / "out", "engine=dask")
    assert done.code == 4, done.stderr
    assert "pip install 'medfm[dask]'" in done.stderr


def test_work_that_a_machine_cannot_see_is_refused(tmp_path: Path) -> None:
    """A folder or a file that is not there on the worker never becomes a quarantined file."""
    from medfm_cli.commands.curate.reading.engines.child import do
    from medfm_cli.commands.curate.reading.engines.task_payload import TaskPayload, versions
    from medfm_cli.commands.curate.reading.staging import Entry, WorkUnit

    class WorkerConfig:
        folder = str(tmp_path / "nowhere")
        mark = "m"

    there = picture(tmp_path / "a.png")
    unit = WorkUnit(0, (Entry(0, 0, 0, "a", str(there), there.stat().st_size + 1),))
    payload = TaskPayload((unit,), WorkerConfig, "x.lease", versions())  # type: ignore[arg-type]
    assert do(payload).failure.kind == "unseen"  # type: ignore[union-attr]
    WorkerConfig.folder = str(tmp_path)
    assert do(payload).failure.kind == "stopped"  # type: ignore[union-attr]
    (tmp_path / "x.lease").touch()
    assert do(payload).failure.kind == "files"  # type: ignore[union-attr]
    assert repr(payload) == "<payload of 1 work units>"


def test_where_files_are_read_is_no_part_of_a_run(source: Path) -> None:
    """So a run that was begun on one machine goes on on a cluster, and the other way round."""
    from medfm_cli.commands.curate.recipe import CurateRecipe
    from medfm_cli.runs.identity import digest, identity

    keys = ({}, {"workers": 7}, {"engine": "dask", "address": "tcp://10.0.0.5:8786"})
    recipes = [CurateRecipe.model_validate({"source": str(source)} | more) for more in keys]
    assert len({digest(identity("curate", recipe, {})) for recipe in recipes}) == 1
