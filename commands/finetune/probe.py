"""Mode probe: a linear head on features that are computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.finetune.trained import Trained
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.spec import HeadSpec
from medfm_cli.training.features import extract
from medfm_cli.training.probe import FittedProbe, Labelled, fit_probe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.finetune.initial import Start
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.splits import Parts
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run


def train(
    recipe: FinetuneRecipe,
    start: Start,
    dataset: Dataset,
    parts: Parts,
    *,
    balanced: bool,
    run: Run,
) -> Trained:
    """Fit the probe on the training images; the validation images pick the epoch."""
    features = extract(
        start.backbone,
        dataset,
        parts.images.rows,
        preprocessing=start.preprocessing,
        run=run,
        key=start.key,
    )
    fitted = fit_probe(
        _labelled(features, parts, parts.train, balanced=balanced),
        recipe.probe,
        classes=len(parts.images.classes),
        seed=recipe.seed,
        val=_labelled(features, parts, parts.val, balanced=balanced) if len(parts.val) else None,
    )
    for epoch in fitted.history:
        run.metric(epoch=epoch.number, loss=epoch.train, val_loss=epoch.val)
    head = HeadSpec(kind="probe", classes=len(parts.images.classes))
    return Trained(
        classifier=Classifier(start.backbone.cpu(), fitted.head),
        head=head,
        trainable=sum(parameter.numel() for parameter in fitted.head.parameters()),
        chosen=_chosen(fitted),
        x="Epoch",
        curves=_curves(fitted),
        facts={"rule": recipe.probe.rule, "epoch kept": fitted.epoch, "chosen by": fitted.chosen},
        probabilities=fitted.probabilities(features),
    )


def _labelled(
    features: NDArray[np.float32], parts: Parts, images: NDArray[np.int64], *, balanced: bool
) -> Labelled:
    samples = parts.images.samples(images)
    labels = parts.images.truth[parts.images.image[samples]]
    weights = parts.images.weights(images, balanced=balanced)
    return Labelled(features[samples], labels, weights)


def _chosen(fitted: FittedProbe) -> str:
    if fitted.chosen == "converged":
        return "the optimum of a convex loss (L-BFGS)"
    return f"epoch {fitted.epoch} of {len(fitted.history)} ({fitted.chosen})"


def _curves(fitted: FittedProbe) -> dict[str, tuple[list[float], list[float]]]:
    epochs = [float(each.number) for each in fitted.history]
    curves = {"training": (epochs, [each.train for each in fitted.history])}
    if val := [each.val for each in fitted.history if each.val is not None]:
        curves["validation"] = (epochs, val)
    return curves if epochs else {}
