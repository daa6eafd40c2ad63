"""Features of the whole batch on every process, for losses that compare samples with each other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable


def gather_rows(tensor: Tensor) -> Tensor:
    """Join the rows of all processes in the order of their numbers: [b,…] → [world · b,…].

    With one process the tensor itself. Every process must call it with as many rows, and all must
    compute the same loss L of what they get. The gradient that flows back to the own rows z_r is
    the sum over the processes, W ∂L/∂z_r; DistributedDataParallel averages the gradients of the
    W processes, which leaves Σ_r ∂L/∂z_r · ∂z_r/∂θ before the gather and ∂L/∂φ behind it: what one
    process with the whole batch has.
    """
    if not _several():
        return tensor
    gathered: Tensor = _GatherRows.apply(tensor)
    return gathered


def _several() -> bool:
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        del ctx
        own = tensor.contiguous()
        parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        del ctx
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(distributed.get_world_size())[distributed.get_rank()]
