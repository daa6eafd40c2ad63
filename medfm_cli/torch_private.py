"""Every use of a private name of torch and Accelerate, one function each, and why.

A new version may change these without notice: `tests/test_torch_private.py` has a test for each.
Imported lazily; stands on nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def forget_accelerator() -> None:
    """Reset the state of `Accelerator`, so that the next one chooses device and processes again.

    Accelerate keeps them for the whole process, and its public `AcceleratorState.initialized` can
    only be read; a pipeline trains several times in one process.
    """
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def shared_storage(nbytes: int) -> torch.UntypedStorage:
    """An empty storage in shared memory, so that a loader's worker hands it over without a copy.

    torch's own `default_collate` makes it the same way; it has no public name for it.
    """
    import torch

    make = torch.UntypedStorage._new_shared
    storage: torch.UntypedStorage = make(nbytes)  # type: ignore[no-untyped-call]
    return storage


def end_workers(iterator: Any) -> None:
    """End the worker processes of a `DataLoader`'s iterator now.

    torch ends persistent workers only when the iterator is collected, which a reference kept
    anywhere (a traceback's, say) puts off.
    """
    iterator._shutdown_workers()


def compile_errors() -> type[Exception]:
    """The base class of what `torch.compile` raises for a network that it cannot compile."""
    from torch._dynamo.exc import TorchDynamoException

    return TorchDynamoException


def forget_compiled(module: nn.Module) -> None:
    """Undo `module.compile()`, which has no public opposite: later calls run uncompiled."""
    module._compiled_call_impl = None


def lerp_all(averages: list[Tensor], weights: list[Tensor], fraction: float) -> None:
    """Move each average towards its weights by `fraction`, in place and in few kernels.

    `Tensor.lerp_` is public but one call a tensor, which is slow for hundreds of small ones on a
    GPU. torch's own `swa_utils` uses the same.
    """
    import torch

    torch._foreach_lerp_(averages, weights, fraction)


def is_batch_norm(module: nn.Module) -> bool:
    """Whether a module is a BatchNorm of any number of axes, also a lazy or a synchronised one.

    Their common base class has a private name only.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    return isinstance(module, _BatchNorm)
