"""Images in threes: the image, its visible patches, the reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from medfm_cli.runs import Figure
from medfm_cli.runs.figures import image_sheet, save

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import FigureContext
    from medfm_cli.data.preprocess import Preprocessing


def images(context: FigureContext) -> Figure:
    """Draw two samples a row."""
    samples, preprocessing = context.samples, cast("Preprocessing", context.preprocessing)
    rows = zip(samples.values, samples.seen, samples.reconstruction, strict=True)
    tiles = [to_pixels(image, preprocessing) for row in rows for image in row]
    texts = [text for caption in context.captions for text in (caption, "", "")]
    headings = ("image", f"visible ({1 - context.ratio:.0%})", "reconstruction") * 2
    path = context.run.path("figures", "reconstructions.png")
    save(image_sheet(tiles, texts, 6, headings=headings), path)
    how = "(grey) and reconstructed by the autoencoder; visible patches are shown unchanged."
    alt = "Images in threes: the image, the same with masked patches, the reconstruction."
    return Figure(f"figures/{path.name}", context.about("images", how), alt, wide=True)


def to_pixels(image: Tensor, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Undo `normalise` for one image [C,S,S]: uint8 [S,S] or [S,S,3]."""
    mean, std = (
        torch.tensor(values, device=image.device).view(-1, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    pixels = ((image * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    array: NDArray[np.uint8] = pixels.permute(1, 2, 0).cpu().numpy()
    return array[..., 0] if array.shape[2] == 1 else array
