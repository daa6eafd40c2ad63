"""The recipe of `medfm export`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medfm_cli.recipe import Auto, Part, Recipe


class ParityOptions(Part):
    """How ONNX Runtime is compared with PyTorch."""

    samples: int = Field(256, ge=1, description="most images compared, evenly spaced")
    tolerance: float = Field(
        1e-3, gt=0, description="largest difference of a logit (of a feature, for an encoder)"
    )


class LatencyOptions(Part):
    """How both are timed."""

    batch_sizes: list[Annotated[int, Field(ge=1)]] = Field(
        [1, 32], min_length=1, description="images in a batch"
    )
    repeats: int = Field(30, ge=1, description="timed runs, at most; the median counts")
    seconds: float = Field(10, gt=0, description="time for one batch size, after which it ends")
    threads: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="threads of both; auto: every core this process may use"
    )


class ExportRecipe(Recipe):
    """Turn a model into a bundle that predicts without torch."""

    model: str = Field(description="a model folder, a run directory that wrote one, or $stage")
    data: str = Field(description="the dataset on whose images ONNX is compared with PyTorch")
    datasets: list[str] = Field(
        [], description="further datasets the model was made from, for the list of source files"
    )
    split: Literal["auto", "test", "val", "train", "all"] = Field(
        "auto", description="whose images are compared; auto: test, else val, else all"
    )
    formats: list[Literal["onnx"]] = Field(
        ["onnx"], min_length=1, max_length=1, description="in which form the model is written"
    )
    opset: int = Field(20, ge=18, le=23, description="version of the ONNX operators")
    parity: ParityOptions = ParityOptions()
    latency: LatencyOptions = LatencyOptions()
    eval: str | None = Field(
        None, description="an eval run (or $stage) whose measured numbers go into the card"
    )
    intended_use: str = Field("", description="for the card; EMPTY when nobody says")
    limitations: list[str] = Field([], description="for the card, beside what records say")
