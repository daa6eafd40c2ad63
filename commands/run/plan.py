"""What a pipeline reads from outside, and what it would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli import verbs
from medfm_cli.commands.run.recipe import references
from medfm_cli.runs.plan import Plan

if TYPE_CHECKING:
    from medfm_cli.commands.run.recipe import RunRecipe


def inputs(recipe: RunRecipe) -> dict[str, str]:
    """The inputs of the stages that need no earlier one."""
    hashes: dict[str, str] = {}
    for name, stage in recipe.stages().items():
        if not references(stage.model_dump()):
            stage_inputs = verbs.inputs(recipe.verb_of(name), stage)
            hashes |= {f"{name}.{key}": value for key, value in stage_inputs.items()}
    return hashes


def plan(recipe: RunRecipe) -> Plan:
    """One line a stage; the plan of every stage that needs no earlier one."""
    lines: list[str] = []
    disk = memory = 0
    for name, stage in recipe.stages().items():
        verb = recipe.verb_of(name)
        after = references(stage.model_dump())
        lines.append(f"{name} ({verb})" + (f" after {', '.join(after)}" if after else ""))
        if not after:
            one = verbs.plan(verb, stage)
            lines += [f"  {line}" for line in one.lines]
            disk, memory = disk + one.disk_bytes, max(memory, one.memory_bytes)
    return Plan(lines, disk, memory)
