"""The keys of one source: where its samples come from, and what is known of them beforehand."""

from __future__ import annotations

import re
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
    missing: list[str] | Literal["auto"] = Field(
        "auto",
        description="Cells that mean no label; auto: empty, NA, N/A, NaN, null and '?', but "
        "neither 'none' nor '-'.",
    )
    separator: str = Field(
        "auto",
        description="Between several labels in one cell: auto, none, or the characters.",
    )
    uncertain: Literal["auto", "negative", "positive"] = Field(
        "auto",
        description="What −1 means in columns of 0, 1 and −1; auto: no label where one column is "
        "the label, negative where several are.",
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


class SubjectPattern(Part):
    """The patient's number stands in the file's name."""

    pattern: str = Field(
        description="Regular expression; its first group, or all that it matches, is the subject. "
        "It is looked for in the name, or with a '/' in it in the whole path below the source.",
        examples=[r"^(\d+)_"],
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    def find(self, name: str) -> str:
        """The subject in the path of a file; empty where there is none."""
        found = re.search(self.pattern, name if "/" in self.pattern else name.rpartition("/")[2])
        if found is None:
            return ""
        return (found[1] if found.re.groups else found[0]) or ""


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
    subject: SubjectPattern | str = Field(
        "auto",
        description="Subject of an image: auto, none, folders, a column of the table, or "
        "{pattern: …} for a number in the files' names.",
    )
    study: str = Field("auto", description="auto, none, or a column of the table.")
    site: str = Field("auto", description="auto, none, or a column of the table.")
    time: str = Field("auto", description="auto, none, or a column of the table.")
    time_format: str = Field(
        "auto",
        description="How that column writes times: auto, or as in strptime, such as '%d/%m/%Y'.",
    )
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
    check: Literal["time", "content"] = Field(
        "time",
        description="By what a changed file is known: size and time, or its content, which is then "
        "read once more.",
    )
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
    def subject_column(self) -> str:
        """The configured subject as far as a table is concerned."""
        return self.subject if isinstance(self.subject, str) else "none"

    @property
    def label_word(self) -> str:
        """Where the labels come from, for a plan."""
        spec = self.label_spec()
        if spec.field:
            return f"the images' own {spec.field}"
        if spec.folders:
            return "the folders"
        return str(self.labels) if isinstance(self.labels, str) else "auto"
