"""The recipe keys of what is looked at while an encoder is trained. Torch-free."""

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


class Watch(Part):
    """Looks at the encoder during the training, and once before and after it.

    Every look measures how much the features of different samples differ: the alarm for collapse.
    With labelled data, it also measures what nearest neighbours and a linear probe can tell from
    the features. Looks change nothing of the training.
    """

    every: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="Epochs between looks; auto: a tenth of the run."
    )
    data: str | None = Field(
        None,
        description="Labelled dataset of the probes: a path, or `same` for the labels of `data`; "
        "none: no probes. Its training split is the bank, its validation split is asked.",
    )
    neighbours: int = Field(20, ge=1, description="Neighbours that vote (k of k-NN).")
    most: int = Field(
        500, ge=10, description="Most samples of the bank, and most that are asked; evenly spaced."
    )
    on_collapse: Literal["warn", "stop"] = Field(
        "warn", description="What an alarm does: say so and go on, or end the run with exit code 1."
    )
