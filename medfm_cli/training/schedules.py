"""Learning rate and weight decay over the steps of a training. Torch-free."""

from __future__ import annotations

import math


def cosine(step: int, *, steps: int, warmup: int, final: float = 0.0) -> float:
    """Factor on the peak learning rate at `step` (0-based): linear warm-up, then half a cosine.

    ```
    s < w :  (s + 1) / w
    s ≥ w :  f + (1 − f) · ½ (1 + cos(π (s − w) / (S − w)))
    ```

    S = `steps`, w = `warmup` (both in optimiser steps), f = `final`, the factor approached at the
    end. Source: Loshchilov & Hutter 2017 (SGDR, without restarts), as used by MAE (He et al. 2022,
    appendix A.1). A pure function of the step: nothing to save, nothing to restore.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def cosine_between(step: int, *, steps: int, start: float, final: float) -> float:
    """Value at `step` (0-based) on half a cosine from `start` to `final`, without warm-up.

    ```
    f + (a − f) · ½ (1 + cos(π s / S))
    ```

    a = `start`, f = `final`, S = `steps`. DINO and DINOv2 raise the weight decay so.
    """
    return final + (start - final) * cosine(step, steps=steps, warmup=0)
