"""Features of a frozen encoder, computed once and kept."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.loader import Loader, LoaderOptions
from medfm_cli.models.inputs import normalise
from medfm_cli.runs.atomic import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.data import Dataset
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.recipe import Auto
    from medfm_cli.runs import Run

BATCH = 64
_WORTH_WORKERS = 4096  # samples from which starting loading processes pays


def extract(
    backbone: Backbone,
    dataset: Dataset,
    rows: NDArray[np.int64],
    *,
    preprocessing: AnyInput,
    run: Run,
    key: str = "",
) -> NDArray[np.float32]:
    """The features of `rows`, float32 [N,D], in evaluation mode and without gradients.

    The encoder is frozen first, so that drop-path and its like are off (in BioVFM's released
    probe they are on). With a `key` that names the encoder's weights, the features are kept in
    the run directory and read again when the run is continued.

    Raises:
        DataError: a sample cannot be read.
        Stopped: a signal came.
    """
    path = run.path("features", f"{_name(key, dataset, rows, preprocessing)}.npy") if key else None
    if path is not None and path.is_file():
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return kept
    backbone.freeze().to(best_device())
    loader = in_order(dataset, rows, preprocessing=preprocessing)
    try:
        values = forward(backbone, loader, preprocessing, run=run)
    finally:
        loader.close()
    if path is not None and run.rank == 0:
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        write_bytes(path, buffer.getvalue())
    return values


def class_probabilities(
    module: nn.Module,
    dataset: Dataset,
    rows: NDArray[np.int64],
    *,
    preprocessing: AnyInput,
    run: Run,
) -> NDArray[np.float64]:
    """Softmax of a classifier's logits for `rows`, float64 [N,K], in evaluation mode."""
    loader = in_order(dataset, rows, preprocessing=preprocessing)
    try:
        return softmax(forward(module.eval(), loader, preprocessing, run=run))
    finally:
        loader.close()


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows of logits to probabilities, float64 [N,K]."""
    values = logits.astype(np.float64)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def in_order(
    dataset: Dataset,
    rows: NDArray[np.int64],
    *,
    preprocessing: AnyInput,
    cache: bool | Auto = False,
) -> Loader:
    """A loader that gives every row once, in order; with `cache` they stay in memory."""
    options = LoaderOptions(
        global_batch=BATCH,
        seed=0,
        workers="auto" if len(rows) >= _WORTH_WORKERS else 0,
        shuffle=False,
        drop_last=False,
        cache=cache,
    )
    return Loader(dataset, rows, ArrayCollator.of(dataset, rows, preprocessing), options)


def forward(
    module: nn.Module, loader: Loader, preprocessing: AnyInput, *, run: Run | None = None
) -> NDArray[np.float32]:
    """The module's outputs for one pass of the loader, float32 [N,…], without gradients.

    They are in the order of the loader's rows, also where inputs of several shapes made it visit
    them in another. With a `run`, a signal ends the pass early.

    Raises:
        Stopped: a signal came.
    """
    device = next(module.parameters()).device
    parts = []
    with torch.inference_mode():
        for batch in loader.batches(0):
            if run is not None:
                run.check_stop()
            output = module(normalise(batch.values, preprocessing, device=device))
            parts.append(output.float().cpu().numpy())
    outputs = np.concatenate(parts)
    visited = np.concatenate(list(loader.plan.steps(0, loader.steps_per_epoch)))
    ordered = np.empty_like(outputs)
    ordered[visited] = outputs
    return ordered


def _name(key: str, dataset: Dataset, rows: NDArray[np.int64], preprocessing: AnyInput) -> str:
    """A file name that changes with anything the features depend on."""
    parts = (key, dataset.version, preprocessing.model_dump_json(), rows.tobytes().hex())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def best_device() -> torch.device:
    """A GPU where torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
