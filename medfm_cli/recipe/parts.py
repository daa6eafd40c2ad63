"""The base of every recipe block: strict, closed, immutable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from medfm_cli.recipe.problems import Problem

Auto = Literal["auto"]
"""A value that medfm chooses; the choice and its reason are written to recipe.resolved.yaml."""


class Part(BaseModel):
    """A block of a recipe. Unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class Recipe(Part):
    """The keys of a verb. Reading the disk is the business of the verb's plan.py and engine.py.

    Attributes:
        multi_process: whether several processes can share the work (`--processes`).
        execution_only_keys: (dotted) keys that change how the work is done and not its result;
            recipes that differ in nothing else are the same run.
    """

    multi_process: ClassVar[bool] = False
    execution_only_keys: ClassVar[frozenset[str]] = frozenset({"description"})

    description: str = Field("", description="What this recipe is for, in one sentence.")
    seed: int = Field(0, ge=0, description="Seed of everything random in the run.")

    @classmethod
    def specialise(cls, _tree: dict[str, Any], _problems: list[Problem]) -> type[Recipe]:
        """The class that this very tree is checked against; pipelines build theirs from it.

        What is wrong with the tree as a whole is added to the problems, for each its key; its
        place is found later.
        """
        return cls

    def starts_own_processes(self) -> bool:
        """Whether the engine starts the `--processes` itself instead of being run in each."""
        return False
