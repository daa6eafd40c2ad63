"""Masked autoencoder: He, Chen, Xie, Li, Dollár & Girshick, CVPR 2022, arXiv 2111.06377.

An image x is cut into N patches of p × p pixels. ⌊(1 − ρ) N⌋ patches drawn at random stay
visible, the others, the set M, are hidden. The encoder f sees the visible ones only; a small
decoder g gets its tokens, one learned token [m] for every hidden patch, and all positions, and
paints the hidden patches:

```
z = f(visible patches + their positions)              [B, V, D]      V = N − |M|
ŷ = g([W z ; m … m] + positions)                      [B, N, p²C]
y_i = (x_i − mean(x_i)) / √(var(x_i) + 10⁻⁶)          per patch i, var over p²C − 1   (norm_pix)
L = 1/|M| Σ_{i ∈ M} 1/(p²C) ‖ŷ_i − y_i‖²
```

Equations: §3 of the paper and its "reconstruction target"; the constants are the paper's
appendix A. Differences of ours: no class token (features are the mean of the patch tokens), and
the encoder's positions start as sines and cosines but are trained.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from medfm_cli.commands.pretrain.objectives.base import Objective, Setting
from medfm_cli.models.inputs import normalise
from medfm_cli.runs import Figure
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.training.views import draw_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives import Decoder as DecoderOptions
    from medfm_cli.commands.pretrain.objectives import MaeOptions
    from medfm_cli.data.loader import Batch
    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block
    from medfm_cli.training.randomness import StepRandom


class Split(NamedTuple):
    """Which patches are visible [B,V] and which hidden [B,M], as indices into the N patches."""

    visible: Tensor
    hidden: Tensor


class Painting(NamedTuple):
    """What the autoencoder made of the hidden patches."""

    split: Split
    painted: Tensor  # [B,M,p²C], in the units of the target
    patches: Tensor  # [B,N,p²C], the images'


class Mae(Objective):
    """The autoencoder as a task of the training loop."""

    def __init__(
        self,
        backbone: Backbone,
        options: MaeOptions,
        setting: Setting,
    ) -> None:
        """Set up the decoder for `backbone`.

        Raises:
            UsageError: the backbone is no plain vision transformer.
        """
        super().__init__(backbone, setting)
        rows, columns = backbone.grid
        self.options = options
        self.decoder = Decoder(
            options.decoder,
            grid=(rows, columns),
            encoder_dim=backbone.dim,
            outputs=backbone.patch_size**2 * backbone.spec.channels,
        )

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw a view of every image [B,C,S,S] and the noise [B,N] that decides what is hidden."""
        images = draw_view(batch.values, self.setting.views, self.preprocessing, random)
        return self._inputs(images, random)

    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Take the images as they are; the noise is drawn as in `inputs`."""
        return self._inputs(normalise(batch.values, self.preprocessing), random)

    def losses(self, images: Tensor, noise: Tensor) -> Tensor:  # type: ignore[override]
        """Give the loss [B] of normalised images [B,C,S,S] under `noise` [B,N]."""
        result = self.paint(images, noise)
        target = take(result.patches, result.split.hidden)
        if self.options.norm_pix:
            target = normalise_patches(target)
        # In full precision: the difference of like numbers is where bf16 would lose most.
        return (result.painted.float() - target.float()).square().mean(dim=(1, 2))

    def paint(self, images: Tensor, noise: Tensor) -> Painting:
        """Hide patches, encode the visible ones, decode the hidden ones."""
        split = choose_hidden(noise, self.options.mask_ratio)
        tokens = self.backbone.encode(take(self.backbone.embed(images), split.visible))
        painted = self.decoder(tokens, split)
        return Painting(split, painted, patchify(images, self.backbone.patch_size))

    @torch.no_grad()
    def pictures(
        self, batch: Batch, captions: Sequence[str], random: StepRandom, run: Run
    ) -> list[Block]:
        """Show each image as it is, what the encoder saw of it, and the whole painted from that."""
        rows = self.reconstruct(**self.plain_inputs(batch, random))
        images = [to_pixels(image, self.preprocessing) for row in rows for image in row]
        texts = [text for caption in captions for text in (caption, "", "")]
        hidden = self.options.mask_ratio
        headings = ("image", f"seen ({1 - hidden:.0%})", "painted from it") * 2
        path = run.path("figures", "reconstructions.png")
        save(image_sheet(images, texts, 6, headings=headings), path)
        caption = (
            f"{len(rows)} images with {hidden:.0%} of their patches hidden (grey) and painted "
            "by the autoencoder; the patches it saw are shown as they were."
        )
        if self.options.norm_pix:
            caption += (
                " The model learns patches normalised one by one, so the brightness and contrast "
                "of each painted patch are taken from the image itself."
            )
        alt = "Threes of pictures: an image, the same with most patches hidden, the painting."
        return [Figure(f"figures/{path.name}", caption, alt, wide=True)]

    def reconstruct(self, images: Tensor, noise: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Give for each image [C,S,S] itself, what the encoder saw, and the painted whole."""
        result = self.paint(images, noise)
        painted = result.painted.float()
        hidden = take(result.patches, result.split.hidden)
        if self.options.norm_pix:
            painted = painted * patch_std(hidden) + hidden.mean(dim=-1, keepdim=True)
        index = result.split.hidden.unsqueeze(-1).expand_as(painted)
        seen = result.patches.scatter(1, index, torch.zeros_like(painted))
        whole = result.patches.scatter(1, index, painted)
        parts = (self._assemble(patches) for patches in (result.patches, seen, whole))
        return list(zip(*parts, strict=True))

    def _inputs(self, images: Tensor, random: StepRandom) -> dict[str, Tensor]:
        rows, columns = self.backbone.grid
        return {"images": images, "noise": random.uniform("mask", rows * columns)}

    def _assemble(self, patches: Tensor) -> Tensor:
        rows, columns = self.backbone.grid
        return unpatchify(patches, self.backbone.patch_size, (rows, columns))


