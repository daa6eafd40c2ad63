"""Image encoders: our presets (timm's VisionTransformer) and any model of timm."""

from __future__ import annotations

import difflib
from typing import Any, Self

import torch
from torch import nn

from medfm_cli.errors import EnvironmentProblem, UsageError
from medfm_cli.models.spec import PRESETS, BackboneSpec


class Backbone(nn.Module):
    """An encoder with one face: patch tokens [B,N,D] and their mean, the features [B,D].

    Features are always the mean of the patch tokens, class token or not (BioVFM-21M's rule).
    For vision transformers `embed` and `encode` are the two halves of `tokens`, so that masked
    objectives encode only the patches they keep; `maskable` says whether there are halves.
    """

    def __init__(self, net: nn.Module, spec: BackboneSpec) -> None:
        super().__init__()
        self.net = net
        self.spec = spec
        self.dim = int(net.num_features)  # type: ignore[arg-type]
        self.maskable = _is_plain_vit(net)
        self._frozen = False

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches at the spec's image size (vision transformers only)."""
        rows, columns = self._vit.patch_embed.grid_size
        return int(rows), int(columns)

    @property
    def patch(self) -> tuple[int, ...]:
        """Side of a patch along each axis (vision transformers only)."""
        return self.patch_size, self.patch_size

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels (vision transformers only)."""
        return int(self._vit.patch_embed.patch_size[0])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features [B,D] of normalised images [B,C,S,S]."""
        return self.features(images)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Mean of the patch tokens, [B,D]."""
        return self.tokens(images).mean(dim=1)

    def tokens(self, images: torch.Tensor) -> torch.Tensor:
        """Patch tokens [B,N,D] after the last norm, without class or register tokens."""
        if self.maskable:
            return self.encode(self.embed(images))
        return self._as_tokens(self.net.forward_features(images))  # type: ignore[operator]

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Patches with their positions, [B,N,D], before the first block.

        Images of another size than the spec's (a multiple of the patch) get position embeddings
        resized for them: small crops need no second network.
        """
        vit = self._vit
        patches: torch.Tensor = vit.patch_embed.proj(images)
        rows, columns = patches.shape[-2:]
        tokens = vit.patch_embed.norm(patches.flatten(2).transpose(1, 2))
        embedded: torch.Tensor = vit.pos_drop(tokens + self.positions((rows, columns)))
        return embedded

    def positions(self, grid: tuple[int, ...]) -> torch.Tensor:
        """Position embeddings of the patches, [1,N,D], for a grid: `embed` adds them.

        What stands in the place of a patch (a mask token) needs them too.
        """
        vit = self._vit
        positions: torch.Tensor = vit.pos_embed
        if not vit.no_embed_class:
            positions = positions[:, vit.num_prefix_tokens :]
        if grid == self.grid:
            return positions
        from timm.layers.pos_embed import resample_abs_pos_embed

        resized: torch.Tensor = resample_abs_pos_embed(
            positions, new_size=list(grid), old_size=list(self.grid), num_prefix_tokens=0
        )
        return resized

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Run the blocks over (some of) the embedded patches: [B,n,D] → [B,n,D]."""
        vit = self._vit
        prefix = self._prefix(tokens)
        hidden = tokens if prefix is None else torch.cat([prefix, tokens], dim=1)
        hidden = vit.norm_pre(hidden)
        if vit.grad_checkpointing and self.training:
            from timm.models import checkpoint_seq

            hidden = checkpoint_seq(vit.blocks, hidden)
        else:
            hidden = vit.blocks(hidden)
        encoded: torch.Tensor = vit.norm(hidden)
        return encoded[:, vit.num_prefix_tokens :]

    def freeze(self) -> Self:
        """Fix the weights and stay in evaluation mode whatever `train()` says.

        A frozen encoder that follows `train()` keeps its drop-path on while it is probed.
        """
        self._frozen = True
        self.requires_grad_(False)
        return self.eval()

    def unfreeze(self) -> Self:
        """Let the weights be trained again."""
        self._frozen = False
        self.requires_grad_(True)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode, unless frozen."""
        return super().train(mode and not self._frozen)

    @property
    def _vit(self) -> Any:
        if not self.maskable:
            raise UsageError(
                f"the backbone {self.spec.name} is no plain vision transformer: "
                "its patches cannot be embedded and encoded apart",
                hint=f"choose one of {', '.join(PRESETS)} or a timm vit_…",
            )
        return self.net

    def _prefix(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """Class and register tokens [B,P,D], with their positions where they have any."""
        vit = self._vit
        parts = [token for token in (vit.cls_token, vit.reg_token) if token is not None]
        if not parts:
            return None
        prefix = torch.cat(parts, dim=1)
        if not vit.no_embed_class:
            prefix = prefix + vit.pos_embed[:, : vit.num_prefix_tokens]
        return prefix.expand(tokens.shape[0], -1, -1)

    def _as_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Bring timm's feature layouts ([B,N,D], [B,D,H,W], [B,H,W,D]) to [B,N,D]."""
        if features.ndim == 3:
            skip = int(getattr(self.net, "num_prefix_tokens", 0))
            return features[:, skip:]
        if str(getattr(self.net, "output_fmt", "NCHW")) == "NHWC" or _channels_last(features, self):
            return features.flatten(1, 2)
        return features.flatten(2).transpose(1, 2)


def build_backbone(spec: BackboneSpec, *, seed: int | None = None) -> Backbone:
    """Build the encoder of `spec`: random weights, or timm's where `spec.pretrained` asks.

    With a `seed` the random weights depend on it alone and torch's generator is left as it was.

    Raises:
        UsageError: timm knows no such model, or not at this image size.
        EnvironmentProblem: published weights were asked for and cannot be had.
    """
    if seed is None:
        return Backbone(_build_net(spec), spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Backbone(_build_net(spec), spec)


def _build_net(spec: BackboneSpec) -> nn.Module:
    return _build_timm(spec) if spec.preset is None else _build_preset(spec)


def _build_preset(spec: BackboneSpec) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    assert spec.preset is not None and spec.patch is not None  # noqa: S101  (the spec checks it)
    net: nn.Module = VisionTransformer(
        img_size=spec.image_size,
        patch_size=spec.patch,
        in_chans=spec.channels,
        num_classes=0,
        global_pool="avg",
        fc_norm=False,  # the norm stands before the mean, so that tokens are normed too
        class_token=False,
        embed_dim=spec.preset.dim,
        depth=spec.preset.depth,
        num_heads=spec.preset.heads,
        reg_tokens=spec.registers,
        no_embed_class=True,
        init_values=spec.layer_scale,
        drop_path_rate=spec.drop_path,
    )
    if spec.position == "sincos":
        _start_with_sincos(net)
    return net


def _start_with_sincos(net: Any) -> None:
    """Fill the position embedding with 2D sines and cosines, as MAE does."""
    from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed

    table = net.pos_embed
    grid = list(net.patch_embed.grid_size)
    with torch.no_grad():
        table.copy_(build_sincos2d_pos_embed(grid, dim=table.shape[-1]))


def _build_timm(spec: BackboneSpec) -> nn.Module:
    import timm

    if not timm.is_model(spec.name):
        raise UsageError(f"no backbone is called '{spec.name}'", hint=_suggest(spec.name))
    published = timm.get_pretrained_cfg(spec.name)
    options: dict[str, Any] = {"in_chans": spec.channels, "num_classes": 0}
    if published is not None and published.fixed_input_size:
        options["img_size"] = spec.image_size
    if spec.drop_path:
        options["drop_path_rate"] = spec.drop_path
    try:
        net: nn.Module = timm.create_model(spec.name, pretrained=spec.pretrained, **options)
    except Exception as error:
        raise _cannot_build(spec, error) from error
    return net


def _cannot_build(spec: BackboneSpec, error: Exception) -> Exception:
    """Say in one sentence why timm did not build the model."""
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    if spec.pretrained:
        return EnvironmentProblem(
            f"the published weights of {spec.name} cannot be had: {reason}",
            hint="drop 'pretrained', or give a local weights file",
        )
    return UsageError(f"timm cannot build {spec.name} for {spec.image_size} pixels: {reason}")


def _suggest(name: str) -> str:
    import timm

    known = [*PRESETS, *timm.list_models()]
    close = difflib.get_close_matches(name, known, n=3)
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"choose one of {', '.join(PRESETS)}, or a name from timm.list_models()"


def _is_plain_vit(net: nn.Module) -> bool:
    from timm.models.vision_transformer import VisionTransformer

    return (
        type(net) is VisionTransformer
        and isinstance(net.patch_embed.proj, nn.Conv2d)
        and net.pos_embed is not None
    )


def _channels_last(features: torch.Tensor, backbone: Backbone) -> bool:
    """Whether a [B,?,?,?] feature map has its channels at the end (some timm models)."""
    return features.shape[-1] == backbone.dim != features.shape[1]
