"""A real Dask cluster on the loopback interface: a scheduler and workers, each a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from executable import until

SECONDS = 60.0
PLAIN = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")


@dataclass
class Cluster:
    """A scheduler and its workers; they are ended when the block is left."""

    folder: Path
    environment: dict[str, str]
    scheduler: subprocess.Popen[bytes]
    address: str = ""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start one more worker of one thread, and wait until the scheduler knows it."""
        number = len(self.workers)
        log = self.folder / f"worker-{number}.log"
        arguments = (*PLAIN, "--nthreads", "1", *options)
        place = ("--local-directory", str(self.folder / f"worker-{number}"))
        command = (sys.executable, "-m", "distributed.cli.dask_worker", self.address)
        with log.open("wb") as sink:
            worker = subprocess.Popen(
                [*command, *arguments, *place],
                env=self.environment | variables,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        until(lambda: b"Registered to" in log.read_bytes(), timeout=SECONDS)
        return worker

    def logs(self) -> str:
        """Everything that the cluster wrote into its logs."""
        return "".join(p.read_text("utf-8", "replace") for p in self.folder.glob("*.log"))


@contextmanager
def cluster(
    folder: Path, environment: dict[str, str], *, workers: int = 2, options: tuple[str, ...] = ()
) -> Iterator[Cluster]:
    """A scheduler at a free port with `workers` workers."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "scheduler.json"
    arguments = (*PLAIN, "--port", "0", "--scheduler-file")
    with (folder / "scheduler.log").open("wb") as sink:
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *arguments, str(told)],
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    made = Cluster(folder, environment, scheduler)
    try:
        made.address = until(lambda: _address(told), timeout=SECONDS)
        for _ in range(workers):
            made.add_worker(*options)
        yield made
    finally:
        for process in (*made.workers, scheduler):
            process.terminate()
        for process in (*made.workers, scheduler):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(file: Path) -> str:
    try:
        return str(json.loads(file.read_text())["address"])
    except (OSError, ValueError, KeyError):
        return ""
