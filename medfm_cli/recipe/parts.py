"""The base of every recipe block: strict, closed, immutable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from medfm_cli.recipe.problems import Problem

Auto = Literal["auto"]
"""A value that medfm chooses; the choice and its reason are written to recipe.resolved.yaml."""


class Part(BaseModel):
    """A block of a recipe. Unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


@dataclass(frozen=True)
class Plan:
    """What a run would do, found out without doing it.

    Attributes:
        lines: one sentence each, for people.
        disk_bytes: what the run will write, at most.
        memory_bytes: the peak the run will need, roughly.
    """

    lines: list[str] = field(default_factory=list)
    disk_bytes: int = 0
    memory_bytes: int = 0


class Recipe(Part):
    """What a verb is asked to do.

    Attributes:
        distributed: whether several processes can share the work (`--processes`).
        circumstances: (dotted) keys that change how the work is done and not what comes of it;
            recipes that differ in nothing else are the same run.
    """

    distributed: ClassVar[bool] = False
    circumstances: ClassVar[frozenset[str]] = frozenset({"description"})

    description: str = Field("", description="What this recipe is for, in one sentence.")
    seed: int = Field(0, ge=0, description="Seed of everything random in the run.")

    @classmethod
    def specialise(cls, _tree: dict[str, Any], _problems: list[Problem]) -> type[Recipe]:
        """The class that this very tree is checked against; pipelines build theirs from it.

        What is wrong with the tree as a whole is added to the problems, for each its key; its
        place is found later.
        """
        return cls

    def shared(self) -> bool:
        """Whether several processes are to share the work of this very recipe."""
        return type(self).distributed

    def inputs(self) -> dict[str, str]:
        """Content hashes of what the run reads, by the dotted key that names it.

        Raises:
            DataError: something named in the recipe is not there.
        """
        return {}

    def plan(self) -> Plan:
        """What the run would do; touches nothing."""
        return Plan()
