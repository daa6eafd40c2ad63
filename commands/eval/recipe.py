"""The recipe of `medfm eval`. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.metrics.scorers import SCORERS
from medfm_cli.recipe import Auto, Part, Recipe
from medfm_cli.training.probing import ClassWeights, ProbeKeys

Baseline = Literal["majority", "pixels", "random"]
Protocol = Literal["holdout", "cross-validation"]
if TYPE_CHECKING:
    Metric = str
else:
    Metric = Literal[tuple(SCORERS)]
_LOWER_IS_BETTER = [name for name, scorer in SCORERS.items() if not scorer.higher_is_better]
BASELINES: tuple[Baseline, ...] = ("majority", "pixels", "random")


class PixelKeys(Part):
    """The baseline on raw pixels: logistic regression on downsized images."""

    size: int = Field(28, ge=4, le=128, description="Side of the downsized images, in pixels.")
    inverse_l2: float = Field(0.01, gt=0, description="C of the logistic regression.")


class EvalRecipe(Recipe):
    """Compare models with baselines, with intervals over subjects and paired differences.

    Encoders are scored by a linear probe, classifiers without further training, on images that
    they were not trained on.
    """

    data: str = Field(description="Dataset with one label per image: a folder or a run directory.")
    models: dict[str, str] = Field(
        min_length=1, description="Name in the report → model folder or run directory."
    )
    protocol: Protocol | Auto = Field(
        "auto",
        description="holdout: the dataset's test split; cross-validation: every subject is tested "
        "once; auto: cross-validation of encoders if fewer than 40 subjects are held out.",
    )
    folds: Annotated[int, Field(ge=2)] | Auto = Field(
        "auto", description="Folds of the cross-validation; auto: at most 5."
    )
    baselines: list[Baseline] = Field(
        list(BASELINES),
        description="majority: the most frequent class; pixels: logistic regression on raw pixels; "
        "random: the same backbone with random weights.",
    )
    probe: ProbeKeys = Field(ProbeKeys(), description="The probe on frozen features.")
    pixels: PixelKeys = Field(PixelKeys(), description="The baseline on raw pixels.")
    class_weights: ClassWeights = Field(
        "auto",
        description="balanced: all classes have the same weight in training, for all methods; "
        "auto: balanced from a class ratio of 2 : 1, and in cross-validation.",
    )
    bootstrap: int = Field(
        1000, ge=100, description="Bootstrap draws of subjects for every interval."
    )
    errors_shown: int = Field(
        12, ge=0, le=100, description="Misclassified images shown in the report; 0: none."
    )
    gate: dict[Metric, float] = Field(
        {},
        description="Metric → minimum for the first model (maximum for brier and ece); exit code 5 "
        "if it is missed.",
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if clashes := sorted(set(self.models) & set(BASELINES)):
            raise ValueError(
                f"models: '{clashes[0]}' is the name of a baseline; give the model another name"
            )
        return self
