"""One step of the optimiser: gradients of all parts of a batch, then the update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medfm_cli.training.performance import to_memory_format
from medfm_cli.training.randomness import StepRandom, seed_model_noise
from medfm_cli.training.sharding import full_tensor
from medfm_cli.training.weighting import Average, Outputs, part_loss

if TYPE_CHECKING:
    from medfm_cli.data.batch import Batch
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.session import Session
    from medfm_cli.training.task import Task


class Update:
    """Makes the gradients and the updates of a training.

    Args:
        task: what is trained.
        model: `task`, or what wraps it for several processes: called for the forward pass.
        optimiser: as Accelerate prepared it.
        options: of the training.
        session: an open one.
    """

    def __init__(
        self, task: Task, model: nn.Module, optimiser: Any, options: FitOptions, session: Session
    ) -> None:
        self._task = task
        self._model = model
        self._optimiser = optimiser
        self._options = options
        self._session = session
        self._parameters: list[nn.Parameter] = [
            parameter for group in optimiser.param_groups for parameter in group["params"]
        ]

    def backward(self, batch: Batch, *, step: int) -> Average:
        """Make the gradient of the global batch, a part of this process's share at a time.

        Gives the loss and what else the task logs.
        """
        options, session = self._options, self._session
        seed_model_noise(options.seed, step, session.rank)
        batch = batch.to(session.device, non_blocking=True)
        share = options.batch // session.world
        size = share // options.accumulate
        random = StepRandom(
            seed=options.seed, step=step, batch=options.batch, device=session.device
        )
        parts = []
        for start in range(0, share, size):
            first = session.rank * share + start
            part = batch.part(start, start + size)
            with torch.no_grad():
                inputs = self._task.inputs(part, random.part(first, first + size))
                inputs = to_memory_format(inputs, options)
            parts.append(self._backward_part(inputs, last=start + size >= share))
        average = Average(parts, samples=share, session=session)
        self._scale(average.scale)
        return average

    def _backward_part(self, inputs: dict[str, Tensor], *, last: bool) -> Outputs:
        options, session = self._options, self._session
        share = options.batch // session.world
        with session.without_sync(self._model, when=not last), session.accelerator.autocast():
            outputs: Outputs = self._model(**inputs)
            loss = part_loss(outputs, samples=share, parts=options.accumulate)
            session.accelerator.backward(loss)
        return {name: value.detach() for name, value in outputs.items()}

    def _scale(self, factor: float) -> None:
        if factor != 1.0:
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)

    def clip(self) -> Tensor:
        """Shorten the gradient to `clip`; give its norm before."""
        accelerator = self._session.accelerator
        if self._options.clip is not None:
            return full_tensor(accelerator.clip_grad_norm_(self._parameters, self._options.clip))
        accelerator.unscale_gradients(self._optimiser)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        return full_tensor(nn.utils.get_total_norm(gradients))

    def apply(self) -> None:
        """Let the optimiser change the weights, and drop the gradients."""
        self._optimiser.step()
        self._optimiser.zero_grad()
