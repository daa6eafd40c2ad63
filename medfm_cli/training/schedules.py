"""Learning rate over the steps of a run. Torch-free."""

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
