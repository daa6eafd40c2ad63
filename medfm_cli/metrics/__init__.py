"""Scores with confidence intervals over subjects. Needs numpy alone and knows of no verb."""

from medfm_cli.metrics.bootstrap import DRAWS, Resampler, interval
from medfm_cli.metrics.calibration import ReliabilityBin, reliability
from medfm_cli.metrics.cases import Cases, average_by, codes, make_cases
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
from medfm_cli.metrics.per_class import ClassScores, per_class
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
