"""Encoders: presets over 1 to 3 axes (timm's VisionTransformer), and any image model of timm.

Volumes [B,C,D,H,W], signals [B,L,T], series [B,2F,T] and audio [B,1,M,F] use the same blocks as
images [B,C,S,S]: only the patch embedding and the position embeddings differ.
"""

from __future__ import annotations

import difflib
from typing import Any, Self

import torch
from torch import nn

from medfm_cli.errors import EnvironmentProblem, UsageError
from medfm_cli.models.patches import PatchEmbedding
from medfm_cli.models.positions import resize, sincos
from medfm_cli.models.spec import PRESETS, BackboneSpec, PatchSpec, swiglu_width

_AFTER_TOKENS = ("fc_norm", "attn_pool", "head")


class Backbone(nn.Module):
    """An encoder: patch tokens [B,N,D] and their mean, the features [B,D].

    Features are always the mean of the patch tokens, class token or not (BioVFM-21M's rule).
    For vision transformers `embed` and `encode` are the two halves of `tokens`, so that masked
    objectives encode only the visible patches; `maskable` says whether these halves exist.
    """

    def __init__(self, net: nn.Module, spec: BackboneSpec | PatchSpec) -> None:
        super().__init__()
        self.net = net
        self.spec = spec
        self.dim = int(net.num_features)  # type: ignore[arg-type]
        self.maskable = _is_plain_vit(net)
        self._frozen = False
        self._freeze_unused_layers()

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches along each axis at the spec's shape (vision transformers only)."""
        return tuple(int(count) for count in self._vit.patch_embed.grid_size)

    @property
    def patch(self) -> tuple[int, ...]:
        """Side of a patch along each axis (vision transformers only)."""
        return tuple(int(side) for side in self._vit.patch_embed.patch_size)

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels (vision transformers of images only)."""
        if self.spec.kind != "image":
            raise TypeError(f"patches of a {self.spec.kind} have sides, not one size")
        return self.patch[0]

    def grid_of(self, values: torch.Tensor) -> tuple[int, ...]:
        """Patches along each axis of values [B,C,*space], of the spec's shape or of another.

        Raises:
            ValueError: an axis is no multiple of the patch.
        """
        space, patch = tuple(values.shape[2:]), self.patch
        if len(space) != len(patch) or any(s % p for s, p in zip(space, patch, strict=True)):
            raise ValueError(f"{list(space)} cannot be cut into patches of {list(patch)}")
        return tuple(side // part for side, part in zip(space, patch, strict=True))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Features [B,D] of normalised values [B,C,*space]."""
        return self.features(values)

    def features(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of the patch tokens, [B,D]."""
        return self.tokens(values).mean(dim=1)

    def tokens(self, values: torch.Tensor) -> torch.Tensor:
        """Patch tokens [B,N,D] after the last norm, without class or register tokens."""
        if self.maskable:
            return self.encode(self.embed(values))
        return self._as_tokens(self.net.forward_features(values))  # type: ignore[operator]

    def embed(self, values: torch.Tensor) -> torch.Tensor:
        """Patches with their positions, [B,N,D], before the first block.

        Values of another shape than the spec's (a multiple of the patch) get position embeddings
        resized for them: small crops and volumes of another depth need no second network.
        """
        vit = self._vit
        grid = self.grid_of(values)
        patches: torch.Tensor = vit.patch_embed.proj(values)
        tokens = vit.patch_embed.norm(patches.flatten(2).transpose(1, 2))
        embedded: torch.Tensor = vit.pos_drop(tokens + self.positions(grid))
        return embedded

    def positions(self, grid: tuple[int, ...]) -> torch.Tensor:
        """Position embeddings of the patches, [1,N,D], for a grid: `embed` adds them.

        What stands in the place of a patch (a mask token) needs them too.
        """
        vit = self._vit
        positions: torch.Tensor = vit.pos_embed
        if not vit.no_embed_class:
            positions = positions[:, vit.num_prefix_tokens :]
        return resize(positions, old=self.grid, new=grid)

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
        """Freeze the weights and stay in evaluation mode, also after `train()`.

        Otherwise `train()` would enable drop-path in a frozen encoder.
        """
        self._frozen = True
        self.requires_grad_(False)
        return self.eval()

    def unfreeze(self) -> Self:
        """Make the weights trainable again."""
        self._frozen = False
        self.requires_grad_(True)
        self._freeze_unused_layers()
        return self

    def _freeze_unused_layers(self) -> None:
        """Freeze timm's layers after the tokens: the norms of its own pooling, unused here.

        In DDP, a trainable parameter that never gets a gradient blocks all processes.
        """
        for name in _AFTER_TOKENS:
            if isinstance(part := getattr(self.net, name, None), nn.Module):
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, unless frozen."""
        return super().train(mode and not self._frozen)

    @property
    def _vit(self) -> Any:
        if not self.maskable:
            raise UsageError(
                f"the backbone {self.spec.name} is not a plain vision transformer: "
                "its patches cannot be embedded and encoded separately",
                hint=f"choose one of {', '.join(PRESETS)} or a timm vit_…",
            )
        return self.net

    def _prefix(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """Class and register tokens [B,P,D], with their position embeddings, if any."""
        vit = self._vit
        parts = [token for token in (vit.cls_token, vit.reg_token) if token is not None]
        if not parts:
            return None
        prefix = torch.cat(parts, dim=1)
        if not vit.no_embed_class:
            prefix = prefix + vit.pos_embed[:, : vit.num_prefix_tokens]
        return prefix.expand(tokens.shape[0], -1, -1)

    def _as_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Convert timm's feature layouts ([B,N,D], [B,D,H,W], [B,H,W,D]) to [B,N,D]."""
        if features.ndim == 3:
            skip = int(getattr(self.net, "num_prefix_tokens", 0))
            return features[:, skip:]
        if str(getattr(self.net, "output_fmt", "NCHW")) == "NHWC" or _channels_last(features, self):
            return features.flatten(1, 2)
        return features.flatten(2).transpose(1, 2)


def build_backbone(spec: BackboneSpec | PatchSpec, *, seed: int | None = None) -> Backbone:
    """Build the encoder of `spec`: random weights, or timm's if `spec.pretrained`.

    With a `seed`, the random weights depend only on it and torch's generator is unchanged.

    Raises:
        UsageError: timm does not have the model, or not at this image size.
        EnvironmentProblem: the published weights are not available.
    """
    if seed is None:
        return Backbone(_build_net(spec), spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Backbone(_build_net(spec), spec)


def _build_net(spec: BackboneSpec | PatchSpec) -> nn.Module:
    if isinstance(spec, PatchSpec):
        return _build_vit(
            spec,
            img_size=tuple(spec.shape),
            patch_size=tuple(spec.patch),
            embed_layer=PatchEmbedding,
        )
    if spec.preset is None:
        return _build_timm(spec)
    return _build_vit(spec, img_size=spec.image_size, patch_size=spec.patch)


def _build_vit(spec: BackboneSpec | PatchSpec, **input_options: Any) -> nn.Module:
    """Build a preset over the input that the options describe."""
    from timm.models.vision_transformer import VisionTransformer

    assert spec.preset is not None  # noqa: S101  (the specs check it)
    net: nn.Module = VisionTransformer(
        **input_options,
        **_feed_forward(spec),
        in_chans=spec.channels,
        num_classes=0,
        global_pool="avg",
        fc_norm=False,  # normalise before the mean, so that tokens are normalised too
        class_token=spec.class_token,
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


def _feed_forward(spec: BackboneSpec | PatchSpec) -> dict[str, Any]:
    """Plain layers are timm's default; gated ones have DINOv2's width: 8/3 D, in eights."""
    if spec.mlp == "gelu" or spec.preset is None:
        return {}
    from timm.layers.mlp import SwiGLUPacked

    dim = spec.preset.dim
    wide = 2 * swiglu_width(dim)  # value and gate in one matrix
    return {"mlp_ratio": (wide + 0.5) / dim, "mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}


def _start_with_sincos(net: Any) -> None:
    """Initialise the position embedding with sines and cosines along the axes, as in MAE."""
    table = net.pos_embed
    with torch.no_grad():
        table.copy_(sincos(tuple(net.patch_embed.grid_size), table.shape[-1]))


def _build_timm(spec: BackboneSpec) -> nn.Module:
    import timm

    if not timm.is_model(spec.name):
        raise UsageError(f"there is no backbone '{spec.name}'", hint=_suggest(spec.name))
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
    """Why timm did not build the model, in one sentence."""
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    if spec.pretrained:
        return EnvironmentProblem(
            f"the published weights of {spec.name} are not available: {reason}",
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
        and isinstance(net.patch_embed.proj, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        and net.pos_embed is not None
    )


def _channels_last(features: torch.Tensor, backbone: Backbone) -> bool:
    """Whether a [B,?,?,?] feature map has its channels last (some timm models)."""
    return features.shape[-1] == backbone.dim != features.shape[1]
