"""The `contamination` block of the curate recipe. Imports no numpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medfm_cli.recipe import Part


class Contamination(Part):
    """What the new dataset must not share with others."""

    against: list[str] = Field(
        default_factory=list,
        description="Datasets, models, or the runs that wrote them: what was trained or is to be "
        "tested on.",
    )
    threshold: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the samples that may be shared; with more the run ends with exit "
        "code 5, and the dataset is written nevertheless.",
    )
    of: Literal["all", "test"] = Field(
        "all", description="Whose share counts: that of all samples, or of the test split."
    )
    near: bool = Field(True, description="Images that look the same are shared too.")
    subjects: bool = Field(
        True,
        description="Samples of the same subjects are shared too; comparable only where the "
        "pseudonyms were made with the same key.",
    )
