"""Alarms of collapsed features or a collapsed teacher. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.training.guards import Spread

ENTROPY = "teacher_entropy"
"""The scalar that objectives with a teacher log: mean entropy of its targets, in nats."""
_CERTAIN, _BLANK = 0.01, 0.98
_WARMED_UP = 0.2


def alarms(
    spread: Spread, values: Mapping[str, float], *, highest: float | None, progress: float
) -> list[str]:
    """One sentence for each problem; empty without one.

    Features: `Spread.collapsed`. A teacher: the entropy of its targets is (nearly) zero, so that it
    assigns the same prototype to everything, or after a fifth of the run still (nearly) the
    highest, so that it prefers none: the two kinds of collapse that DINO's centring and sharpening
    prevent (Caron et al. 2021, §5.3). The thresholds, 1 % and 98 % of log K, are our own.

    Args:
        spread: of the features of different samples.
        values: scalars of the objective.
        highest: entropy of uniform targets, log K; None for an objective without a teacher.
        progress: completed share of the run, 0 … 1.
    """
    warnings = []
    if spread.collapsed:
        warnings.append(
            f"the features hardly differ between samples (spread {spread.std:.3f}, "
            f"effective rank {spread.effective_rank:.1f} of {spread.dimensions})"
        )
    entropy = values.get(ENTROPY)
    if highest and entropy is not None:
        if entropy < _CERTAIN * highest:
            warnings.append("the teacher assigns every sample to the same prototype")
        elif entropy > _BLANK * highest and progress > _WARMED_UP:
            warnings.append(
                "the teacher's targets are nearly uniform: they carry little information"
            )
    return warnings
