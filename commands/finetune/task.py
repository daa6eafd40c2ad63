"""The task of full fine-tuning: a classifier with weighted cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medfm_cli.training.task import Task
from medfm_cli.training.views import draw_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.data.batch import Batch
    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.models.classifier import Classifier
    from medfm_cli.training.augmentations import ImageViews
    from medfm_cli.training.randomness import StepRandom


class ClassifyTask(Task):
    """Cross-entropy over augmented images.

    Args:
        classifier: trained in place.
        preprocessing: from stored bytes to network input.
        augmentation: the random views.
        row_weights: float32 [rows of the manifest], how much each sample counts, mean 1.
        label_smoothing: fraction of the target that is spread over all classes.
        layer_decay: factor on the learning rate from each block to the one below it.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        preprocessing: Preprocessing,
        augmentation: ImageViews,
        row_weights: NDArray[np.float32],
        label_smoothing: float = 0.0,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self._preprocessing = preprocessing
        self._augmentation = augmentation
        self._row_weights = torch.from_numpy(row_weights)
        self._label_smoothing = label_smoothing
        self._layer_decay = layer_decay

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Augment and normalise."""
        return {
            "images": draw_view(batch.values, self._augmentation, self._preprocessing, random),
            "labels": batch.labels,
            "weights": self._row_weights[batch.rows.cpu()].to(batch.labels.device),
        }

    def forward(self, images: Tensor, labels: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """The loss [B] and the accuracy [B], 0 or 1, of each image."""
        logits = self.classifier(images)
        losses = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self._label_smoothing
        )
        accuracy = (logits.argmax(dim=1) == labels).float()
        # These weights scale the losses: their mean is 1 over the dataset, not in every batch.
        return {"loss": losses.float() * weights, "accuracy": accuracy}

    def rate_scale(self, name: str) -> float:
        """The factor on the learning rate of a parameter (layer decay, as MAE fine-tunes).

        The head learns at the full rate, the last block at `layer_decay` times it, and so on down
        to the patch embedding.
        """
        depth = len(getattr(self.classifier.backbone.net, "blocks", ()))
        if self._layer_decay == 1.0 or not depth or not name.startswith("classifier.backbone."):
            return 1.0
        return float(self._layer_decay ** (depth + 1 - _layer(name, depth)))


def _layer(name: str, depth: int) -> int:
    """0 for layers before the blocks, i + 1 for block i, depth + 1 for layers after them."""
    parts = name.removeprefix("classifier.backbone.net.").split(".")
    if parts[0] == "blocks":
        return int(parts[1]) + 1
    return depth + 1 if parts[0].startswith(("norm", "fc_norm")) and parts[0] != "norm_pre" else 0
