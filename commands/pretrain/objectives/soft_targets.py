"""Comparing a student's logits with a teacher's distributions over prototypes.

```
q = softmax(s / τ)        H(p, q) = −Σ_k p_k log q_k = logsumexp(s / τ) − Σ_k p_k s_k / τ
```

Source: DINO (Caron et al. 2021, arXiv 2104.14294), eq. 1 and 2.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Give H(p, q) of student logits s [..., K] and targets p [..., K] that sum to 1, as [...].

    The right side of the equation: log q, as large as the logits, is not kept for the gradient.
    """
    scaled = logits.float() / temperature
    agreement: Tensor = torch.einsum("...k,...k->...", targets, scaled)
    result: Tensor = scaled.logsumexp(dim=-1) - agreement
    return result


def entropy(targets: Tensor) -> Tensor:
    """Give H(p) = −Σ_k p_k log p_k of distributions [..., K], as [...], in nats."""
    result: Tensor = torch.special.entr(targets).sum(dim=-1)
    return result


def usage(targets: Tensor) -> Tensor:
    """Give the share of the K prototypes that a batch of targets [n, K] uses.

    exp H(p̄) / K, with p̄ the mean over the batch: 1 if all are used equally, 1/K if only one is
    used.
    """
    return entropy(targets.mean(dim=0)).exp() / targets.shape[-1]
