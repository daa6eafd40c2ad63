"""When features or a teacher have collapsed, and how that is said. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.training.guards import Spread

ENTROPY = "teacher_entropy"
"""The scalar that objectives with a teacher log: mean entropy of its targets, in nats."""
_CERTAIN, _BLANK = 0.01, 0.98
_SETTLED = 0.2


def alarms(
    spread: Spread, values: Mapping[str, float], *, highest: float | None, progress: float
) -> list[str]:
    """What is wrong, one sentence each; empty when nothing is.

    Features: `Spread.collapsed`. A teacher: its targets have (nearly) no entropy, so that it names
    the same prototype for everything, or after a fifth of the run still (nearly) the highest, so
    that it has no opinion: the two kinds of collapse that DINO's centring and sharpening work
    against (Caron et al. 2021, §5.3). The thresholds, 1 % and 98 % of log K, are our own.

    Args:
        spread: of the features of different samples.
        values: scalars of the objective.
        highest: entropy of even targets, log K; None for an objective without a teacher's choice.
        progress: part of the run that is done, 0 … 1.
    """
    said = []
    if spread.collapsed:
        said.append(
            f"the features hardly tell one sample from another (spread {spread.std:.3f}, "
            f"effective rank {spread.effective_rank:.1f} of {spread.dimensions})"
        )
    entropy = values.get(ENTROPY)
    if highest and entropy is not None:
        if entropy < _CERTAIN * highest:
            said.append("the teacher gives every sample to the same prototype")
        elif entropy > _BLANK * highest and progress > _SETTLED:
            said.append("the teacher's targets are nearly even: it tells little")
    return said
