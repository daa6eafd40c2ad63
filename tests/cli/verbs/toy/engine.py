"""The engine of the verb for tests: a counter that stops, resumes and fails like a real one."""

import json
import time

from medfm_cli.commands.toy.recipe import ToyRecipe

from medfm_cli.errors import DataError, EnvironmentProblem, RunFailed
from medfm_cli.extras import require
from medfm_cli.runs import Facts, Result, Run, Section, Table, Text
from medfm_cli.runs.atomic import write_bytes, write_json


def run(recipe: ToyRecipe, run: Run) -> Result:
    units = 3 if recipe.units == "auto" else recipe.units
    if recipe.units == "auto":
        run.resolve("units", units, "three is enough")
    counted = _count(units, recipe.pause, run)
    if recipe.megabytes:
        write_bytes(run.path("big.bin"), bytes(recipe.megabytes * 1_000_000))
    _end(recipe.end)
    return Result(
        metrics={"counted": counted, "not_a_number": float("nan")},
        sections=[Section("Counting", [Text("It counted."), Facts({"counted": counted})])],
        summary=Table(["what", "how many"], [["units", counted]], caption="What was counted"),
        headline=f"Counted to {counted}.",
        lineage={"counted": counted},
        gate="counted 3, the recipe asks for more" if recipe.end == "gate" else None,
    )


def _count(units: int, pause: float, run: Run) -> int:
    state = run.path("checkpoints", "count.json")
    counted = json.loads(state.read_text()) if state.is_file() else 0
    run.log("counting", start=counted)
    with run.console.progress("counting", total=units, unit="units") as meter:
        for number in range(counted, units):
            run.check_stop()
            time.sleep(pause)
            run.metric(count=number + 1)
            write_json(state, number + 1)
            meter.advance()
    return units


def _end(how: str) -> None:
    patient = "DOE^JANE"  # a local variable that nobody outside may ever see
    match how:
        case "failed":
            raise RunFailed("the loss was not a number at step 3", hint="lower the rate")
        case "data":
            raise DataError("there is no image in 'here'", hint="give another folder")
        case "environment":
            raise EnvironmentProblem("there is no graphics card", hint="train on the cpu")
        case "bug":
            raise KeyError(patient)
        case "memory":
            raise MemoryError
        case "missing":
            require("no_such_package", extra="train")
