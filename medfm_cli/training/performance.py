"""Options of a recipe that change how a network computes, and not what: speed and memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from medfm_cli.errors import EnvironmentProblem, UsageError
from medfm_cli.torch_private import compile_errors, forget_compiled

if TYPE_CHECKING:
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.task import Task

_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The layout with channels innermost, by the number of axes of a tensor."""


def apply_performance_options(task: Task, options: FitOptions) -> None:
    """Apply memory format and gradient checkpointing to `task`, in place.

    Raises:
        UsageError: an option has nothing to change in the network.
    """
    if options.channels_last:
        _put_channels_last(task)
    if options.gradient_checkpointing:
        _checkpoint_gradients(task)


@contextmanager
def compiled(task: Task, options: FitOptions) -> Iterator[None]:
    """Compile the forward pass of `task` (torch.compile) within the block, if so configured.

    Raises:
        EnvironmentProblem: there is no compiler, or it cannot compile this network.
    """
    if not options.compile:
        yield
        return
    on_cpu = next(task.parameters()).device.type == "cpu"
    if on_cpu and not shutil.which(os.environ.get("CXX", "g++")) and not shutil.which("clang++"):
        raise EnvironmentProblem(
            "compile: true needs a C++ compiler on the CPU, and there is none",
            hint="install g++, or set compile=false",
        )
    task.compile()
    try:
        yield
    except compile_errors() as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise EnvironmentProblem(
            f"torch.compile cannot compile this network here: {reason}",
            hint="set compile=false",
        ) from error
    finally:
        forget_compiled(task)  # an evaluation later would compile it for one call


def to_memory_format(inputs: Mapping[str, Tensor], options: FitOptions) -> dict[str, Tensor]:
    """Convert images and volumes to the memory format of the network."""
    if not options.channels_last:
        return dict(inputs)
    return {
        name: value.contiguous(memory_format=_CHANNELS_LAST[value.ndim])
        if value.ndim in _CHANNELS_LAST and value.is_floating_point()
        else value
        for name, value in inputs.items()
    }


def _put_channels_last(task: Task) -> None:
    layers = [m for m in task.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    if not layers:
        raise UsageError(
            "channels_last is for networks with 2D or 3D convolutions, and this one has none",
            hint="set channels_last=false",
        )
    for layer in layers:
        weight = layer.weight
        layer.to(memory_format=_CHANNELS_LAST[weight.ndim])


def _checkpoint_gradients(task: Task) -> None:
    """Keep only what enters each block, and compute the rest again (Chen et al. 2016)."""
    networks = [m for m in task.modules() if callable(getattr(m, "set_grad_checkpointing", None))]
    if not networks:
        raise UsageError(
            "this network cannot compute its activations again",
            hint="set gradient_checkpointing=false",
        )
    for network in networks:
        try:
            network.set_grad_checkpointing(True)  # type: ignore[operator]
        except (AssertionError, NotImplementedError):
            raise UsageError(
                f"timm's {type(network).__name__} cannot compute its activations again",
                hint="set gradient_checkpointing=false",
            ) from None
