"""The recipe keys that every training verb shares, and their resolved values. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from medfm_cli.errors import DataError, UsageError
from medfm_cli.recipe import Auto, Part

if TYPE_CHECKING:
    from medfm_cli.runs import Run

Precision = Literal["fp32", "bf16", "fp16"]
Sharding = Literal["none", "fsdp"]
Count = Annotated[int, Field(ge=1)]


class Optimiser(Part):
    """AdamW (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="Peak learning rate; auto: base_learning_rate scaled to the batch."
    )
    base_learning_rate: float = Field(
        1.5e-4, gt=0, description="Learning rate for a batch of base_batch."
    )
    base_batch: int = Field(256, ge=1, description="Batch that base_learning_rate is meant for.")
    scaling: Literal["linear", "sqrt"] = Field(
        "linear",
        description="How the rate grows with the batch: × batch / base_batch, or × its root.",
    )
    betas: list[float] = Field(
        [0.9, 0.95], min_length=2, max_length=2, description="Decay of the two moments."
    )
    weight_decay: float = Field(
        0.05, ge=0, description="Decay of matrices; biases, norms and positions are spared."
    )
    weight_decay_end: float | None = Field(
        None, ge=0, description="Decay at the end, reached by half a cosine; none: it stays."
    )
    clip: float | None = Field(
        None, gt=0, description="Largest norm of the gradient; longer ones are shortened to it."
    )


class Schedule(Part):
    """Linear warm-up, then half a cosine."""

    name: Literal["cosine"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1, description="Part of the steps spent warming up.")
    final: float = Field(0.0, ge=0, le=1, description="Factor on the peak rate at the end.")


class Checkpoints(Part):
    """When the state is saved; whichever interval passes first counts."""

    every_steps: Count | Auto = Field(
        "auto", description="Steps between checkpoints; auto: a tenth of the run."
    )
    every_minutes: float = Field(10.0, gt=0, description="Minutes between checkpoints.")
    keep: int = Field(2, ge=1, description="How many of the newest are kept.")


class TrainingKeys(Part):
    """The keys of a recipe that set up the training loop."""

    batch: Count | Auto = Field(
        "auto",
        description="Samples an optimiser step, over all processes; auto: a power of two "
        "near a quarter of the samples, at most 256.",
    )
    accumulate: int = Field(
        1, ge=1, description="Parts a batch is worked through in, to save memory."
    )
    epochs: float = Field(
        100.0, gt=0, description="Passes over the samples; not used where `steps` is a number."
    )
    steps: Count | Auto = Field("auto", description="Optimiser steps; auto: from `epochs`.")
    optimiser: Optimiser = Field(Optimiser(), description="How gradients become updates.")
    schedule: Schedule = Field(Schedule(), description="The learning rate over the run.")
    ema: float | None = Field(
        None, gt=0, lt=1, description="Decay of a moving average of the weights; none: no average."
    )
    precision: Precision | Auto = Field(
        "auto", description="Arithmetic; auto: bf16 on a GPU that has it, else fp32."
    )
    sharding: Sharding = Field(
        "none",
        description="fsdp: each process keeps a part of weights, gradients and moments; "
        "none: each keeps them all.",
    )
    compile: bool = Field(False, description="Compile the forward pass (torch.compile).")
    channels_last: bool = Field(
        False, description="Lay images and volumes out with channels innermost."
    )
    gradient_checkpointing: bool = Field(
        False, description="Save memory: compute the encoder's activations a second time."
    )
    workers: Annotated[int, Field(ge=0)] | Auto = Field(
        "auto", description="Processes that read ahead."
    )
    checkpoints: Checkpoints = Field(Checkpoints(), description="When the state is saved.")


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """The resolved options of a training. Units: samples, optimiser steps, seconds.

    A training may be a piece of a longer one: it makes `steps` steps, the first of them is number
    `first_step`, and the schedules end at `total_steps` (where the training ends, if left out).
    Batches, random numbers and records go by the number of the step.
    """

    seed: int
    batch: int
    accumulate: int = 1
    steps: int
    first_step: int = 0
    total_steps: int | None = None
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    weight_decay_end: float | None = None
    clip: float | None = None
    warmup_steps: int = 0
    final: float = 0.0
    ema: float | None = None
    precision: Precision | Auto = "auto"
    sharding: Sharding = "none"
    compile: bool = False
    channels_last: bool = False
    gradient_checkpointing: bool = False
    checkpoint_steps: int
    checkpoint_seconds: float = 600.0
    keep_checkpoints: int = 2
    log_steps: int = 1
    validate_steps: int | None = None
    eval_steps: int | None = None

    @property
    def end_step(self) -> int:
        """The steps done when the training ends, those before `first_step` included."""
        return self.first_step + self.steps

    @property
    def schedule_steps(self) -> int:
        """The length of the schedules."""
        return self.total_steps or self.end_step


