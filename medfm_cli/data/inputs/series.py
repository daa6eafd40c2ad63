"""Measurements at irregular times, such as an ICU stay, on a regular grid."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from medfm_cli.data.inputs.base import NetworkInput, Shape, refuse
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Content, Series


class SeriesInput(NetworkInput):
    """Variables on a grid of time: float32 `[2 F, T]`, T = `hours` / `step`.

    The first F channels are the means of what was measured in each step, less the variable's
    `mean` and divided by its `std`, both measured over the training samples; 0 where nothing was
    measured. The last F are 1 where something was and 0 elsewhere. A measurement at time t belongs
    to step ⌊t / step⌋, one at the very end to the last. What is known once (age, sex) is not in it.
    """

    kind: Literal["series"] = "series"

    variables: list[str] = Field(min_length=1, description="names of the variables, in this order")
    hours: float = Field(gt=0, description="from admission on")
    step: float = Field(1.0, gt=0, description="hours of a step of the grid")
    mean: list[float] = Field(description="of each variable, over the training samples")
    std: list[float] = Field(description="of each variable, over the training samples")
    limit: float = Field(
        10.0, gt=0, description="values further than this many deviations are brought to it"
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not len(self.variables) == len(self.mean) == len(self.std):
            raise ValueError("mean and std have one value a variable")
        if len(set(self.variables)) < len(self.variables):
            raise ValueError("a variable is named twice")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self

    @property
    def steps(self) -> int:
        """Steps of the grid."""
        return max(1, round(self.hours / self.step))

    @property
    def shape(self) -> Shape:
        """`(2 F, T)`."""
        return 2 * len(self.variables), self.steps

    def fit(self, content: Content) -> NDArray[np.float32]:
        """A stay as `[2 F, T]`.

        Raises:
            DataError: it is no series, or has none of the variables.
        """
        if not isinstance(content, Series):
            raise refuse(content, "series")
        values = gridded(content, self.variables, step=self.step, steps=self.steps)
        mean, std = (np.asarray(each)[:, None] for each in (self.mean, self.std))
        scaled = np.clip((values - mean) / std, -self.limit, self.limit)
        measured = np.isfinite(values)
        return np.concatenate([np.where(measured, scaled, 0.0), measured]).astype(np.float32)


def gridded(
    series: Series, variables: list[str], *, step: float, steps: int
) -> NDArray[np.float64]:
    """The mean of every variable in every step of `step` hours: `[F, T]`, NaN without measurements.

    Raises:
        DataError: the series has none of the variables.
    """
    numbers = {name: number for number, name in enumerate(series.channels)}
    places = [place for place, name in enumerate(variables) if name in numbers]
    if not places:
        raise DataError("it has none of the variables that the network takes")
    values = series.values[[numbers[variables[place]] for place in places]].astype(np.float64)
    at = np.floor(series.times / step).astype(np.int64)
    at[np.isclose(series.times, step * steps)] = steps - 1
    measured = np.isfinite(values) & (at >= 0) & (at < steps)
    rows, columns = np.nonzero(measured)
    cells = rows * steps + at[columns]
    size = len(places) * steps
    counts = np.bincount(cells, minlength=size)
    sums = np.bincount(cells, weights=values[rows, columns], minlength=size)
    grid = np.full((len(variables), steps), np.nan)
    means = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    grid[places] = means.reshape(len(places), steps)
    return grid
