"""What happens between a verb's command line and its outcome on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli import verbs
from medfm_cli.console import Console
from medfm_cli.envelope import emit, guarded
from medfm_cli.errors import GateNotMet, UsageError
from medfm_cli.processes import launched as team
from medfm_cli.recipe.load import load
from medfm_cli.runs import stopping

if TYPE_CHECKING:
    from medfm_cli.cli.options import Options
    from medfm_cli.execute import Outcome
    from medfm_cli.recipe.load import Loaded


def run_verb(verb: str, recipe: str, overrides: list[str], options: Options) -> None:
    """Run a verb for the command line; ends the process unless all is well."""
    console = Console(options.level)
    with guarded(console, json_wanted=options.json):
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


def _processes(options: Options) -> int:
    """How many processes train together: what the command line says, or what a launcher started."""
    launched = team.current()
    if launched is None:
        return options.processes
    if options.processes > 1:
        raise UsageError(
            f"{launched.launcher} started {launched.world} processes already",
            hint="leave --processes out",
        )
    return launched.world


def work_if_worker() -> None:
    """Do a worker's part when this process was started as one (`--processes`)."""
    from medfm_cli.processes import spawned as workers

    folder = os.environ.pop(workers.RUN_DIR, None)
    if folder:
        console = Console()
        console.run_dir = Path(folder)
        with guarded(console, json_wanted=False):
            sys.exit(workers.follow(Path(folder)))


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
    else:
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
    check_room(plan, out)
    lines = list(plan.lines)
    folder = None
    if raw:
        lines.insert(0, f"curate '{raw}' with defaults:")
        lines.append(f"then {verb} {loaded.name} on the dataset that comes of it")
    else:
        hash_ = digest(identity(verb, recipe, verbs.inputs(verb, recipe)))
        folder = out / folder_name(verb, loaded.name, hash_)
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
    console.title(f"{verb} {loaded.name}: the plan (nothing was touched)")
    for line in lines:
        print(f"- {line}")  # noqa: T201
