"""The keys of one source: where its samples come from, and what is known of them beforehand."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from medfm_cli.commands.curate.tables.rules import problems
from medfm_cli.recipe import Part

WORDS = ("auto", "none", "folders", "modality")
"""Short forms of `labels`; any other text is a file."""


class Labels(Part):
    """Where the labels come from; at most one of `file`, `field` and `folders`."""

    file: str | None = Field(
        None, description="A table; looked for in the source's folder, then where you are."
    )
    field: str | None = Field(
        None, description="A fact of the image itself: modality, anatomy, manufacturer, …"
    )
    folders: bool = Field(False, description="The folder an image lies in is its class.")
    column: str = Field("auto", description="Column of the table that holds the label.")
    files: str = Field("auto", description="Column of the table that names the files.")
    classes: dict[str | int, str] = Field(
        default_factory=dict,
        description="Value → class; what is not listed stays unlabelled. Empty: values as they are",
    )
    drop: list[str | int] = Field(
        default_factory=list, description="Values whose images are left out altogether."
    )
    rules: dict[str, str] = Field(
        default_factory=dict,
        description="Class → condition on the table's row, such as 'NORM > 50', or 'otherwise'; "
        "the first that holds gives the label.",
    )
    kind: Literal["auto", "boxes", "masks"] = Field(
        "auto", description="boxes or masks: the classes that occur in them are the labels."
    )

    @field_validator("rules")
    @classmethod
    def _well_formed(cls, rules: dict[str, str]) -> dict[str, str]:
        if found := problems(rules):
            raise ValueError("; ".join(found))
        return rules

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.file is not None) + (self.field is not None) + self.folders > 1:
            raise ValueError("labels come from one of file, field and folders, not from two")
        return self


class SourceKeys(Part):
    """One source. In a mixture each block takes these keys, and else those above it."""

    source: str | None = Field(
        None,
        description="A folder, a file (.npz, archive, table of paths), packages:pydicom or "
        "medmnist:NAME.",
    )
    readers: list[str] | Literal["auto"] = Field(
        "auto", description="The readers that may read it; auto: by the content of each file."
    )
    format: dict[str, Any] = Field(
        default_factory=dict,
        description="What one reader needs: rate, channels and units of a signal; groups of ICU "
        "variables; columns of text.",
    )
    labels: Labels | str = Field(
        "auto",
        description="auto, none, folders, modality, a table, or a block with more keys.",
    )
    subject: str = Field(
        "auto", description="Subject of an image: auto, none, folders, or a column of the table."
    )
    study: str = Field("auto", description="auto, none, or a column of the table.")
    site: str = Field("auto", description="auto, none, or a column of the table.")
    time: str = Field("auto", description="auto, none, or a column of the table.")
    age: str = Field("auto", description="auto, none, or a column of the table, in years.")
    sex: str = Field("auto", description="auto, none, or a column of the table.")
    text: str = Field("none", description="none, or the column of the table with report or caption")
    laterality: str = Field(
        "auto", description="Side of the body: auto, none, or a column of the table."
    )
    scanner: str = Field(
        "auto", description="Manufacturer and model: auto, none, or a column of the table."
    )
    report_language: str = Field("auto", description="auto, none, or a column of the table.")
    target: str = Field(
        "none",
        description="none, or the column of the table with the number to predict: of a regression, "
        "or the time of a survival analysis.",
    )
    target_event: str = Field(
        "none",
        description="none, or the column of the table with 1 where the event of a survival "
        "analysis was observed and 0 where it was censored.",
    )
    modality: str = Field(
        "auto", description="auto, a column of the table, or one name for all images."
    )
    anatomy: str = Field(
        "auto", description="auto, a column of the table, or one name for all images."
    )
    follow_links: bool = Field(False, description="Follow symbolic links.")
    frames: int = Field(
        4, ge=1, description="Most frames of a multi-frame file or video, evenly spaced."
    )
    slices: int = Field(8, ge=1, description="Most axial slices of a volume.")
    whole: bool = Field(
        False, description="Volumes stay volumes and videos stay videos; else they become images."
    )
    clip: int = Field(32, ge=1, description="Most frames of a video that stays one.")
    licences: list[str] = Field(default_factory=list, description="Goes into the card.")
    consent: str = Field("", description="Goes into the card.")

    def label_spec(self) -> Labels:
        """The labels as a block, whatever the short form."""
        if isinstance(self.labels, Labels):
            return self.labels
        if self.labels in ("auto", "none"):
            return Labels()
        if self.labels == "folders":
            return Labels(folders=True)
        return Labels(field="modality") if self.labels == "modality" else Labels(file=self.labels)

    @property
    def label_word(self) -> str:
        """Where the labels come from, for a plan."""
        spec = self.label_spec()
        if spec.field:
            return f"the images' own {spec.field}"
        if spec.folders:
            return "the folders"
        return str(self.labels) if isinstance(self.labels, str) else "auto"
