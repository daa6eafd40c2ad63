"""What happens between a verb's command line and its outcome on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medfm_cli import verbs
from medfm_cli.console import Console
from medfm_cli.envelope import emit, guarded
from medfm_cli.errors import GateNotMet, UsageError
from medfm_cli.processes.alone import Alone
from medfm_cli.processes.launched import Launched
from medfm_cli.processes.spawned import RUN_DIR, Spawned, run_as_worker
from medfm_cli.recipe.load import load
from medfm_cli.runs import stopping

if TYPE_CHECKING:
    from medfm_cli.cli.options import Options
    from medfm_cli.execute import Outcome
    from medfm_cli.recipe.load import Loaded
    from medfm_cli.runs.run import Processes


def run_verb(verb: str, recipe: str, overrides: list[str], options: Options) -> None:
    """Run a verb for the command line; ends the process unless all is well."""
    console = Console(options.level)
    with guarded(console, as_json=options.json):
        loaded = load(recipe, overrides, verb=verb, model=verbs.recipe_model(verb))
        if options.dry_run:
            _show_plan(verb, loaded, options, console)
            return
        stopping.install()
        from medfm_cli.execute import Job, execute

        job = Job(
            verb,
            loaded.name,
            loaded.recipe,
            Path(options.out),
            console,
            written=loaded.tree.value,
            force=options.force,
            processes=_processes(options),
        )
        _show(verb, execute(job), options, console)


def _processes(options: Options) -> Processes:
    """The processes that share the work: those of a launcher, else as many as --processes says."""
    launched = click.get_current_context().find_object(Launched)
    if launched is None:
        return Spawned(options.processes) if options.processes > 1 else Alone()
    if options.processes > 1:
        raise UsageError(
            f"{launched.launcher} started {launched.world} processes already",
            hint="leave --processes out",
        )
    return launched


def work_if_worker() -> None:
    """Run as a worker when this process was started as one (`--processes`); then never return."""
    folder = os.environ.pop(RUN_DIR, None)
    if folder:
        console = Console()
        console.run_dir = Path(folder)
        with guarded(console, as_json=False):
            sys.exit(run_as_worker(Path(folder)))


def _show(verb: str, outcome: Outcome, options: Options, console: Console) -> None:
    result = outcome.result
    if outcome.status == "up to date":
        console.info(f"up to date: nothing to do ({outcome.dir})")
    if result.headline:
        console.title(result.headline)
    if result.summary:
        console.table(result.summary)
    console.info(f"report: {outcome.dir / 'report.html'}")
    if options.json:
        document: dict[str, Any] = {
            "status": outcome.status,
            "exit_code": GateNotMet.exit_code if result.gate else 0,
            "verb": verb,
            "run_dir": str(outcome.dir),
            "seconds": round(outcome.seconds, 3),
            "metrics": result.metrics,
            "artefacts": {n: str(outcome.dir / p) for n, p in result.artefacts.items()},
            "lineage": result.lineage,
        }
        if result.gate:
            document["error"] = {"kind": GateNotMet.kind, "message": result.gate, "hint": None}
        emit(document)
    elif options.level:
        print(outcome.dir)  # noqa: T201 - the result: where everything is
    if result.gate:
        console.error(f"gate not met: {result.gate}")
        sys.exit(int(GateNotMet.exit_code))


def _show_plan(verb: str, loaded: Loaded, options: Options, console: Console) -> None:
    """Resolve and check everything, print what would be done."""
    from medfm_cli.execute import check_room, curation_of, raw_data
    from medfm_cli.runs.identity import digest, folder_name, identity

    recipe, out = loaded.recipe, Path(options.out)
    raw = raw_data(recipe)
    # What comes after curation cannot be planned before there is a dataset.
    plan = verbs.plan("curate", curation_of(raw)) if raw else verbs.plan(verb, recipe)
    lines = list(plan.lines)
    folder = None
    if raw:
        check_room(plan, out)
        lines.insert(0, f"curate '{raw}' with defaults:")
        lines.append(f"then {verb} {loaded.name} on the dataset that comes of it")
    else:
        hash_ = digest(identity(verb, recipe, verbs.inputs(verb, recipe)))
        folder = out / folder_name(verb, loaded.name, hash_)
        check_room(plan, out, folder)
        state = "is done" if (folder / "DONE").is_file() else "would be continued"
        lines.append(f"run directory: {folder}" + (f" ({state})" if folder.exists() else ""))
    if options.json:
        document = {
            "status": "planned",
            "exit_code": 0,
            "verb": verb,
            "run_dir": str(folder) if folder else None,
            "plan": lines,
            "disk_bytes": plan.disk_bytes,
            "memory_bytes": plan.memory_bytes,
        }
        emit(document)
        return
    console.title(f"{verb} {loaded.name}: the plan (nothing was written)")
    for line in lines:
        print(f"- {line}")  # noqa: T201
