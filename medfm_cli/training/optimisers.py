"""The optimiser, and which parameters decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medfm_cli.training.schedules import cosine_between

if TYPE_CHECKING:
    from torch import nn

    from medfm_cli.training.options import FitOptions


def build_optimiser(module: nn.Module, options: FitOptions) -> torch.optim.AdamW:
    """Build AdamW (Loshchilov & Hutter 2019) over the trainable parameters of `module`.

    Every group carries whether it `decays` and `scale`, the factor on the run's learning rate:
    what the task's `rate_scale` gives for its parameters. On the CPU and on CUDA the fused
    implementation is used: the same equations in one pass over memory.
    """
    groups = [
        {
            "params": parameters,
            "weight_decay": options.weight_decay if decays else 0.0,
            "decays": decays,
            "scale": scale,
        }
        for members, decays in zip(decay_groups(module), (True, False), strict=True)
        for scale, parameters in _by_scale(module, members).items()
    ]
    return torch.optim.AdamW(
        groups, lr=options.learning_rate, betas=(options.betas[0], options.betas[1]), fused=True
    )


def decay_groups(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the trainable parameters into those that decay and those that do not.

    Weight decay is for matrices and kernels. Biases and norm scales (one dimension or none), and
    what the module or one of its children names in `no_weight_decay()` (timm's habit: position
    embeddings, tokens), do not decay.
    """
    exempt = _exempt_names(module)
    decaying: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and name not in exempt
            (decaying if decays else free).append(parameter)
    return decaying, free


def _by_scale(module: nn.Module, parameters: list[nn.Parameter]) -> dict[float, list[nn.Parameter]]:
    """Group the parameters by their factor on the learning rate, in the order of their first."""
    rule = getattr(module, "rate_scale", None)
    names = {parameter: name for name, parameter in module.named_parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        scale = 1.0 if rule is None else float(rule(names[parameter]))
        groups.setdefault(scale, []).append(parameter)
    return groups


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every group, times the group's own `scale` where it has one."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def set_weight_decay(optimiser: torch.optim.Optimizer, options: FitOptions, step: int) -> None:
    """Set the decay of the 0-based `step` in the groups that decay, if the recipe changes it."""
    if options.weight_decay_end is None:
        return
    decay = cosine_between(
        step,
        steps=options.schedule_steps,
        start=options.weight_decay,
        final=options.weight_decay_end,
    )
    for group in optimiser.param_groups:
        if group.get("decays", False):
            group["weight_decay"] = decay


def _exempt_names(module: nn.Module) -> set[str]:
    names: set[str] = set()
    for prefix, child in module.named_modules():
        rule = getattr(child, "no_weight_decay", None)
        if callable(rule):
            names |= {f"{prefix}.{name}" if prefix else name for name in rule()}
    return names
