"""Mode full: every weight, through the training loop that pretraining uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from medfm_cli.commands.finetune.task import ClassifyTask
from medfm_cli.commands.finetune.trained import Trained
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.loader import Loader, LoaderOptions
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.heads import build_head
from medfm_cli.models.spec import HeadSpec
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.features import forward, in_order, softmax
from medfm_cli.training.loop import FitReport, fit
from medfm_cli.training.options import FitOptions, resolve_options
from medfm_cli.training.randomness import derive
from medfm_cli.training.safety import known_of, refuse_unsafe

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from medfm_cli.commands.finetune.initial import Start
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.splits import Parts
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run

VALIDATIONS = 20


def train(
    recipe: FinetuneRecipe,
    start: Start,
    dataset: Dataset,
    parts: Parts,
    *,
    balanced: bool,
    run: Run,
) -> Trained:
    """Train the whole network; the weights with the lowest validation loss are kept."""
    head = HeadSpec(kind="linear", classes=len(parts.images.classes))
    classifier = Classifier(start.backbone.unfreeze(), _fresh_head(head, start, recipe.seed))
    rows = parts.images.rows[parts.images.samples(parts.train)]
    colour = start.preprocessing.channels == 3
    allowed = refuse_unsafe(
        recipe.augment, known_of(dataset.card, start.preprocessing, colour=colour)
    )
    options = _options(recipe, samples=len(rows), validated=bool(len(parts.val)), run=run)
    loader = Loader(
        dataset,
        rows,
        ArrayCollator.of(dataset, rows, start.preprocessing),
        LoaderOptions(
            global_batch=options.batch,
            seed=derive(recipe.seed, "order"),
            rank=run.rank,
            world=run.world,
            workers=recipe.workers,
        ),
    )
    for choice in loader.choices:
        run.resolve(choice.key, choice.value, choice.why)
    task = ClassifyTask(
        classifier,
        preprocessing=start.preprocessing,
        augmentation=recipe.augment,
        row_weights=_row_weights(dataset, parts, balanced=balanced),
        label_smoothing=recipe.label_smoothing,
        layer_decay=1.0 if start.random else recipe.layer_decay,
    )
    validate = _validation(dataset, parts, start, balanced=balanced)
    try:
        report = fit(task, loader, options, run, validate=validate, sample_id=dataset.sample_id)
    finally:
        loader.close()
    return Trained(
        classifier=classifier.cpu().eval(),
        head=head,
        trainable=sum(parameter.numel() for parameter in classifier.parameters()),
        chosen=_chosen(report),
        x="Step",
        curves=_curves(run),
        allowed=allowed,
        facts=_facts(options, report),
    )


def _options(recipe: FinetuneRecipe, *, samples: int, validated: bool, run: Run) -> FitOptions:
    options = resolve_options(recipe, run, seed=recipe.seed, samples=samples)
    if not validated:
        return options
    every = max(samples // options.batch, options.steps // VALIDATIONS, 1)
    return FitOptions(**{**vars(options), "validate_steps": every})


def _fresh_head(head: HeadSpec, start: Start, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        return build_head(head, dim=start.backbone.dim)


def _row_weights(dataset: Dataset, parts: Parts, *, balanced: bool) -> NDArray[np.float32]:
    """Weights by manifest row: zero for what is not trained on."""
    weights = np.zeros(len(dataset), dtype=np.float32)
    samples = parts.images.samples(parts.train)
    weights[parts.images.rows[samples]] = parts.images.weights(parts.train, balanced=balanced)
    return weights


def _validation(
    dataset: Dataset, parts: Parts, start: Start, *, balanced: bool
) -> Callable[[nn.Module], dict[str, float]] | None:
    """Measure the loss and accuracy on the validation images; None where there are none."""
    if not len(parts.val):
        return None
    samples = parts.images.samples(parts.val)
    truth = parts.images.truth[parts.images.image[samples]]
    weights = parts.images.weights(parts.val, balanced=balanced)
    rows = parts.images.rows[samples]
    loader = in_order(dataset, rows, preprocessing=start.preprocessing, cache="auto")

    def validate(task: nn.Module) -> dict[str, float]:
        found = softmax(forward(task.classifier, loader, start.preprocessing))  # type: ignore[arg-type]
        losses = -np.log(np.maximum(found[np.arange(len(truth)), truth], 1e-12))
        right = (found.argmax(axis=1) == truth).mean()
        return {"loss": float((losses * weights).mean()), "accuracy": float(right)}

    return validate


def _chosen(report: FitReport) -> str:
    if report.best_step is None:
        return f"step {report.steps} of {report.steps} (the last: there is no validation image)"
    return f"step {report.best_step} of {report.steps} (lowest validation loss)"


def _facts(options: FitOptions, report: FitReport) -> dict[str, str | int | float]:
    return {
        "steps": report.steps,
        "batch": options.batch,
        "learning rate": options.learning_rate,
        "step kept": report.best_step or report.steps,
        "precision": report.precision,
    }


def _curves(run: Run) -> dict[str, tuple[list[float], list[float]]]:
    """The losses by step; a resumed run may have written a step twice, the later line counts."""
    lines = read_jsonl(run.dir / "metrics.jsonl")
    curves = {}
    for name, key in (("training", "loss"), ("validation", "val_loss")):
        points = {line["step"]: line[key] for line in lines if key in line and "step" in line}
        if points:
            curves[name] = ([float(step) for step in points], list(points.values()))
    return curves
