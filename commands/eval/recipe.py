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
    """The baseline that looks at raw pixels: logistic regression on small images."""

    size: int = Field(28, ge=4, le=128, description="Side the images are shrunk to, in pixels.")
    inverse_l2: float = Field(0.01, gt=0, description="C of the logistic regression.")


class EvalRecipe(Recipe):
    """Score models beside baselines, with intervals over subjects and paired differences.

    Encoders are scored by a linear probe, classifiers as they are, on images that they were not
    trained on.
    """

    data: str = Field(description="Dataset with one label an image: a folder or a run directory.")
    models: dict[str, str] = Field(
        min_length=1, description="Name in the tables → model folder or run directory."
    )
    protocol: Protocol | Auto = Field(
        "auto",
        description="holdout: the dataset's test split; cross-validation: every subject is tested "
        "once; auto: cross-validation of encoders below 40 held-out subjects.",
    )
    folds: Annotated[int, Field(ge=2)] | Auto = Field(
        "auto", description="Parts of the cross-validation; auto: at most 5."
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
        description="balanced: every class counts alike in training, for all methods; "
        "auto: balanced from 2 : 1 on, and in cross-validation.",
    )
    bootstrap: int = Field(1000, ge=100, description="Draws of subjects behind every interval.")
    errors_shown: int = Field(
        12, ge=0, le=100, description="Misclassified images pictured in the report; 0: none."
    )
    gate: dict[Metric, float] = Field(
        {},
        description="Metric → least value the first model must reach (most, for "
        f"{' and '.join(_LOWER_IS_BETTER)}); "
        "exit code 5 when it does not.",
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if taken := sorted(set(self.models) & set(BASELINES)):
            raise ValueError(
                f"models: '{taken[0]}' is the name of a baseline; give the model another name"
            )
        return self
