"""One process: the engine runs here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli import verbs

if TYPE_CHECKING:
    from medfm_cli.recipe.parts import Recipe
    from medfm_cli.runs import Result, Run


@dataclass(frozen=True)
class Alone:
    """This process and no other."""

    world: int = 1
    launcher: str | None = None

    def lead(self, verb: str, recipe: Recipe, run: Run) -> Result:
        """Run a verb's engine in this process."""
        return verbs.engine(verb)(recipe, run)