def resolve_options(
    keys: TrainingKeys,
    run: Run,
    *,
    seed: int,
    samples: int,
    validate_steps: int | None = None,
) -> FitOptions:
    """Resolve every `auto` of the training keys for `samples` training samples, and record why.

    Raises:
        DataError: there are fewer samples than processes and parts.
        UsageError: the batch does not divide over the processes and parts.
    """
    batch = choose_batch(keys, samples=samples, world=max(1, run.world))
    steps = choose_steps(keys, samples=samples, batch=batch)
    rate = choose_learning_rate(keys, batch=batch)
    every = choose_checkpoint_steps(keys, steps=steps)
    if keys.batch == "auto":
        run.resolve("batch", batch, f"a power of two near a quarter of {samples} samples, ≤ 256")
    elif keys.batch != batch:
        run.resolve("batch", batch, f"there are only {samples} samples")
    if keys.steps == "auto":
        run.resolve("steps", steps, f"{keys.epochs:g} epochs of {samples // batch} batches")
    if keys.optimiser.learning_rate == "auto":
        run.resolve("optimiser.learning_rate", rate, _scaling_rule(keys.optimiser, batch=batch))
    if keys.checkpoints.every_steps == "auto":
        run.resolve("checkpoints.every_steps", every, "a tenth of the run")
    return FitOptions(
        seed=seed,
        batch=batch,
        accumulate=keys.accumulate,
        steps=steps,
        learning_rate=rate,
        betas=(keys.optimiser.betas[0], keys.optimiser.betas[1]),
        weight_decay=keys.optimiser.weight_decay,
        weight_decay_end=keys.optimiser.weight_decay_end,
        clip=keys.optimiser.clip,
        warmup_steps=round(keys.schedule.warmup * steps),
        final=keys.schedule.final,
        ema=keys.ema,
        precision=keys.precision,
        sharding=keys.sharding,
        compile=keys.compile,
        channels_last=keys.channels_last,
        gradient_checkpointing=keys.gradient_checkpointing,
        checkpoint_steps=every,
        checkpoint_seconds=60.0 * keys.checkpoints.every_minutes,
        keep_checkpoints=keys.checkpoints.keep,
        log_steps=max(1, steps // 1000),
        validate_steps=validate_steps,
    )


def choose_batch(keys: TrainingKeys, *, samples: int, world: int) -> int:
    """Choose the global batch: never more than there are samples.

    Raises:
        DataError: there are fewer samples than processes and parts.
        UsageError: the batch does not divide over the processes and parts.
    """
    share = world * keys.accumulate
    parts = f"{world} processes × {keys.accumulate} parts (accumulate)"
    if samples < share:
        raise DataError(
            f"{samples} training samples cannot be divided over {parts}",
            hint="use fewer processes and parts, or bring more samples",
        )
    if keys.batch == "auto":
        target = max(8.0, min(256.0, samples / 4))
        batch = share * (1 << max(0, math.floor(math.log2(target / share))))
    else:
        batch = keys.batch
    if batch % share:
        near = max(share, round(batch / share) * share)
        raise UsageError(
            f"a batch of {batch} cannot be divided evenly over {parts}",
            hint=f"set batch to a multiple of {share}, {near} say",
        )
    return min(batch, samples - samples % share)


def choose_steps(keys: TrainingKeys, *, samples: int, batch: int) -> int:
    """Choose the number of optimiser steps; an epoch is the whole batches that fit in it."""
    if keys.steps != "auto":
        return keys.steps
    return max(1, round(keys.epochs * (samples // batch)))


def choose_learning_rate(keys: TrainingKeys, *, batch: int) -> float:
    """Choose the peak learning rate for the global batch B, with b = `base_batch`.

    ```
    linear:  base · B / b          Goyal et al. 2017, §2.1
    sqrt:    base · √(B / b)       Krizhevsky 2014, §5; DINOv2 (Oquab et al. 2023)
    ```
    """
    optimiser = keys.optimiser
    if optimiser.learning_rate != "auto":
        return optimiser.learning_rate
    factor = batch / optimiser.base_batch
    return optimiser.base_learning_rate * (
        factor if optimiser.scaling == "linear" else math.sqrt(factor)
    )


def _scaling_rule(optimiser: Optimiser, *, batch: int) -> str:
    factor = f"{batch} / {optimiser.base_batch}"
    if optimiser.scaling == "sqrt":
        factor = f"√({factor})"
    return f"{optimiser.base_learning_rate:g} × {factor}"


def choose_checkpoint_steps(keys: TrainingKeys, *, steps: int) -> int:
    """Choose the steps between checkpoints."""
    every = keys.checkpoints.every_steps
    return max(1, math.ceil(steps / 10)) if every == "auto" else every
