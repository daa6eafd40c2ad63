"""The idea that all metrics share: a statistic of weighted cases.

A bootstrap draw is nothing but a whole-number weight for each case (how often its subject was
drawn). Every metric is therefore prepared once for its cases (sorting, one-hot tables) and then
evaluated for a block of weights, one column a draw; the metric itself is the column of ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from medfm_cli.metrics.cases import Cases

Weights = NDArray[np.float64]  # [n cases, draws]
Values = NDArray[np.float64]  # [draws], NaN where the metric is undefined
Statistic = Callable[[Weights], Values]
Metric = Callable[["Cases"], Statistic]


def one_hot(index: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """float64 [size, n]: row i marks the cases whose index is i."""
    marks: NDArray[np.bool_] = np.arange(size)[:, None] == index[None, :]
    return marks.astype(np.float64)


def ratio(above: Values, below: Values) -> Values:
    """above / below, NaN where the denominator is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def unit(statistic: Statistic, n: int) -> float:
    """The statistic of the cases as they are: every weight one."""
    return float(statistic(np.ones((n, 1)))[0])
