"""Linear probes on the features of labelled images, and the class weights of their loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.training.probe import FittedProbe, Labelled, fit_probe
from medfm_cli.training.probing import choose_class_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.scoring.splits import SplitIndices
    from medfm_cli.training.probing import ClassWeights, ProbeKeys


def fit_image_probe(
    features: NDArray[np.float32],
    splits: SplitIndices,
    keys: ProbeKeys,
    *,
    balanced: bool,
    seed: int,
) -> FittedProbe:
    """Fit a probe on the training images; the validation images, if any, select the epoch.

    Args:
        features: float32 [N,D], of all labelled samples.
        splits: the images to train and select on.
        keys: the recipe's probe.
        balanced: whether all classes have the same total weight.
        seed: of the head's initial weights and the order of the samples.
    """
    images, val = splits.images, None
    if len(splits.val):
        val = labelled_features(features, images, splits.val, balanced=balanced)
    train = labelled_features(features, images, splits.train, balanced=balanced)
    return fit_probe(train, keys, classes=len(images.classes), seed=seed, val=val)


def labelled_features(
    features: NDArray[np.float32],
    images: LabelledImages,
    chosen: NDArray[np.int64],
    *,
    balanced: bool,
) -> Labelled:
    """The features, labels and loss weights of the samples of some images."""
    samples = images.samples(chosen)
    labels = images.truth[images.image[samples]]
    return Labelled(features[samples], labels, images.weights(chosen, balanced=balanced))


def resolve_class_weights(setting: ClassWeights, counts: list[int], run: Run) -> bool:
    """Whether the loss balances the classes; the choice of `auto` is recorded in the run."""
    balanced, why = choose_class_weights(setting, counts)
    if setting == "auto":
        run.resolve("class_weights", "balanced" if balanced else "none", why)
    return balanced
