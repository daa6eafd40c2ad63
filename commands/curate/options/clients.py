"""The recipe's `derive.clients` block: who holds which samples in a federation."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from medfm_cli.recipe import Part


class Clients(Part):
    """How the samples of train and val are dealt to the clients of a federation.

    Subjects and clusters stay whole. Samples of val go to clients by the same rule, those of test
    to none. FEDMEKI's 7 : 1 : 1 : 1 (client train, client valid, server's public, test) is
    `split: {train: 0.8, val: 0.1, test: 0.1}` with `public: 0.1`.
    """

    scheme: Literal["iid", "dirichlet", "quantity", "site", "modality"] = Field(
        "iid",
        description="iid: alike; dirichlet: labels are skewed; quantity: sizes are skewed; site: "
        "whole sites; modality: every client lacks some modalities.",
    )
    count: int | None = Field(
        5, ge=1, le=1000, description="Clients; null, for site only: as many as there are sites."
    )
    alpha: float = Field(
        0.5,
        gt=0,
        description="dirichlet, quantity: concentration; large is alike, near 0 all in one hand.",
    )
    exponent: float | None = Field(
        None, ge=0, description="quantity: sizes fall as number^-exponent instead of by alpha."
    )
    missing: float = Field(
        0.5, ge=0, lt=1, description="modality: share of the modalities that a client lacks."
    )
    public: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of all samples that the server holds, taken out of train.",
    )
    min_samples: int = Field(10, ge=1, description="Training samples of a client, at least.")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.count is None and self.scheme != "site":
            raise ValueError("say how many clients there are; only sites can be counted")
        if self.exponent is not None and self.scheme != "quantity":
            raise ValueError("exponent goes with the scheme quantity")
        return self
