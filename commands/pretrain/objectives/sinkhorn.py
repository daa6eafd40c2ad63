"""Sinkhorn-Knopp: targets in which the batch uses every prototype equally.

From the teacher's logits t of B samples and K prototypes, find the matrix nearest to exp(t / τ)
whose rows (samples) each sum to 1 and whose columns (prototypes) each sum to B / K:

```
P_ik = exp(t_ik / τ)
repeat:   u_k = 1 / (K Σ_i P_ik v_i)        columns        v_i = 1 to begin with
          v_i = 1 / (B Σ_k P_ik u_k)        rows
Q_ik = B · v_i P_ik u_k
```

Source: SwAV (Caron et al. 2020, arXiv 2006.09882, §3.1 and appendix), three rounds as DINOv2 (Oquab
et al. 2023, arXiv 2304.07193) has them. Written with the two vectors of scales, so that P is
read by matrix-vector products and never rewritten.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medfm_cli.training.gather import gather_rows

_LEAST = 1e-30  # a prototype that no sample is near keeps a finite scale


@torch.no_grad()
def sinkhorn(logits: Tensor, temperature: Tensor | float, *, rounds: int = 3) -> Tensor:
    """Give targets [n, K] for this process's logits [n, K], balanced over all processes.

    Every row sums to 1 exactly; the columns' sums come nearer to B / K with every round. Several
    processes may have different n, and each at least 1.
    """
    scaled = logits.float() / temperature
    # Each row's largest entry is taken out and put into v, so that no row of P is all zero.
    peaks = scaled.amax(dim=1, keepdim=True)
    kernel = (scaled - peaks).exp()
    largest = gather_rows(peaks.amax().view(1)).amax()
    columns = kernel.new_empty(kernel.shape[1])
    rows = (peaks.squeeze(1) - largest).exp()
    samples = gather_rows(rows.new_tensor([float(len(rows))])).sum()
    for _ in range(rounds):
        masses = gather_rows((rows @ kernel).unsqueeze(0)).sum(dim=0)
        columns = 1.0 / (kernel.shape[1] * masses.clamp_min(_LEAST))
        rows = 1.0 / (samples * (kernel @ columns))
    return kernel.mul_(columns).mul_((samples * rows).unsqueeze(1))
