"""The recipe of the verb for tests."""

from typing import Literal

from pydantic import Field

from medfm_cli.recipe import Auto, Part, Recipe


class Shape(Part):
    """A nested block."""

    side: int = Field(4, ge=1, description="Side in pixels.")
    name: Literal["square", "disc"] = Field("square", description="Which shape.")


class ToyRecipe(Recipe):
    """Count to `units`, then end as `end` says."""

    data: str | None = Field(None, description="A data set, or files to make one of.")
    after: str | None = Field(None, description="The run directory of another toy.")
    units: int | Auto = Field("auto", description="How far to count.")
    pause: float = Field(0.0, ge=0, description="Seconds between two counts.")
    rate: float = Field(1e-3, gt=0, le=1, description="A number.")
    words: list[str] = Field([], description="Some words.")
    shape: Shape = Field(Shape(), description="A block.")
    megabytes: int = Field(0, ge=0, description="How much to write.")
    end: Literal["well", "failed", "data", "environment", "gate", "bug", "memory", "missing"] = (
        Field("well", description="How the run ends.")
    )
    needs_disk: int = Field(1000, description="Bytes the plan says it needs.")
    needs_memory: int = Field(1000, description="Bytes of memory the plan says it needs.")
