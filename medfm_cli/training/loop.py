"""The training loop, for every verb that trains. Read `fit` from top to bottom."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from medfm_cli.errors import Stopped, UsageError
from medfm_cli.training.ema import Ema
from medfm_cli.training.evaluation import EvalCallback, Evaluation, Validate
from medfm_cli.training.guards import FiniteGuard
from medfm_cli.training.meter import Meter
from medfm_cli.training.optimisers import build_optimiser, set_learning_rate, set_weight_decay
from medfm_cli.training.performance import apply_performance_options, compiled
from medfm_cli.training.schedules import cosine
from medfm_cli.training.scope import Scope
from medfm_cli.training.sharding import gather_weights, shard
from medfm_cli.training.state import TrainingState, load_optimiser_tensors, optimiser_tensors
from medfm_cli.training.update import Update

if TYPE_CHECKING:
    from medfm_cli.data.loader import Loader
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.session import Session
    from medfm_cli.training.task import Task

Schedule = Callable[[int], float]
"""The factor on the learning rate at the 0-based number of a step."""

OptimiserFactory = Callable[[nn.Module, "FitOptions"], torch.optim.Optimizer]
"""Makes the optimiser of a task; its groups may carry `scale` and `decays` (`build_optimiser`)."""

Keep = Literal["best", "ema", "last"]


@dataclass(frozen=True)
class FitReport:
    """How a training went. Times include those before an interruption.

    `waiting` is the part of the time spent waiting for data; `cpu_seconds` are those of this
    process, evaluation and validation included, and not those of loading processes.
    `optimiser_state` is for a later training that carries on, where the caller wants it.
    """

    steps: int
    resumed_from: int | None
    samples: int
    seconds: float
    waiting: float
    precision: str
    device: str
    best_step: int | None
    cpu_seconds: float = 0.0
    optimiser_state: Mapping[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    @property
    def samples_per_second(self) -> float:
        """The throughput over the whole training, checkpoints and validation included."""
        return self.samples / self.seconds


def fit(
    task: Task,
    loader: Loader,
    options: FitOptions,
    *,
    session: Session,
    scope: Scope | None = None,
    sample_id: Callable[[int], str] = str,
    validate: Validate | None = None,
    on_eval: EvalCallback | None = None,
    schedule: Schedule | None = None,
    optimiser: OptimiserFactory = build_optimiser,
    optimiser_state: Mapping[str, Tensor] | None = None,
    return_optimiser_state: bool = False,
    keep: Keep = "best",
) -> FitReport:
    """Train `task` on the batches of `loader`; continue where an earlier call was interrupted.

    The global batch, the order of the samples and every random number depend on the recipe and
    the step alone, so that the result does not depend on interruptions (bit for bit on the CPU),
    nor, up to rounding, on the number of processes and of parts a batch is worked through in.

    A session may have many trainings, one after another, each in a scope of its own. One that was
    finished before an interruption makes no step: its weights and its report come back.

    Args:
        task: trained in place; afterwards in evaluation mode, with the weights to keep.
        loader: gives each process its share of every global batch.
        session: see `open_session`.
        scope: where checkpoints go, and what marks the records; default: the run's only training.
        sample_id: names a sample by its row (`Dataset.sample_id`), for error messages.
        validate: measures a model; its `loss` decides which weights are best. Called every
            `options.validate_steps` steps and after the last.
        on_eval: called with the task in evaluation mode, the steps done and the scalars of the
            last, every `options.eval_steps` steps; it changes nothing, and may raise.
        schedule: the factor on `options.learning_rate`; default: warm-up, then half a cosine.
        optimiser: makes the optimiser; default: AdamW.
        optimiser_state: of an earlier training, for one that carries on; default: none.
        return_optimiser_state: whether the report holds the optimiser's state at the end.
        keep: "best": the weights with the lowest validation loss; without `validate` those of
            "ema", the moving average; without an average those of "last", the last step.

    Raises:
        Diverged: the loss or the gradient is no longer finite. Other trainings of the session can
            still be made.
        Stopped: a signal came; a checkpoint was written.
        EnvironmentProblem: disk full, or no compiler where one is needed.
        UsageError: options that do not fit the task, the session or the checkpoint.
        ValueError: the scope has had a training in this session, or there is no average to keep.
    """
    if keep == "ema" and not options.ema:
        raise ValueError("there is no moving average to keep")
    scope = scope or Scope()
    session.start_training(scope.folder)
    whole = task.to(session.device).train()
    apply_performance_options(whole, options)
    task = shard(whole, session) if _is_sharded(options, session) else whole
    state = TrainingState(
        task=task,
        optimiser=_build_optimiser(optimiser, task, options, optimiser_state),
        ema=Ema(task, options.ema) if options.ema else None,
        options=options,
        session=session,
        scope=scope,
    )
    state.restore()
    guard = FiniteGuard(sample_id, session)
    evaluation = Evaluation(validate, on_eval, whole, state, scope=scope, session=session)
    with (
        session.prepared(task, state.optimiser) as (model, stepper),
        session.run.console.progress("training", total=options.steps, unit="steps") as bar,
        compiled(task, options),
    ):
        update = Update(task, model, stepper, options, session)
        meter = Meter(session.run, options, state, bar, scope=scope)
        for batch in meter.timed(loader.steps(state.step, options.end_step)):
            rate = _set_rates(state.optimiser, options, schedule, step=state.step)
            with _compiling(meter, options, state):
                average = update.backward(batch, step=state.step)
            task.before_step(state.step)
            norm = update.clip()
            values, stop, late = _agree(average.values(), norm, session, state)
            guard.check(values, average.parts, batch, step=state.step + 1)
            update.apply()
            task.after_step(state.step)
            state.count_step()
            meter.count(values, rate=rate)
            evaluation.after_step(values, options, meter)
            if stop or late or state.due():
                state.save(loader.steps_per_epoch)
            if stop:
                session.run.check_stop()
                raise Stopped(signal.SIGTERM)  # the signal came to another process
    session.accelerator.wait_for_everyone()
    _load_weights_to_keep(keep, state)
    gather_weights(task, whole).eval()
    return _report(state, options, session, with_optimiser=return_optimiser_state)


def _build_optimiser(
    build: OptimiserFactory, task: Task, options: FitOptions, state: Mapping[str, Tensor] | None
) -> torch.optim.Optimizer:
    """Make the optimiser, with the moments of an earlier training where there are some."""
    optimiser = build(task, options)
    if state is not None:
        copies = {name: value.clone() for name, value in state.items()}
        load_optimiser_tensors(task, optimiser, copies)
    return optimiser


def _is_sharded(options: FitOptions, session: Session) -> bool:
    """Whether each process keeps a part of the weights. Raises UsageError where none can."""
    if options.sharding == "none" or session.world == 1:
        return False
    if session.precision == "fp16":
        raise UsageError(
            "fp16 scales its losses, which medfm does not do for sharded weights",
            hint="set precision to bf16 or fp32, or sharding to none",
        )
    return True


def _set_rates(
    optimiser: torch.optim.Optimizer, options: FitOptions, schedule: Schedule | None, *, step: int
) -> float:
    """Set learning rate and weight decay of the 0-based `step`; give the learning rate."""
    if schedule is not None:
        factor = schedule(step)
    else:
        factor = cosine(
            step,
            steps=options.schedule_steps,
            warmup=options.warmup_steps,
            final=options.final,
        )
    rate = options.learning_rate * factor
    set_learning_rate(optimiser, rate)
    set_weight_decay(optimiser, options, step)
    return rate


def _compiling(
    meter: Meter, options: FitOptions, state: TrainingState
) -> AbstractContextManager[None]:
    """Leave the first step out of speeds where it compiles, many times as long as the others."""
    first = state.step == (state.resumed_from or options.first_step)
    return meter.paused(steps=1) if options.compile and first else nullcontext()


def _agree(
    averages: dict[str, Tensor], norm: Tensor, session: Session, state: TrainingState
) -> tuple[dict[str, float], bool, bool]:
    """Average the scalars over the processes; stop, and save, together or not at all."""
    flags = torch.tensor([session.run.stop_requested, state.late()], dtype=torch.float32)
    # One transfer from the device, and one exchange between processes, for all of them.
    scalars = torch.stack([*(value.float() for value in averages.values()), norm.float()])
    numbers = session.mean(torch.cat([scalars, flags.to(session.device)])).tolist()
    values = dict(zip([*averages, "gradient_norm"], numbers[:-2], strict=True))
    return values, numbers[-2] > 0, numbers[-1] > 0


def _load_weights_to_keep(keep: Keep, state: TrainingState) -> None:
    if keep == "best" and state.best.weights:
        state.task.load_state_dict(state.best.weights)
    elif keep != "last" and state.ema is not None:
        state.ema.copy_to(state.task)


def _report(
    state: TrainingState, options: FitOptions, session: Session, *, with_optimiser: bool
) -> FitReport:
    return FitReport(
        steps=state.step - options.first_step,
        resumed_from=state.resumed_from,
        samples=(state.step - options.first_step) * options.batch,
        seconds=state.seconds,
        waiting=state.waiting_seconds / state.seconds,
        precision=session.precision,
        device=session.device.type,
        best_step=state.best.step if state.best.weights else None,
        cpu_seconds=state.cpu_seconds,
        optimiser_state=optimiser_tensors(state.task, state.optimiser) if with_optimiser else {},
    )
