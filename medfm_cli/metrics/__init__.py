"""Scores with confidence intervals over subjects. Needs numpy alone and knows of no verb.

The names are imported when first used: the registry of metrics must not wait for numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfm_cli.metrics.bootstrap import DRAWS, Resampler, interval
    from medfm_cli.metrics.calibration import ReliabilityBin, reliability
    from medfm_cli.metrics.cases import Cases, average_by, codes, make_cases
    from medfm_cli.metrics.class_scores import ClassScores, per_class
    from medfm_cli.metrics.decisions import confusion_matrix
    from medfm_cli.metrics.estimates import (
        NO_INTERVAL,
        Comparison,
        Difference,
        Estimate,
        estimate,
        estimate_each,
        unseen_error,
    )
    from medfm_cli.metrics.scorers import SCORERS, Scorer
    from medfm_cli.metrics.thresholds import Threshold, best_threshold, class_thresholds, decide

__all__ = [
    "DRAWS",
    "NO_INTERVAL",
    "SCORERS",
    "Cases",
    "ClassScores",
    "Comparison",
    "Difference",
    "Estimate",
    "ReliabilityBin",
    "Resampler",
    "Scorer",
    "Threshold",
    "average_by",
    "best_threshold",
    "class_thresholds",
    "codes",
    "confusion_matrix",
    "decide",
    "estimate",
    "estimate_each",
    "interval",
    "make_cases",
    "per_class",
    "reliability",
    "unseen_error",
]

_HOMES = {
    "DRAWS": "bootstrap",
    "NO_INTERVAL": "estimates",
    "SCORERS": "scorers",
    "Cases": "cases",
    "ClassScores": "class_scores",
    "Comparison": "estimates",
    "Difference": "estimates",
    "Estimate": "estimates",
    "ReliabilityBin": "calibration",
    "Resampler": "bootstrap",
    "Scorer": "scorers",
    "Threshold": "thresholds",
    "average_by": "cases",
    "best_threshold": "thresholds",
    "class_thresholds": "thresholds",
    "codes": "cases",
    "confusion_matrix": "decisions",
    "decide": "thresholds",
    "estimate": "estimates",
    "estimate_each": "estimates",
    "interval": "bootstrap",
    "make_cases": "cases",
    "per_class": "class_scores",
    "reliability": "calibration",
    "unseen_error": "estimates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
