"""The recipe's `derive.instructions` block: questions and answers made from what is known."""

from __future__ import annotations

from pydantic import Field

from medfm_cli.recipe import Part


class Instructions(Part):
    """Questions and answers made from labels and modalities, balanced, the same by seed."""

    binary: bool = Field(
        True, description="Ask whether a label holds: as often yes as no, for every label."
    )
    open: bool = Field(True, description="Ask which of the listed labels hold.")
    modality: bool = Field(
        True, description="Ask for the modality: half of them openly, half of them yes or no."
    )
    per_label: int | None = Field(
        None, ge=1, description="Most yes (and as many no) of one label in one split."
    )
    options: int = Field(10, ge=2, description="Most labels that an open question lists.")
    partial: bool = Field(
        False,
        description="Labels name only a part of what there is to see: what is not named may be "
        "there, and a no needs a label that the sample's facts list as `absent`.",
    )
    overlapping: list[list[str]] = Field(
        default_factory=list,
        description="Groups of labels that may hold together though only one of them is given, "
        "such as a disease and its subtype: they are no answer against each other.",
    )
    names: dict[str, str] = Field(
        default_factory=dict, description="Label → what it is called in questions and answers."
    )
    export: bool = Field(
        True, description="Write all questions and answers to instructions.jsonl as well."
    )
