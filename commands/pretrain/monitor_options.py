"""The recipe keys of evaluation during pretraining. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medfm_cli.recipe import Auto, Part

SAME = "same"


class Task(Part):
    """A labelled dataset on which the finished encoder is scored."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Its name in reports.")
    data: str = Field(
        SAME, description="The dataset, with a test split: a path, or `same` for that of `data`."
    )


class Monitor(Part):
    """Evaluations of the encoder during training, and once before and after it.

    Every evaluation measures how much the features of different samples differ: the collapse
    alarm. With labelled data, it also scores k-NN and a linear probe on the features. Evaluation
    does not change the training.
    """

    every: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="Epochs between evaluations; auto: a tenth of the run."
    )
    data: str | None = Field(
        None,
        description="Labelled dataset of the probes: a path, or `same` for the labels of `data`; "
        "none: no probes. Its training split is the reference, its validation split is scored.",
    )
    neighbours: int = Field(20, ge=1, description="k of k-NN.")
    most: int = Field(
        500, ge=10, description="Most samples of each of the two splits, evenly spaced."
    )
    on_collapse: Literal["warn", "stop"] = Field(
        "warn",
        description="What an alarm does: warn and continue, or end the run with exit code 1.",
    )
