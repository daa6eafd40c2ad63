"""The describe block of the curate recipe. Imports no numpy."""

from __future__ import annotations

from pydantic import Field

from medfm_cli.recipe import Part


class Describe(Part):
    """How the dataset is described: description.json, croissant.json, datasheet.md, report."""

    on: bool = Field(True, description="Measure the dataset, beyond counting.")
    sample: int = Field(
        2000, ge=10, description="Most samples of a task that are measured; the same every time."
    )
    sheets: bool = Field(True, description="Show samples in the report.")
    show_text: bool = Field(
        False, description="Show texts in the report even where the source is not public."
    )
