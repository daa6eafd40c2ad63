"""Everything a training must remember, to and from checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medfm_cli.errors import RunFailed, UsageError
from medfm_cli.training.checkpoints import (
    Checkpoint,
    clear_leftovers,
    latest_checkpoint,
    save_checkpoint,
    save_part,
    write_groups,
)
from medfm_cli.training.sharded import is_sharded, is_spread
from medfm_cli.training.sharding import distribute, read_shards, write_shards

if TYPE_CHECKING:
    from medfm_cli.training.ema import Ema
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.scope import Scope
    from medfm_cli.training.session import Session
    from medfm_cli.training.task import Task


@dataclass
class Best:
    """The weights with the lowest validation loss so far."""

    loss: float = math.inf
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, loss: float, step: int, module: nn.Module) -> None:
        """Keep a copy of the weights when `loss` is lower than any before."""
        if loss < self.loss:
            self.loss, self.step = loss, step
            self.weights = {k: _snapshot(v) for k, v in module.state_dict().items()}


def _snapshot(value: Tensor) -> Tensor:
    """A copy that training does not change: on the CPU, or sharded as the value is."""
    return (value if is_spread(value) else value.cpu()).detach().clone()


class TrainingState:
    """The moving parts of a training and their way to disk and back.

    Random numbers need no place here: they follow from seed and step (see `randomness`).
    """

    def __init__(
        self,
        *,
        task: Task,
        optimiser: torch.optim.Optimizer,
        ema: Ema | None,
        options: FitOptions,
        session: Session,
        scope: Scope,
    ) -> None:
        self.task = task
        self.optimiser = optimiser
        self.ema = ema
        self.best = Best()
        self.step = options.first_step
        self.resumed_from: int | None = None
        self.seconds_before = 0.0
        self.waiting_seconds = 0.0
        self.paused_seconds = 0.0
        self.cpu_before = 0.0
        self._cpu_started = time.process_time()
        self.window: dict[str, float] = {}
        self._options = options
        self._session = session
        self._run = session.run
        self._scope = scope
        self._root = scope.checkpoints(session.run)
        self._started = self._saved_at = time.monotonic()
        self._saved_step = -1
        self._sharded = is_sharded(task)

    @property
    def seconds(self) -> float:
        """Seconds of training without pauses, those before an interruption included."""
        return self.seconds_before + time.monotonic() - self._started - self.paused_seconds

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of this process for the training, all threads together."""
        return self.cpu_before + time.process_time() - self._cpu_started

    def count_step(self) -> None:
        """Take the weights of a further step into the moving average, and count it."""
        if self.ema is not None:
            self.ema.update(self.task, self.step - self._options.first_step)
        self.step += 1

    def due(self) -> bool:
        """Whether a checkpoint should be written after this step."""
        return (
            self.step % self._options.checkpoint_steps == 0 or self.step == self._options.end_step
        )

    def late(self) -> bool:
        """Whether the last one is older than `checkpoint_seconds`; all processes must agree."""
        return time.monotonic() - self._saved_at > self._options.checkpoint_seconds

    def save(self, steps_per_epoch: int) -> None:
        """Write a checkpoint, once a step: the first process does, or each its own shards."""
        if self._saved_step == self.step:
            return
        self._saved_step, self._saved_at = self.step, time.monotonic()
        if self._session.rank and not self._sharded:
            return
        groups: dict[str, Mapping[str, Tensor]] = {
            "model": self.task.state_dict(),
            "optimiser": optimiser_tensors(self.task, self.optimiser),
        }
        if self.ema is not None:
            groups["ema"] = self.ema.state()
        if self.best.weights:
            groups["best"] = self.best.weights
        if self._session.rank:
            save_part(self._root, step=self.step, write=partial(write_shards, groups=groups))
            return
        save_checkpoint(
            self._root,
            step=self.step,
            write=partial(write_shards if self._sharded else write_groups, groups=groups),
            state=self._facts(steps_per_epoch),
            keep=self._options.keep_checkpoints,
        )
        self._scope.log(self._run, "checkpoint", step=self.step)

    def restore(self) -> None:
        """Continue from the newest whole checkpoint, if there is one.

        Raises:
            UsageError: it belongs to another training, or to one with another batch size.
            RunFailed: its tensors do not fit the model.
        """
        if self._session.rank == 0:
            for name in clear_leftovers(self._root):
                self._scope.log(self._run, "checkpoint_torn", name=name)
        self._session.accelerator.wait_for_everyone()
        checkpoint = latest_checkpoint(self._root)
        if checkpoint is None:
            return
        self._check_fits(checkpoint)
        try:
            self._load(checkpoint)
        except (KeyError, RuntimeError, ValueError) as error:
            raise RunFailed(
                f"the checkpoint {checkpoint.path.name} does not fit the model of this recipe",
                hint="run again with --force to start from the beginning",
            ) from error
        self._scope.log(self._run, "resumed", step=self.step)

    def _load(self, checkpoint: Checkpoint) -> None:
        facts = checkpoint.state
        groups = self._read_groups(checkpoint)
        self.task.load_state_dict(groups["model"])
        load_optimiser_tensors(self.task, self.optimiser, groups.get("optimiser", {}))
        if self.ema is not None:
            self.ema.load(groups["ema"])
        if facts["best"] is not None:
            self.best = Best(**facts["best"], weights=groups["best"])
        if self._session.scaler is not None and facts["scaler"] is not None:
            self._session.scaler.load_state_dict(facts["scaler"])
        if self._session.device.type == "cpu":
            torch.set_num_threads(int(facts["threads"]))  # sums depend on how they are split
        self.step = self.resumed_from = self._saved_step = checkpoint.step
        self.seconds_before = float(facts["seconds"])
        self.waiting_seconds = float(facts["waiting_seconds"])
        self.cpu_before = float(facts["cpu_seconds"])
        self.window = dict(facts["window"])

    def _read_groups(self, checkpoint: Checkpoint) -> dict[str, dict[str, Tensor]]:
        """The tensors of a checkpoint as this training has them, whole or in shards."""
        like = self.task.state_dict()
        if checkpoint.state.get("sharding") == "fsdp":
            return read_shards(checkpoint.path, like)
        return {name: distribute(values, like) for name, values in checkpoint.groups().items()}

    def _facts(self, steps_per_epoch: int) -> dict[str, Any]:
        epoch, position = divmod(self.step, steps_per_epoch)
        scaler = self._session.scaler
        best = {"loss": self.best.loss, "step": self.best.step} if self.best.weights else None
        return {
            "sampler": {"epoch": epoch, "position": position},
            "random": {"seed": self._options.seed, "step": self.step},
            "scope": dict(self._scope.fields),
            "batch": self._options.batch,
            "processes": self._session.world,
            "sharding": "fsdp" if self._sharded else "none",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "seconds": self.seconds,
            "waiting_seconds": self.waiting_seconds,
            "cpu_seconds": self.cpu_seconds,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "best": best,
            "window": self.window,
        }

    def _check_fits(self, checkpoint: Checkpoint) -> None:
        options, fields = self._options, checkpoint.state["scope"]
        inside = options.first_step <= checkpoint.step <= options.end_step
        if fields != dict(self._scope.fields) or not inside:
            raise UsageError(
                f"'{self._root}' holds checkpoints of another training: step {checkpoint.step}"
                f"{''.join(f', {name} {value}' for name, value in fields.items())}",
                hint="start again with --force",
            )
        batch = checkpoint.state["batch"]
        if batch != options.batch:
            raise UsageError(
                f"the run was started with batches of {batch}, now they would be {options.batch}",
                hint=f"set batch={batch}, or use --processes {checkpoint.state['processes']} "
                "as before, or start again with --force",
            )


def optimiser_tensors(module: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Give the optimiser's state as tensors named `exp_avg:blocks.0.weight` and so on."""
    return {
        f"{key}:{name}": torch.as_tensor(value)
        for name, parameter in module.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
        if value is not None
    }


def load_optimiser_tensors(
    module: nn.Module, optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Load what `optimiser_tensors` gave; the groups stay as they were built.

    Raises:
        KeyError: a tensor belongs to no parameter of the module.
    """
    parameters = dict(module.named_parameters())
    names = {parameter: name for name, parameter in parameters.items()}
    ordered = [names[p] for group in optimiser.param_groups for p in group["params"]]
    index = {name: number for number, name in enumerate(ordered)}
    state: dict[int, dict[str, Tensor]] = {}
    for full_name, value in tensors.items():
        key, _, name = full_name.partition(":")
        state.setdefault(index[name], {})[key] = _in_memory_format_of(value, parameters[name])
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _in_memory_format_of(value: Tensor, parameter: Tensor) -> Tensor:
    """In memory as the parameter is: fused optimisers go through all of them side by side."""
    if value.shape != parameter.shape or is_spread(value) or parameter.ndim < 4:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
