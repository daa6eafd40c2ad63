"""Mode probe: a linear head on features that are computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.finetune.trained import TrainedClassifier
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.spec import HeadSpec
from medfm_cli.scoring.probes import fit_image_probe
from medfm_cli.training.features import extract

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.initial import InitialModel
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.scoring.splits import SplitIndices
    from medfm_cli.training.probe import FittedProbe


def train(
    recipe: FinetuneRecipe,
    initial: InitialModel,
    dataset: Dataset,
    splits: SplitIndices,
    *,
    balanced: bool,
    run: Run,
) -> TrainedClassifier:
    """Fit the probe on the training images; the validation images select the epoch."""
    features = extract(
        initial.backbone,
        dataset,
        splits.images.rows,
        preprocessing=initial.preprocessing,
        run=run,
        key=initial.key,
    )
    fitted = fit_image_probe(features, splits, recipe.probe, balanced=balanced, seed=recipe.seed)
    for epoch in fitted.history:
        run.metric(epoch=epoch.number, loss=epoch.train, val_loss=epoch.val)
    head = HeadSpec(kind="probe", classes=len(splits.images.classes))
    return TrainedClassifier(
        classifier=Classifier(initial.backbone.cpu(), fitted.head),
        head=head,
        trainable=sum(parameter.numel() for parameter in fitted.head.parameters()),
        selection=_selection(fitted),
        x_label="Epoch",
        curves=_curves(fitted),
        facts={"rule": recipe.probe.rule, "epoch kept": fitted.epoch, "selected by": fitted.chosen},
        probabilities=fitted.probabilities(features),
    )


def _selection(fitted: FittedProbe) -> str:
    if fitted.chosen == "converged":
        return "the optimum of a convex loss (L-BFGS)"
    return f"epoch {fitted.epoch} of {len(fitted.history)} ({fitted.chosen})"


def _curves(fitted: FittedProbe) -> dict[str, tuple[list[float], list[float]]]:
    epochs = [float(each.number) for each in fitted.history]
    curves = {"training": (epochs, [each.train for each in fitted.history])}
    if val := [each.val for each in fitted.history if each.val is not None]:
        curves["validation"] = (epochs, val)
    return curves if epochs else {}
