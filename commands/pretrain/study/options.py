"""The recipe block of a scaling study. Torch-free."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from medfm_cli.recipe import Part

Fraction = Annotated[float, Field(gt=0, le=1)]


class Watts(Part):
    """Assumed power of a busy processor core and a busy GPU, for the estimate of energy."""

    core: float = Field(10.0, ge=0, description="Watts of a processor core at work.")
    gpu: float = Field(350.0, ge=0, description="Watts of a GPU at work.")


class Study(Part):
    """A grid: every model × fraction of the data × objective × seed is a pretraining of its own.

    The rest of the recipe holds for all of them. Each is an ordinary run in `cells/`, skipped when
    it is done and continued when it was interrupted; `--processes N` works on N at a time.
    """

    models: list[str] = Field(min_length=1, description="Backbones by name, small to large.")
    fractions: list[Fraction] = Field(
        [1.0], min_length=1, description="Fractions of the subjects to train on."
    )
    objectives: list[dict[str, Any]] = Field(
        [],
        description="Objectives, each a block as `objective`; none: the recipe's own.",
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [0], min_length=1, description="Seeds: of weights, order, masks, and choice of subjects."
    )
    metric: Literal["auc", "balanced_accuracy", "accuracy"] = Field(
        "auc", description="The fitted metric: log(100 × metric) = a + s · log(size)."
    )
    draws: int = Field(1000, ge=100, description="Bootstrap draws over seeds and test subjects.")
    missing: Literal["fail", "keep"] = Field(
        "fail",
        description="When cells fail: end with exit code 1, so that the next start tries them "
        "again, or finish without them. A missing cell is never imputed.",
    )
    watts: Watts = Field(Watts(), description="For the estimate of energy.")
    engine: Literal["local", "dask"] = Field(
        "local", description="Where cells run: on this machine, or on a Dask cluster."
    )
    address: str | None = Field(
        None, description="A Dask scheduler; none: a cluster of this machine."
    )

    @field_validator("models", "fractions", "seeds")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError(f"the same value twice in {values}")
        return values

    @field_validator("objectives")
    @classmethod
    def _named(cls, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = [value.get("name") for value in values]
        if None in names or len(set(map(str, names))) < len(names):
            raise ValueError("each objective has a name, and no two the same")
        return values
