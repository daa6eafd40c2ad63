"""Sound: too short, silent, or overdriven."""

from __future__ import annotations

import numpy as np

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality.signals import resting
from medfm_cli.samples.content import Audio


def rejection_reason(content: Audio, quality: Quality) -> str:
    """Why a recording is not kept, empty when it is."""
    values = content.values
    if not values.size or not np.isfinite(values).all():
        return "some of the sound has no value" if values.size else "no sound at all"
    length = values.shape[1] / content.rate if content.rate > 0 else np.inf
    if quality.min_seconds is not None and length < quality.min_seconds:
        return f"shorter than {quality.min_seconds:g} s"
    if quality.silence is not None and _swing(values) <= quality.silence:
        return "silence"
    if quality.clipped is not None and min(map(resting, values)) > quality.clipped:
        return "overdriven: the sound rests at its limits"
    return ""


def _swing(values: np.typing.NDArray[np.float32]) -> float:
    """The largest deflection of any channel from its middle; a constant is silence too."""
    middle = np.median(values, axis=1, keepdims=True)
    return float(np.abs(values - middle).max())
