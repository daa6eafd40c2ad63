"""Where the reading is done: in processes of this machine, or on a Dask cluster.

Every engine has `run(units)`, and any of them stages the same records and payloads: a work unit is
plain data, and doing one twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from medfm_cli.commands.curate.reading.staging import WorkUnit
from medfm_cli.commands.curate.reading.worker import WorkerConfig


class Engine(Protocol):
    """Does units of files."""

    def run(self, units: Iterable[WorkUnit]) -> None:
        """Do all units; they are taken from `units` as they are needed.

        Raises:
            RunFailed: processes die even when they are given nothing that is known to kill them.
            EnvironmentProblem: the machines cannot do it.
            OSError: a result cannot be written.
        """


def make_engine(
    kind: str,
    settings: WorkerConfig,
    *,
    address: str | None,
    workers: int,
    expected: int,
    check_stop: Callable[[], None],
    done: Callable[[WorkUnit, int, int], None],
) -> Engine:
    """The engine that a recipe names.

    Args:
        kind: `local` or `dask`.
        settings: what the workers need.
        address: a Dask scheduler's; without one a cluster is made in this process.
        workers: how many processes read at the same time; a cluster with an address has its own.
        expected: about how many units there are.
        check_stop: raises when the run should stop; called at least every half second.
        done: called with a unit and its counts of samples and refusals as it is finished.

    Raises:
        EnvironmentProblem: the package for it is not installed.
    """
    if kind == "dask":
        from medfm_cli.commands.curate.reading.engines.dask import DaskEngine

        return DaskEngine(
            settings,
            address=address,
            workers=workers,
            expected=expected,
            check_stop=check_stop,
            done=done,
        )
    from medfm_cli.commands.curate.reading.pool import Pool

    return Pool(settings, workers=workers, check_stop=check_stop, done=done)
