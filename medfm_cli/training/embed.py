"""Features of images that are not in a dataset yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from medfm_cli.data.preprocess import fit
from medfm_cli.models.directory import load_encoder
from medfm_cli.models.inputs import normalise
from medfm_cli.training.features import BATCH, best_device

if TYPE_CHECKING:
    from numpy.typing import NDArray


def embed(directory: Path, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
    """The features of images in batches, float32 `[B, D]`, each of length one.

    Args:
        directory: a model directory; of a classifier, its encoder is used.
        images: uint8 `[H, W]` or `[H, W, 3]`, fitted whole into the model's input.

    Raises:
        DataError: the model cannot be loaded.
    """
    loaded = load_encoder(directory)
    preprocessing, device = loaded.config.preprocessing, best_device()
    backbone = loaded.backbone.freeze().to(device)
    iterator = iter(images)
    while batch := list(islice(iterator, BATCH)):
        fitted = [fit(each, preprocessing.size, preprocessing.channels) for each in batch]
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(fitted))
            values = backbone(normalise(pixels, preprocessing, device=device))
            unit = torch.nn.functional.normalize(values.float(), dim=1)
        features: NDArray[np.float32] = unit.cpu().numpy()
        yield features
