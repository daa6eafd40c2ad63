"""Images on a light box: as it is, what was visible, painted from that."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from medfm_cli.runs import Figure
from medfm_cli.runs.figures import image_sheet, save

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import Shown
    from medfm_cli.data.preprocess import Preprocessing


def images(shown: Shown) -> Figure:
    """Draw two samples a row."""
    samples, wanted = shown.samples, cast("Preprocessing", shown.preprocessing)
    rows = zip(samples.values, samples.seen, samples.painted, strict=True)
    tiles = [to_pixels(image, wanted) for row in rows for image in row]
    texts = [text for caption in shown.captions for text in (caption, "", "")]
    headings = ("image", f"seen ({1 - shown.ratio:.0%})", "painted from it") * 2
    path = shown.run.path("figures", "reconstructions.png")
    save(image_sheet(tiles, texts, 6, headings=headings), path)
    how = "(grey) and painted by the autoencoder; the patches it saw are shown as they were."
    alt = "Threes of pictures: an image, the same with most patches hidden, the painting."
    return Figure(f"figures/{path.name}", shown.about("images", how), alt, wide=True)


def to_pixels(image: Tensor, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Undo `normalise` for one image [C,S,S]: uint8 [S,S] or [S,S,3]."""
    mean, std = (
        torch.tensor(values, device=image.device).view(-1, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    pixels = ((image * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    array: NDArray[np.uint8] = pixels.permute(1, 2, 0).cpu().numpy()
    return array[..., 0] if array.shape[2] == 1 else array
