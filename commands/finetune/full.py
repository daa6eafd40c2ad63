"""Mode full: train all weights with the training loop of pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from medfm_cli.commands.finetune.task import ClassifyTask
from medfm_cli.commands.finetune.trained import TrainedClassifier
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
from medfm_cli.training.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from medfm_cli.commands.finetune.initial import InitialModel
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.scoring.splits import SplitIndices

VALIDATIONS = 20


def train(
    recipe: FinetuneRecipe,
    initial: InitialModel,
    dataset: Dataset,
    splits: SplitIndices,
    *,
    balanced: bool,
    run: Run,
) -> TrainedClassifier:
    """Train the whole network; the weights with the lowest validation loss are kept."""
    head = HeadSpec(kind="linear", classes=len(splits.images.classes))
    classifier = Classifier(initial.backbone.unfreeze(), _fresh_head(head, initial, recipe.seed))
    rows = splits.images.rows[splits.images.samples(splits.train)]
    colour = initial.preprocessing.channels == 3
    overridden_hazards = refuse_unsafe(
        recipe.augment, known_of(dataset.card, initial.preprocessing, colour=colour)
    )
    options = _options(recipe, samples=len(rows), validated=bool(len(splits.val)), run=run)
    loader = Loader(
        dataset,
        rows,
        ArrayCollator.of(dataset, rows, initial.preprocessing),
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
        preprocessing=initial.preprocessing,
        augmentation=recipe.augment,
        row_weights=_row_weights(dataset, splits, balanced=balanced),
        label_smoothing=recipe.label_smoothing,
        layer_decay=1.0 if initial.random else recipe.layer_decay,
    )
    validate = _validation(dataset, splits, initial, balanced=balanced)
    try:
        with open_session(options.precision, run) as session:
            report = fit(
                task,
                loader,
                options,
                session=session,
                validate=validate,
                sample_id=dataset.sample_id,
            )
    finally:
        loader.close()
    return TrainedClassifier(
        classifier=classifier.cpu().eval(),
        head=head,
        trainable=sum(parameter.numel() for parameter in classifier.parameters()),
        selection=_selection(report),
        x_label="Step",
        curves=_curves(run),
        overridden_hazards=overridden_hazards,
        facts=_facts(options, report),
    )


def _options(recipe: FinetuneRecipe, *, samples: int, validated: bool, run: Run) -> FitOptions:
    options = resolve_options(recipe, run, seed=recipe.seed, samples=samples)
    if not validated:
        return options
    every = max(samples // options.batch, options.steps // VALIDATIONS, 1)
    return FitOptions(**{**vars(options), "validate_steps": every})


def _fresh_head(head: HeadSpec, initial: InitialModel, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        return build_head(head, dim=initial.backbone.dim)


def _row_weights(dataset: Dataset, splits: SplitIndices, *, balanced: bool) -> NDArray[np.float32]:
    """Loss weights by manifest row: zero for rows outside the training split."""
    weights = np.zeros(len(dataset), dtype=np.float32)
    samples = splits.images.samples(splits.train)
    weights[splits.images.rows[samples]] = splits.images.weights(splits.train, balanced=balanced)
    return weights


def _validation(
    dataset: Dataset, splits: SplitIndices, initial: InitialModel, *, balanced: bool
) -> Callable[[nn.Module], dict[str, float]] | None:
    """Measures loss and accuracy on the validation images; None if there are none."""
    if not len(splits.val):
        return None
    samples = splits.images.samples(splits.val)
    truth = splits.images.truth[splits.images.image[samples]]
    weights = splits.images.weights(splits.val, balanced=balanced)
    rows = splits.images.rows[samples]
    loader = in_order(dataset, rows, preprocessing=initial.preprocessing, cache="auto")

    def validate(task: nn.Module) -> dict[str, float]:
        probabilities = softmax(forward(task.classifier, loader, initial.preprocessing))  # type: ignore[arg-type]
        losses = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12))
        accuracy = (probabilities.argmax(axis=1) == truth).mean()
        return {"loss": float((losses * weights).mean()), "accuracy": float(accuracy)}

    return validate


def _selection(report: FitReport) -> str:
    if report.best_step is None:
        return f"step {report.steps} of {report.steps} (the last one: there is no validation image)"
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
    """The losses by step; a resumed run may have written a step twice: the later line is used."""
    lines = read_jsonl(run.dir / "metrics.jsonl")
    curves = {}
    for name, key in (("training", "loss"), ("validation", "val_loss")):
        points = {line["step"]: line[key] for line in lines if key in line and "step" in line}
        if points:
            curves[name] = ([float(step) for step in points], list(points.values()))
    return curves
