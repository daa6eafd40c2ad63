"""The recipe of `medfm export`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medfm_cli.recipe import Auto, Part, Recipe


class ParityOptions(Part):
    """How ONNX Runtime is compared with PyTorch."""

    samples: int = Field(256, ge=1, description="images to compare, at most, evenly spaced")
    tolerance: float = Field(
        1e-3, gt=0, description="largest difference of a logit (of a feature, for an encoder)"
    )


class LatencyOptions(Part):
    """How the latency of both is measured."""

    batch_sizes: list[Annotated[int, Field(ge=1)]] = Field(
        [1, 32], min_length=1, description="images per batch"
    )
    repeats: int = Field(30, ge=1, description="timed runs, at most; the median is reported")
    seconds: float = Field(10, gt=0, description="time limit per batch size")
    threads: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="threads of both; auto: all cores available to this process"
    )


class ExportRecipe(Recipe):
    """Turn a model into a bundle that predicts without torch."""

    model: str = Field(description="a model folder, a run directory that wrote one, or $stage")
    data: str = Field(description="the dataset whose images are used to compare ONNX with PyTorch")
    datasets: list[str] = Field(
        [], description="further datasets of the model's lineage, for the list of source files"
    )
    split: Literal["auto", "test", "val", "train", "all"] = Field(
        "auto", description="images to compare; auto: test, else val, else all"
    )
    formats: list[Literal["onnx"]] = Field(
        ["onnx"], min_length=1, max_length=1, description="format of the exported model"
    )
    opset: int = Field(20, ge=18, le=23, description="version of the ONNX operators")
    parity: ParityOptions = ParityOptions()
    latency: LatencyOptions = LatencyOptions()
    eval: str | None = Field(
        None, description="an eval run (or $stage) whose metrics go into the card"
    )
    intended_use: str = Field("", description="for the card; EMPTY if not set")
    limitations: list[str] = Field([], description="for the card, in addition to the recorded ones")
