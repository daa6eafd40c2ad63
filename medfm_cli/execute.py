"""From a checked recipe to a finished run directory: the same way for every verb and stage."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli import verbs
from medfm_cli.errors import EnvironmentProblem, MedfmError, UsageError
from medfm_cli.processes.alone import Alone
from medfm_cli.recipe.dump import dump, dump_resolved
from medfm_cli.runs import Result, Run
from medfm_cli.runs.artefacts import holds
from medfm_cli.runs.atomic import no_link, point, write_json, write_text
from medfm_cli.runs.environment import environment
from medfm_cli.runs.identity import digest, folder_name, identity, without
from medfm_cli.runs.inventory import changed_file, write_inventory
from medfm_cli.runs.lock import lock
from medfm_cli.runs.plan import size_text
from medfm_cli.runs.report import write_report
from medfm_cli.version import __version__

if TYPE_CHECKING:
    from medfm_cli.console import Console
    from medfm_cli.recipe.parts import Recipe
    from medfm_cli.runs.plan import Plan
    from medfm_cli.runs.run import Processes


@dataclass(frozen=True)
class Outcome:
    """A run that is done.

    Attributes:
        status: "done" now, or "up to date" since an earlier run.
        dir: the run directory.
        result: what the engine returned.
        seconds: how long the run took when it ran.
    """

    status: str
    dir: Path
    result: Result
    seconds: float


@dataclass(frozen=True)
class Job:
    """A recipe to be run, and where.

    Attributes:
        written: the recipe as the user wrote it, for recipe.yaml.
        force: repeat a finished run.
        processes: the processes that may share the work.
    """

    verb: str
    name: str
    recipe: Recipe
    out: Path
    console: Console
    written: dict[str, Any] | None = None
    force: bool = False
    processes: Processes = field(default_factory=Alone)


def execute(job: Job) -> Outcome:
    """Run a recipe to its end, continue it, or find that it is done.

    Raises:
        MedfmError: it could not be done; what was done is kept for the next try.
    """
    job = curated(job)
    inputs = verbs.inputs(job.verb, job.recipe)
    who = identity(job.verb, job.recipe, inputs)
    hash_ = digest(who)
    folder = job.out / folder_name(job.verb, job.name, hash_)
    done = None if job.force else finished(folder)
    if done and not _damaged(folder, done.result):
        _point_to(job, folder)
        return done
    check_room(verbs.plan(job.verb, job.recipe), job.out, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder):
        if job.force:
            _put_away(folder)
        elif done := finished(folder):
            damaged = _damaged(folder, done.result)
            if not damaged:  # another process finished it while we waited
                return done
            _discard(job, folder, done.result, damaged)
        run = Run(
            folder, job.verb, job.name, hash_, job.console, processes=job.processes, inputs=inputs
        )
        return _carry_out(job, run)


def finished(folder: Path) -> Outcome | None:
    """The outcome of a run that is done and still whole, else None."""
    if not (folder / "DONE").is_file():
        return None
    try:
        document = json.loads((folder / "result.json").read_text("utf-8"))
        result = Result.from_json(document)
    except (OSError, ValueError, KeyError):
        return None
    whole = all((folder / path).exists() for path in result.artefacts.values())
    return Outcome("up to date", folder, result, document["seconds"]) if whole else None


def curated(job: Job) -> Job:
    """The job with a plain folder, .npz or .csv in `data` curated with defaults on the way."""
    source = raw_data(job.recipe)
    if source is None:
        return job
    job.console.info(f"'{source}' is not a dataset yet: curating it with the defaults")
    outcome = execute(Job("curate", source.stem, curation_of(source), job.out, job.console))
    changed = job.recipe.model_copy(update={"data": str(outcome.dir)})
    return Job(**{**vars(job), "recipe": changed})


def curation_of(source: Path) -> Recipe:
    """The recipe that curates `source` with every default."""
    return verbs.recipe_model("curate").model_validate({"source": str(source)})


def raw_data(recipe: Recipe) -> Path | None:
    """The path in the recipe's `data` when it holds files to be curated, not a dataset."""
    value = getattr(recipe, "data", None)
    if not isinstance(value, str) or value.startswith("$"):
        return None
    path = Path(value)
    if holds(path, "dataset") or (path / "recipe.yaml").is_file():
        return None
    raw = path.is_dir() or (path.is_file() and path.suffix.lower() in (".npz", ".csv"))
    return path if raw else None