class Decoder(nn.Module):
    """Visible tokens [B,V,D] to hidden patches [B,M,p²C]."""

    positions: Tensor

    def __init__(
        self,
        options: DecoderOptions,
        *,
        grid: tuple[int, int],
        encoder_dim: int,
        outputs: int,
    ) -> None:
        from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
        from timm.models.vision_transformer import Block

        super().__init__()
        self.embed = nn.Linear(encoder_dim, options.dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, options.dim))
        table = build_sincos2d_pos_embed(list(grid), dim=options.dim)
        self.register_buffer("positions", table, persistent=False)
        self.blocks = nn.Sequential(
            *(Block(options.dim, options.heads, qkv_bias=True) for _ in range(options.depth))
        )
        self.norm = nn.LayerNorm(options.dim)
        self.predict = nn.Linear(options.dim, outputs)
        self.apply(_initialise)
        nn.init.normal_(self.mask_token, std=0.02)

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that should not shrink."""
        return {"mask_token"}

    def forward(self, tokens: Tensor, split: Split) -> Tensor:
        """Paint the hidden patches.

        Attention does not know the order of its tokens, so they stay in the order visible, hidden
        and only their positions are looked up: nothing has to be sorted back.
        """
        visible = self.embed(tokens) + self.positions[split.visible]
        hidden = self.mask_token + self.positions[split.hidden]
        decoded = self.blocks(torch.cat([visible, hidden], dim=1))
        painted: Tensor = self.predict(self.norm(decoded[:, visible.shape[1] :]))
        return painted


def choose_hidden(noise: Tensor, ratio: float) -> Split:
    """Keep the ⌊(1 − ratio) N⌋ patches with the smallest noise [B,N] visible, one at least."""
    keep = max(1, math.floor((1 - ratio) * noise.shape[1] + 1e-9))
    order = noise.argsort(dim=1, stable=True)
    return Split(order[:, :keep], order[:, keep:])


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Pick tokens [B,N,D] by index [B,n] → [B,n,D]."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def patchify(images: Tensor, size: int) -> Tensor:
    """Cut images [B,C,H,W] into patches [B,N,p²C], row by row, channels last within a patch."""
    batch, channels, height, width = images.shape
    rows, columns = height // size, width // size
    blocks = images.reshape(batch, channels, rows, size, columns, size)
    return blocks.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, size * size * channels)


def unpatchify(patches: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
    """Put patches [B,N,p²C] together again, the inverse of `patchify`."""
    rows, columns = grid
    blocks = patches.reshape(patches.shape[0], rows, columns, size, size, -1)
    return blocks.permute(0, 5, 1, 3, 2, 4).reshape(
        patches.shape[0], -1, rows * size, columns * size
    )


def normalise_patches(patches: Tensor) -> Tensor:
    """Bring every patch [..., p²C] to mean 0 and variance 1."""
    return (patches - patches.mean(dim=-1, keepdim=True)) / patch_std(patches)


def patch_std(patches: Tensor) -> Tensor:
    """Give √(variance + 10⁻⁶) of every patch [..., p²C], as [..., 1]."""
    return (patches.var(dim=-1, keepdim=True) + 1e-6).sqrt()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def to_pixels(image: Tensor, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Undo `normalise` for one image [C,S,S]: uint8 [S,S] or [S,S,3]."""
    mean, std = (
        torch.tensor(values, device=image.device).view(-1, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    pixels = ((image * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    array: NDArray[np.uint8] = pixels.permute(1, 2, 0).cpu().numpy()
    return array[..., 0] if array.shape[2] == 1 else array
