"""Resolve the input of series: variables, length, mean and standard deviation."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.pretrain.inputs.inspect import read_metadata
from medfm_cli.data.inputs.series import SeriesInput, gridded
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.inputs.inspect import Resolve
    from medfm_cli.commands.pretrain.inputs.options import SeriesChoice
    from medfm_cli.data.dataset import Dataset

RARE = 0.01
"""Share of the stays in which a variable must have been measured."""
USUAL = 0.95
"""Share of the stays that fit into the length."""


def resolve_series(
    choice: SeriesChoice, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> SeriesInput:
    """Resolve variables and length, and measure every variable over all `rows`.

    Raises:
        DataError: nothing was measured, or a variable of the recipe never was.
    """
    values = choice.model_dump()
    if choice.hours == "auto":
        values["hours"] = _hours(dataset, rows, choice.step)
        why = f"{USUAL:.0%} of the stays are not longer"
        resolve("input.hours", values["hours"], why)
    steps = max(1, round(values["hours"] / choice.step))
    measured = _measure(dataset, rows, step=choice.step, steps=steps)
    if choice.variables == "auto":
        least = RARE * len(rows)
        values["variables"] = [name for name, each in measured.items() if each.stays >= least]
        resolve("input.variables", values["variables"], f"measured in {RARE:.0%} of the stays")
    if not values["variables"] or set(values["variables"]) - measured.keys():
        lacking = sorted(set(values["variables"]) - measured.keys())
        raise DataError(
            f"{', '.join(lacking) or 'nothing'} was measured in none of the training samples"
            if lacking
            else "nothing was measured in the training samples",
            hint=f"measured variables: {', '.join(measured) or 'no variables'}",
        )
    chosen = [measured[name] for name in values["variables"]]
    values["mean"] = [_rounded(each.mean) for each in chosen]
    values["std"] = [_rounded(each.std) or 1.0 for each in chosen]
    why = f"over the {len(rows)} training samples"
    resolve("input.mean", dict(zip(values["variables"], values["mean"], strict=True)), why)
    resolve("input.std", dict(zip(values["variables"], values["std"], strict=True)), why)
    return SeriesInput(**values)


class RunningMoments:
    """Running mean and deviation of a variable (Chan, Golub & LeVeque 1979)."""

    def __init__(self) -> None:
        self.stays = self.count = 0
        self.mean = self._squares = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add the values of one stay, at least one."""
        count, mean = len(values), float(values.mean())
        apart, total = mean - self.mean, self.count + len(values)
        self._squares += float(((values - mean) ** 2).sum())
        self._squares += apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.stays, self.count = self.stays + 1, total

    @property
    def std(self) -> float:
        """The deviation of all values."""
        return math.sqrt(self._squares / self.count)


def _measure(
    dataset: Dataset, rows: NDArray[np.int64], *, step: float, steps: int
) -> dict[str, RunningMoments]:
    """Every variable that was measured at all, in the order of the samples' own lists."""
    counts: Counter[str] = Counter()
    measured: dict[str, RunningMoments] = {}
    for row in rows.tolist():
        content = dataset.content(row)
        if not isinstance(content, Series) or not content.channels:
            continue
        names = list(content.channels)
        counts.update(names)
        grid = gridded(content, names, step=step, steps=steps)
        for name, values in zip(names, grid, strict=True):
            observed = values[np.isfinite(values)]
            if len(observed):
                measured.setdefault(name, RunningMoments()).add(observed)
    return {name: measured[name] for name in counts if name in measured}


def _hours(dataset: Dataset, rows: NDArray[np.int64], step: float) -> float:
    ends = sorted(
        each.meta["times"][-1] for each in read_metadata(dataset, rows) if each.meta.get("times")
    )
    if not ends:
        raise DataError("nothing was measured in the training samples")
    end = ends[min(len(ends) - 1, math.floor(USUAL * len(ends)))]
    return float(max(1, math.ceil(end / step - 1e-9)) * step)


def _rounded(value: float) -> float:
    """Round to six digits: the recipe shows the value in use."""
    return float(f"{value:.6g}")
