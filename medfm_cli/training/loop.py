"""The training loop, for every verb that trains. Read `fit` from top to bottom."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from medfm_cli.errors import Stopped, UsageError
from medfm_cli.training.ema import Ema
from medfm_cli.training.guards import FiniteGuard
from medfm_cli.training.meter import Meter
from medfm_cli.training.optimisers import build_optimiser, set_learning_rate, set_weight_decay
from medfm_cli.training.performance import compiled, lay_out, throw_switches
from medfm_cli.training.randomness import StepRandom, seed_model_noise
from medfm_cli.training.schedules import cosine
from medfm_cli.training.session import Session, open_session
from medfm_cli.training.sharding import full, shard, show
from medfm_cli.training.state import TrainingState

if TYPE_CHECKING:
    from medfm_cli.data.batch import Batch
    from medfm_cli.data.loader import Loader
    from medfm_cli.runs import Run
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.task import Task


@dataclass(frozen=True)
class FitReport:
    """How a training went. Times include those before an interruption.

    `waiting` is the part of the time spent waiting for data; `cpu_seconds` are those of this
    process, looks and validation included, and not those of loading processes.
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

    @property
    def samples_per_second(self) -> float:
        """The throughput over the whole training, checkpoints and validation included."""
        return self.samples / self.seconds


def fit(
    task: Task,
    loader: Loader,
    options: FitOptions,
    run: Run,
    *,
    sample_id: Callable[[int], str] = str,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    look: Callable[[Any, int, Mapping[str, float]], None] | None = None,
) -> FitReport:
    """Train `task` on the batches of `loader`; continue where an earlier call was interrupted.

    The global batch, the order of the samples and every random number depend on the recipe and
    the step alone, so that the result does not depend on interruptions (bit for bit on the CPU),
    nor, up to rounding, on the number of processes and of parts a batch is worked through in.

    Args:
        task: trained in place; afterwards in evaluation mode, holding the moving average where
            there is one, and the best weights where there is a `validate`.
        loader: gives each process its share of every global batch.
        sample_id: names a sample by its row (`Dataset.sample_id`), for error messages.
        validate: measures a model; its `loss` decides which weights are best. Called every
            `options.validate_steps` steps and after the last.
        look: sees the task in evaluation mode, the steps done and the scalars of the last, every
            `options.look_steps` steps; it changes nothing, and may raise.

    Raises:
        RunFailed: the loss or the gradient is no longer finite.
        Stopped: a signal came; a checkpoint was written.
        EnvironmentProblem: disk full, or a precision this machine does not have.
    """
    with open_session(options.precision, run) as session:
        whole = task.to(session.device).train()
        throw_switches(whole, options)
        task = shard(whole, session) if _is_sharded(options, session) else whole
        optimiser = build_optimiser(task, options)
        ema = Ema(task, options.ema) if options.ema else None
        state = TrainingState(
            task=task, optimiser=optimiser, ema=ema, options=options, session=session, run=run
        )
        state.restore()
        model, stepper = _prepare(task, optimiser, session)
        first = state.step
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        guard = FiniteGuard(sample_id, session)
        with (
            run.console.progress("training", total=options.steps, unit="steps") as bar,
            compiled(task, options),
        ):
            meter = Meter(run, options, state, bar)
            for batch in meter.watch(loader.steps(state.step, options.steps)):
                rate = options.learning_rate * cosine(
                    state.step,
                    steps=options.steps,
                    warmup=options.warmup_steps,
                    final=options.final,
                )
                set_learning_rate(optimiser, rate)
                set_weight_decay(optimiser, options, state.step)
                seed_model_noise(options.seed, state.step, session.rank)
                # Compiling takes the first step many times as long as the others.
                compiling = options.compile and state.step == first
                with meter.aside(steps=1) if compiling else nullcontext():
                    outputs = _gradients(task, model, batch, options, session, step=state.step)
                task.before_step(state.step)
                norm = _clip(parameters, session, stepper, options.clip)
                values, stop, late = _agree(outputs, norm, session, state, run)
                guard.check(values, outputs, batch, step=state.step + 1)
                stepper.step()
                optimiser.zero_grad()
                task.after_step(state.step)
                if ema is not None:
                    ema.update(task, state.step)
                state.step += 1
                meter.count(values, rate=rate)
                if validate is not None and _validation_due(state.step, options):
                    _validate(validate, whole, ema, state, run)
                if look is not None and state.step % (options.look_steps or options.steps) == 0:
                    with meter.aside():
                        _look(look, show(task, whole), state.step, values)
                if stop or late or state.due():
                    state.save(loader.steps_per_epoch)
                if stop:
                    run.check_stop()
                    raise Stopped(signal.SIGTERM)  # the signal came to another process
        session.accelerator.wait_for_everyone()
        if task is whole:
            session.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        _settle(task, ema, state)
        show(task, whole).eval()
        return _report(state, options, session)