def check_room(plan: Plan, out: Path, folder: Path | None = None) -> None:
    """Refuse to start what cannot fit.

    Args:
        plan: what would be written.
        out: the folder of the run directory.
        folder: the run directory: what an earlier try has written into it needs no room again.

    Raises:
        EnvironmentProblem: too little disk or memory.
    """
    import psutil

    standing = next(
        folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists()
    )
    if not standing.is_dir():
        raise UsageError(
            f"'{standing}' is a file, so no run directory can be made in it",
            hint="choose another --out",
        )
    free = shutil.disk_usage(standing).free
    needed = plan.disk_bytes - (_used(folder) if folder else 0)
    if needed > free:
        raise EnvironmentProblem(
            f"the run needs about {size_text(needed)} of disk at '{out}'; {size_text(free)} are "
            "free",
            hint="free some space or choose another --out",
        )
    available = psutil.virtual_memory().available
    if plan.memory_bytes > available:
        raise EnvironmentProblem(
            f"the run needs about {size_text(plan.memory_bytes)} of memory; "
            f"{size_text(available)} are available",
            hint="use a smaller batch, model or image size",
        )


def _used(folder: Path) -> int:
    """What the files under a folder take, in bytes; what an older run left aside does not count."""
    total = 0
    for path, folders, names in os.walk(folder):
        if path == str(folder) and "previous" in folders:
            folders.remove("previous")
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512  # noqa: PTH118
    return total


def _carry_out(job: Job, run: Run) -> Outcome:
    job.console.run_dir = run.dir
    started = time.time()
    resumed = (run.dir / "recipe.yaml").exists()
    _sweep(run.dir)
    _mend_logs(run.dir)
    values = job.recipe.model_dump(mode="json")
    write_text(run.path("recipe.yaml"), dump(values if job.written is None else job.written))
    write_json(run.path("environment.json"), environment())
    run.log("started", verb=job.verb, hash=run.hash, resumed=resumed, medfm=__version__)
    try:
        result = _lead(job, run)
    except MedfmError as error:
        run.log("ended", status="failed", kind=error.kind)
        _record_failure(run, error, time.time() - started)
        raise
    except Exception as error:  # a full disk or a bug: the log says so if it still can
        with suppress(OSError):
            run.log("ended", status="failed", kind=type(error).__name__)
        raise
    seconds = time.time() - started + _earlier_seconds(run.dir)
    write_text(run.path("recipe.resolved.yaml"), dump_resolved(values, run.resolved))
    document = {
        "schema": 1,
        "status": "done",
        "verb": job.verb,
        "name": job.name,
        "hash": run.hash,
        "medfm": __version__,
        "inputs": run.inputs,
        "seconds": round(seconds, 3),
        "finished": round(time.time(), 3),
        **result.to_json(),
    }
    write_json(run.path("result.json"), document)
    write_report(run.dir, _what_was_asked(job, run))
    if not result.stages:  # they have their own
        write_inventory(run.dir, result.artefacts.values())
    run.log("ended", status="done", seconds=round(seconds, 3))
    write_text(run.path("DONE"), f"{run.hash}\n")
    _point_to(job, run.dir)
    return Outcome("done", run.dir, Result.from_json(document), seconds)


