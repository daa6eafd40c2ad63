"""The recipe's `split` block: how subjects are dealt to train, val and test."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from medfm_cli.recipe import Part

SIDES = ("train", "val", "test")


class Folds(Part):
    """A column of numbered folds, such as PTB-XL's `strat_fold`, and which of them go where."""

    column: str = Field(description="Column of the table that holds the fold.")
    train: list[str | int] = Field(
        default_factory=list, description="Folds of train; empty: all that are not named."
    )
    val: list[str | int] = Field(default_factory=list, description="Folds of val.")
    test: list[str | int] = Field(default_factory=list, description="Folds of test.")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        named = [_plain(str(fold)) for side in SIDES for fold in getattr(self, side)]
        if not (self.val or self.test):
            raise ValueError("name the folds of val or of test")
        if len(named) != len(set(named)):
            raise ValueError("a fold belongs to one of train, val and test")
        return self

    def side(self, value: str) -> str:
        """Where a value of the column goes; empty for an empty one, or one that is not named."""
        fold = _plain(value)
        for side in SIDES:
            if fold in {_plain(str(named)) for named in getattr(self, side)}:
                return side
        return "train" if fold and not self.train else ""


class Split(Part):
    """How subjects are dealt to train, val and test."""

    train: float = Field(0.7, gt=0, le=1, description="Share of the samples.")
    val: float = Field(0.15, ge=0, lt=1, description="Share of the samples.")
    test: float = Field(0.15, ge=0, lt=1, description="Share of the samples.")
    by: Literal["subject", "site", "time"] = Field(
        "subject",
        description="What is never torn apart: subjects (near duplicates tie theirs together), "
        "whole sites as well, or subjects in the order of time: train before val before test.",
    )
    official: Folds | str = Field(
        "auto",
        description="The source's own split: auto (taken if it keeps subjects together), keep "
        "(taken anyway), none, the column that holds it, or {column, val: [9], test: [10]}. Near "
        "duplicates across it move to its later side; too many make it worthless to auto. It is "
        "used only when splitting by subject.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("train, val and test must add up to 1")
        if self.by != "subject" and self.official not in ("auto", "none"):
            raise ValueError(f"the official split cannot be kept when splitting by {self.by}")
        return self

    @property
    def official_column(self) -> str:
        """The column that the recipe names, empty when it names none."""
        if isinstance(self.official, Folds):
            return self.official.column
        return "" if self.official in ("auto", "keep", "none") else self.official

    def shares(self) -> dict[str, float]:
        """Side → share of the samples, without the sides that get nothing."""
        shares = {"train": self.train, "val": self.val, "test": self.test}
        return {side: share for side, share in shares.items() if share > 0}


def _plain(value: str) -> str:
    """`9`, ` 9 ` and `9.0` are one fold."""
    text = value.strip()
    whole, _, rest = text.partition(".")
    return whole if whole.isdigit() and rest.strip("0") == "" else text