def _report(state: TrainingState, options: FitOptions, session: Session) -> FitReport:
    return FitReport(
        steps=state.step,
        resumed_from=state.resumed_from,
        samples=state.step * options.batch,
        seconds=state.seconds,
        waiting=state.waited / state.seconds,
        precision=session.precision,
        device=session.device.type,
        best_step=state.best.step if state.best.weights else None,
        cpu_seconds=state.cpu_seconds,
    )


def _is_sharded(options: FitOptions, session: Session) -> bool:
    """Whether weights are spread over the processes. Raises UsageError where they cannot be."""
    if options.sharding == "none" or session.world == 1:
        return False
    if session.precision == "fp16":
        raise UsageError(
            "fp16 scales its losses, which medfm does not do for sharded weights",
            hint="set precision to bf16 or fp32, or sharding to none",
        )
    return True


def _prepare(
    task: Task, optimiser: torch.optim.Optimizer, session: Session
) -> tuple[nn.Module, Any]:
    """Give what to call for the forward pass, and what makes the optimiser's step."""
    if isinstance(task, FSDPModule):
        return task, session.accelerator.prepare(optimiser)
    model, stepper = session.accelerator.prepare(task, optimiser)
    return model, stepper


def _gradients(
    task: Task,
    model: nn.Module,
    batch: Batch,
    options: FitOptions,
    session: Session,
    *,
    step: int,
) -> list[dict[str, Tensor]]:
    """Add up the gradients of the parts of this process's share of the batch."""
    batch = batch.to(session.device, non_blocking=True)
    share = options.batch // session.world
    size = share // options.accumulate
    random = StepRandom(seed=options.seed, step=step, batch=options.batch, device=session.device)
    outputs = []
    for start in range(0, share, size):
        first = session.rank * share + start
        part = batch.part(start, start + size)
        with torch.no_grad():
            inputs = lay_out(task.inputs(part, random.part(first, first + size)), options)
        quiet = session.without_sync(model, when=start + size < share)
        with quiet, session.accelerator.autocast():
            scalars: dict[str, Tensor] = model(**inputs)
            session.accelerator.backward(scalars["loss"] / options.accumulate)
        outputs.append({name: value.detach() for name, value in scalars.items()})
    return outputs


def _clip(
    parameters: list[nn.Parameter], session: Session, stepper: Any, clip: float | None
) -> Tensor:
    """Shorten the gradient to `clip`; give its norm before."""
    if clip is not None:
        return full(session.accelerator.clip_grad_norm_(parameters, clip))
    session.accelerator.unscale_gradients(stepper)
    return full(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))


def _agree(
    outputs: list[dict[str, Tensor]],
    norm: Tensor,
    session: Session,
    state: TrainingState,
    run: Run,
) -> tuple[dict[str, float], bool, bool]:
    """Average the scalars over parts and processes; stop, and save, together or not at all."""
    names = list(outputs[0])
    means = [torch.stack([scalars[name] for scalars in outputs]).mean() for name in names]
    asked = torch.tensor([run.stop_requested, state.late()], dtype=torch.float32)
    # One transfer from the device, and one exchange between processes, for all of them.
    scalars = torch.stack([*(mean.float() for mean in means), norm.float()])
    numbers = session.mean(torch.cat([scalars, asked.to(session.device)])).tolist()
    values = dict(zip([*names, "gradient_norm"], numbers[:-2], strict=True))
    return values, numbers[-2] > 0, numbers[-1] > 0


def _validation_due(step: int, options: FitOptions) -> bool:
    every = options.validate_steps or options.steps
    return step % every == 0 or step == options.steps


def _validate(
    validate: Callable[[nn.Module], dict[str, float]],
    whole: Task,
    ema: Ema | None,
    state: TrainingState,
    run: Run,
) -> None:
    task = state.task
    with ema.applied(task) if ema is not None else nullcontext(), torch.no_grad():
        values = validate(show(task, whole).eval())
        state.best.offer(values["loss"], state.step, task)
    whole.train()
    run.metric(step=state.step, **{f"val_{name}": value for name, value in values.items()})


def _look(
    look: Callable[[Any, int, Mapping[str, float]], None],
    task: Task,
    step: int,
    values: Mapping[str, float],
) -> None:
    task.eval()
    with torch.no_grad():
        look(task, step, values)
    task.train()


def _settle(task: Task, ema: Ema | None, state: TrainingState) -> None:
    """Put the weights that the run is for into the task."""
    if state.best.weights:
        task.load_state_dict(state.best.weights)
    elif ema is not None:
        ema.copy_to(task)
    task.eval()