def _what_was_asked(job: Job, run: Run) -> dict[str, str]:
    """The recipe as given and as resolved, less what only matters to the execution."""
    keys = job.recipe.execution_only_keys
    values = job.recipe.model_dump(mode="json")
    given = values if job.written is None else job.written
    resolved = {key: choice for key, choice in run.resolved.items() if key not in keys}
    return {
        "Recipe": dump(without(given, keys)),
        "Resolved recipe": dump_resolved(without(values, keys), resolved),
    }


def _lead(job: Job, run: Run) -> Result:
    """Run the engine in the processes of the job: a pipeline hands them on to its stages."""
    recipe, processes = job.recipe, job.processes
    if job.verb != "run" and processes.world > 1:
        if not recipe.multi_process:
            raise UsageError(f"{job.verb} works in one process", hint="leave --processes out")
        if not recipe.starts_own_processes():
            return processes.lead(job.verb, recipe, run)
        if processes.launcher:
            raise UsageError(
                "a study starts the processes of its cells itself",
                hint="start it alone, with --processes for cells at a time or study.engine=dask",
            )
    return Alone().lead(job.verb, recipe, run)


def _record_failure(run: Run, error: MedfmError, seconds: float) -> None:
    from medfm_cli.envelope import failure

    document = {
        "schema": 1,
        "status": "stopped" if error.kind == "stopped" else "failed",
        "verb": run.verb,
        "name": run.name,
        "hash": run.hash,
        "medfm": __version__,
        "seconds": round(seconds + _earlier_seconds(run.dir), 3),
        "exit_code": int(error.exit_code),
        "error": failure(error),
    }
    write_json(run.path("result.json"), document)


def _earlier_seconds(folder: Path) -> float:
    """The time that earlier, stopped tries of this run took."""
    try:
        document = json.loads((folder / "result.json").read_text("utf-8"))
        return float(document["seconds"]) if document["status"] != "done" else 0.0
    except (OSError, ValueError, KeyError):
        return 0.0


def _put_away(folder: Path) -> None:
    """Move everything of an older run aside, into `previous/`; the lock stays where it is."""
    previous = folder / "previous"
    shutil.rmtree(previous, ignore_errors=True)
    entries = [entry for entry in folder.iterdir() if entry.name not in (".lock", "previous")]
    done = folder / "DONE"
    if done in entries:  # first, so that a crash half-way leaves no run that looks done
        entries.remove(done)
        done.unlink()
    previous.mkdir()
    for entry in entries:
        entry.replace(previous / entry.name)


def _damaged(folder: Path, result: Result) -> Path | None:
    """A file of a finished run, or of a stage of a pipeline, that was changed since; else None."""
    for place in [folder / stage for stage in result.stages.values()] or [folder]:
        if name := changed_file(place):
            return place / name
    return None


def _discard(job: Job, folder: Path, result: Result, damaged: Path) -> None:
    """Put the artefacts of a finished run aside, of which a file was damaged: they are made again.

    A training that is finished has its checkpoints still and makes no step.
    """
    (folder / "DONE").unlink()
    if result.stages:  # each says so itself
        return
    job.console.warn(
        f"'{damaged}' was changed after it was written: it is made again, and what is there goes "
        f"to '{folder / 'previous'}'"
    )
    previous = folder / "previous"
    shutil.rmtree(previous, ignore_errors=True)
    for path in dict.fromkeys(result.artefacts.values()):
        if (folder / path).exists():
            (previous / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).replace(previous / path)


def _sweep(folder: Path) -> None:
    """Remove what killed processes were writing aside (see `atomic.aside`); we hold the lock."""
    for leftover in folder.rglob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _mend_logs(folder: Path) -> None:
    """End a line that a kill tore, so that the next record starts on a line of its own."""
    for name in ("log.jsonl", "metrics.jsonl"):
        path = folder / name
        if path.is_file() and path.stat().st_size:
            with open(path, "rb+", opener=no_link) as file:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def _point_to(job: Job, folder: Path) -> None:
    try:
        point(job.out / folder_name(job.verb, job.name), folder)
    except OSError:
        job.console.detail("the link to the newest run could not be made on this file system")
