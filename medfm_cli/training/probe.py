"""The linear probe: a head on features that do not change (BioVFM-21M's rule)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medfm_cli.data.samplers import epoch_order
from medfm_cli.errors import DataError
from medfm_cli.models.heads import probe as probe_head
from medfm_cli.training.features import softmax
from medfm_cli.training.randomness import derive
from medfm_cli.training.schedules import cosine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.training.probing import ProbeKeys


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features with labels.

    Attributes:
        features: float32 [N,D].
        labels: int64 [N].
        weights: float32 [N], how much each sample counts in the loss; all alike when left out.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features, labels and weights as tensors on the CPU: probes are small."""
        weights = np.ones(len(self.labels), np.float32) if self.weights is None else self.weights
        return (
            torch.from_numpy(np.ascontiguousarray(self.features)),
            torch.from_numpy(self.labels),
            torch.from_numpy(weights.astype(np.float32)),
        )


@dataclass(frozen=True)
class Epoch:
    """The losses after one epoch; `val` is None without validation samples."""

    number: int
    train: float
    val: float | None


@dataclass(frozen=True)
class FittedProbe:
    """A probe and how it was fitted.

    Attributes:
        head: BatchNorm and linear layer in evaluation mode.
        chosen: "lowest validation loss", "last epoch" or "converged".
        epoch: the epoch kept, from 1.
        history: the losses of every epoch.
    """

    head: nn.Module
    chosen: str
    epoch: int
    history: list[Epoch] = field(default_factory=list)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Class probabilities, float64 [N,K]."""
        with torch.inference_mode():
            logits = self.head(torch.from_numpy(np.ascontiguousarray(features)))
        return softmax(logits.numpy())


def fit_probe(
    train: Labelled,
    keys: ProbeKeys,
    *,
    classes: int,
    seed: int,
    val: Labelled | None = None,
) -> FittedProbe:
    """Fit a probe; the result depends on the arguments alone.

    Raises:
        DataError: there are fewer than two samples, or all have one class.
    """
    if len(train.labels) < 2 or len(np.unique(train.labels)) < 2:
        raise DataError(
            "a probe needs training images of at least two classes",
            hint="check the labels and the split of the dataset",
        )
    with _one_thread():
        if keys.rule == "logistic":
            return _logistic(train, keys, classes=classes)
        return _adamw(train, keys, classes=classes, seed=seed, val=val)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: a probe is too small to share, and its bits should not depend on it."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _adamw(
    train: Labelled, keys: ProbeKeys, *, classes: int, seed: int, val: Labelled | None
) -> FittedProbe:
    head = _fresh_head(train.features.shape[1], classes, seed=seed)
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=keys.learning_rate, weight_decay=keys.weight_decay
    )
    features, labels, weights = train.tensors()
    size = min(keys.batch, len(labels))
    steps_per_epoch = len(labels) // size  # the rest of an epoch is dropped, as in BioVFM
    steps = keys.epochs * steps_per_epoch
    best, best_epoch, history = copy.deepcopy(head.state_dict()), 0, []
    lowest = float("inf")
    for epoch in range(keys.epochs):
        order = torch.from_numpy(epoch_order(len(labels), seed=derive(seed, "probe"), epoch=epoch))
        head.train()
        total = 0.0
        for step in range(steps_per_epoch):
            rate = cosine(epoch * steps_per_epoch + step, steps=steps, warmup=0)
            optimiser.param_groups[0]["lr"] = keys.learning_rate * rate
            rows = order[step * size : (step + 1) * size]
            loss = _loss(head(features[rows]), labels[rows], weights[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach())
        val_loss = _measure(head, val) if val is not None else None
        history.append(Epoch(epoch + 1, total / steps_per_epoch, val_loss))
        if val_loss is None or val_loss < lowest:
            lowest = float("inf") if val_loss is None else val_loss
            best, best_epoch = copy.deepcopy(head.state_dict()), epoch + 1
    head.load_state_dict(best)
    chosen = "last epoch" if val is None else "lowest validation loss"
    return FittedProbe(head.eval(), chosen, best_epoch, history)


def _logistic(train: Labelled, keys: ProbeKeys, *, classes: int) -> FittedProbe:
    """Logistic regression on standardised features, put into the same kind of head."""
    from sklearn.linear_model import LogisticRegression

    head = probe_head(train.features.shape[1], classes).eval()
    norm, linear = head.norm, head.linear
    mean, variance = train.features.mean(axis=0), train.features.var(axis=0)
    scaled = (train.features - mean) / np.sqrt(variance + 1e-6)
    model = LogisticRegression(C=keys.inverse_l2, max_iter=2000)
    model.fit(scaled, train.labels, sample_weight=train.weights)
    weight = np.zeros((classes, scaled.shape[1]))
    bias = np.full(classes, -30.0)  # a class never seen in training is never predicted
    if len(model.classes_) == 2:
        weight[model.classes_] = np.stack([-model.coef_[0], model.coef_[0]]) / 2
        bias[model.classes_] = np.array([-model.intercept_[0], model.intercept_[0]]) / 2
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    with torch.no_grad():
        norm.running_mean.copy_(torch.from_numpy(mean))  # type: ignore[union-attr, operator]
        norm.running_var.copy_(torch.from_numpy(variance))  # type: ignore[union-attr, operator]
        linear.weight.copy_(torch.from_numpy(weight))  # type: ignore[union-attr, operator]
        linear.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr, operator]
    return FittedProbe(head, "converged", 1)


def _fresh_head(dim: int, classes: int, *, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "probe head"))
        return probe_head(dim, classes)


def _loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy."""
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return (losses * weights).sum() / weights.sum()


def _measure(head: nn.Module, samples: Labelled) -> float:
    features, labels, weights = samples.tensors()
    head.eval()
    with torch.no_grad():
        return float(_loss(head(features), labels, weights))
