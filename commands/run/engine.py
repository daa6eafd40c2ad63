"""The stages of a pipeline, one after the other, each an ordinary run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medfm_cli.commands.run.recipe import RunRecipe, resolved
from medfm_cli.execute import Job, Outcome, execute
from medfm_cli.processes.alone import Alone
from medfm_cli.runs import Callout, Figure, Result, Run, Section, Table
from medfm_cli.runs.cells import duration
from medfm_cli.verbs import recipe_model

if TYPE_CHECKING:
    from medfm_cli.recipe import Recipe


def run(recipe: RunRecipe, run: Run) -> Result:
    """Run every stage; finished stages are not repeated."""
    done: dict[str, Outcome] = {}
    stages = recipe.stages()
    for number, (name, stage) in enumerate(stages.items(), start=1):
        run.check_stop()
        verb = recipe.verb_of(name)
        run.console.title(
            f"[{number}/{len(stages)}] {name}" + ("" if verb == name else f" ({verb})")
        )
        outcome = execute(_job(run, name, verb, stage, done))
        if outcome.result.headline:
            run.console.info(f"  {outcome.result.headline}")
        run.log("stage", name=name, status=outcome.status, seconds=round(outcome.seconds, 3))
        done[name] = outcome
    return _result(run, recipe, done)


def _job(run: Run, name: str, verb: str, stage: Recipe, done: dict[str, Outcome]) -> Job:
    folders = {stage_name: str(outcome.dir) for stage_name, outcome in done.items()}
    values = resolved(stage.model_dump(mode="json"), folders)
    values.pop("verb", None)
    plain = recipe_model(verb).model_validate(values)
    processes = (plain.multi_process and run.processes) or Alone()
    return Job(verb, name, plain, run.dir, run.console, processes=processes)


def _result(run: Run, recipe: RunRecipe, done: dict[str, Outcome]) -> Result:
    main = _main_outcome(recipe, done)
    gates = [f"{name}: {o.result.gate}" for name, o in done.items() if o.result.gate]
    return Result(
        metrics={name: outcome.result.metrics for name, outcome in done.items()},
        artefacts={
            f"{name}.{kind}": str((outcome.dir / path).relative_to(run.dir))
            for name, outcome in done.items()
            for kind, path in outcome.result.artefacts.items()
        },
        sections=[*_main_result(run, main), _overview(recipe, done)],
        summary=main.result.summary if main else None,
        headline=main.result.headline if main else "",
        lineage={name: outcome.result.lineage for name, outcome in done.items()},
        gate="; ".join(gates) or None,
        stages={name: str(outcome.dir.relative_to(run.dir)) for name, outcome in done.items()},
    )


def _main_outcome(recipe: RunRecipe, done: dict[str, Outcome]) -> Outcome | None:
    """The outcome to report first: the last evaluation, else the last stage with a table."""
    evaluated = [outcome for name, outcome in done.items() if recipe.verb_of(name) == "eval"]
    with_table = [outcome for outcome in done.values() if outcome.result.summary]
    return ([None, *with_table, *evaluated])[-1]


def _main_result(run: Run, main: Outcome | None) -> list[Section]:
    """The table, first warning and first figure of the main outcome, before all sections."""
    if main is None or main.result.summary is None:
        return []
    blocks = [block for section in main.result.sections for block in section.blocks]
    warnings = [block for block in blocks if isinstance(block, Callout) and block.kind == "warn"]
    folder = main.dir.relative_to(run.dir)
    figures = [
        replace(block, path=(folder / block.path).as_posix())
        for block in blocks
        if isinstance(block, Figure)
    ]
    return [Section("Result", [main.result.summary, *warnings[:1], *figures[:1]])]


def _overview(recipe: RunRecipe, done: dict[str, Outcome]) -> Section:
    rows = [
        (name, recipe.verb_of(name), duration(outcome.seconds), outcome.result.headline)
        for name, outcome in done.items()
    ]
    return Section("Stages", [Table(["Stage", "Verb", "Time", "Outcome"], rows)])
