"""KoLeo: spreads features by the distance of each to its nearest neighbour.

```
l_i = −log( min_{j ≠ i} ‖z_i − z_j‖ + ε )         ‖z_i‖ = 1, ε = 10⁻⁸
```

The mean of l_i is, up to constants, the Kozachenko–Leonenko estimate of minus the entropy of the
features. Source: Sablayrolles et al. 2019 (arXiv 1806.03198), §3; of normalised features in
DINOv2 (Oquab et al. 2023, arXiv 2304.07193).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-8


def koleo(features: Tensor) -> Tensor:
    """Give l [n] of features [n, D] of n samples; zeros where there is no other sample.

    In full precision whatever the run's is: neighbours are near, and their difference small.
    """
    with torch.autocast(features.device.type, enabled=False):
        unit = functional.normalize(features.float(), dim=1, eps=_EPSILON)
        if len(unit) < 2:
            return 0.0 * unit.sum(dim=1)
        distance = functional.pairwise_distance(unit, unit[_nearest(unit)], eps=_EPSILON)
        return -torch.log(distance + _EPSILON)


@torch.no_grad()
def _nearest(unit: Tensor) -> Tensor:
    """Give the index [n] of each row's nearest other row; the largest cosine is the nearest."""
    cosines = unit @ unit.T
    return cosines.fill_diagonal_(-2.0).argmax(dim=1)
