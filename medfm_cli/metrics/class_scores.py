"""Each class on its own: one-vs-rest AUC, sensitivity and specificity with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics.bootstrap import DRAWS
from medfm_cli.metrics.decisions import sensitivity, specificity
from medfm_cli.metrics.estimates import FEWEST, Estimate, estimate_each, without_interval
from medfm_cli.metrics.ranking import class_auc

if TYPE_CHECKING:
    from medfm_cli.metrics.cases import Cases

_STATISTICS = {"auc": class_auc, "sensitivity": sensitivity, "specificity": specificity}


@dataclass(frozen=True)
class ClassScores:
    """What a model does on one class; the estimates are undefined where the class is absent.

    A value that rests on fewer than `FEWEST` subjects has no interval: the sensitivity on those of
    the class, the specificity on the others, the AUC on both.
    """

    name: str
    n: int
    subjects: int
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate


def per_class(cases: Cases, *, draws: int = DRAWS, seed: int = 0) -> list[ClassScores]:
    """Scores of each class of the schema, in its order."""
    prepared = {
        f"{kind}/{index}": make(index)(cases)
        for index in range(cases.n_classes)
        for kind, make in _STATISTICS.items()
    }
    found = estimate_each(cases, prepared, draws=draws, seed=seed)
    rows = []
    for index, name in enumerate(cases.classes):
        inside = cases.truth == index
        owners = len(np.unique(cases.subjects[inside]))
        others = len(np.unique(cases.subjects[~inside]))
        rest_on = {"auc": min(owners, others), "sensitivity": owners, "specificity": others}
        scores = {kind: found[f"{kind}/{index}"] for kind in _STATISTICS}
        shown = {
            kind: each if rest_on[kind] >= FEWEST else without_interval(each)
            for kind, each in scores.items()
        }
        rows.append(ClassScores(name, int(inside.sum()), owners, **shown))
    return rows
