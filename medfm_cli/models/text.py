"""Text encoders: a small transformer of our own, or one of Hugging Face's from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medfm_cli.data.tokens import EXTRA
from medfm_cli.errors import DataError
from medfm_cli.extras import require
from medfm_cli.models.text_spec import TextSpec

if TYPE_CHECKING:
    from medfm_cli.models.text_spec import Pooling


class TextTower(nn.Module):
    """Tokens [B,L] to features [B,D]: blocks that norm first, learned positions, no causal mask.

    The sizes and the pooling at the end token are CLIP's (Radford et al. 2021, §2.4). CLIP's tower
    has a causal mask, to allow a language model; this one attends to the whole text.
    """

    def __init__(self, spec: TextSpec) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        self.spec = spec
        self.dim = spec.dim
        self.words = nn.Embedding(spec.vocabulary, spec.dim)
        self.positions = nn.Parameter(torch.empty(spec.length, spec.dim))
        self.blocks = nn.ModuleList(
            Block(spec.dim, spec.heads, qkv_bias=True) for _ in range(spec.depth)
        )
        self.norm = nn.LayerNorm(spec.dim)
        self.apply(_initialise)
        nn.init.normal_(self.positions, std=0.01)

    def no_weight_decay(self) -> set[str]:
        """The parameters without weight decay."""
        return {"positions"}

    def forward(self, tokens: Tensor) -> Tensor:
        """The features [B,D] of tokens [B,L]; `pad` tokens are masked."""
        seen = tokens != self.spec.pad
        hidden = self.words(tokens) + self.positions
        for block in self.blocks:
            hidden = block(hidden, attn_mask=seen[:, None, None, :])
        return pool(self.norm(hidden), seen, self.spec.pooling)


class HubTower(nn.Module):
    """A text model of transformers with the same interface."""

    def __init__(self, spec: TextSpec, model: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.dim = spec.dim
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the features [B,D] of tokens [B,L]."""
        seen = tokens != self.spec.pad
        hidden = self.model(input_ids=tokens, attention_mask=seen.long()).last_hidden_state
        return pool(hidden, seen, self.spec.pooling)


def pool(hidden: Tensor, seen: Tensor, pooling: Pooling) -> Tensor:
    """Pool tokens [B,L,D] with mask `seen` [B,L] to one vector [B,D]."""
    if pooling == "end":
        last = seen.sum(dim=1) - 1
        return hidden[torch.arange(len(hidden), device=hidden.device), last]
    weights = seen.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def build_text_tower(spec: TextSpec) -> TextTower | HubTower:
    """Build the tower of `spec` with random weights.

    Raises:
        EnvironmentProblem: it needs transformers, and the extra `text` is not installed.
    """
    if spec.hub is None:
        return TextTower(spec)
    library = require("transformers", extra=EXTRA)
    config = library.AutoConfig.for_model(**spec.hub)
    return HubTower(spec, _without_pooler(library.AutoModel.from_config(config)))


def load_hub_tower(directory: Path | str, spec: TextSpec) -> HubTower:
    """Load a Hugging Face folder (config.json, model.safetensors); nothing is downloaded or run.

    Args:
        directory: the folder.
        spec: its `length`, `pooling` and `pad` are kept; the rest comes from the folder.

    Raises:
        DataError: the folder is missing, or has no text model in safetensors.
        EnvironmentProblem: the extra `text` is not installed.
    """
    if not Path(directory).is_dir():
        raise DataError(
            f"there is no folder '{directory}'",
            hint="text.pretrained names a local Hugging Face folder with a text model",
        )
    library = require("transformers", extra=EXTRA)
    try:
        model = library.AutoModel.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        config = model.config.get_text_config()
        positions = int(getattr(config, "max_position_embeddings", spec.length))
        sizes = {
            "dim": int(config.hidden_size),
            "depth": int(config.num_hidden_layers),
            "heads": int(config.num_attention_heads),
            "vocabulary": int(config.vocab_size),
        }
    except Exception as error:  # the library raises many kinds of errors
        reason = str(error).strip().split("\n")[0][:160]
        raise DataError(f"'{directory}' has no text model that can be loaded: {reason}") from None
    if spec.length > positions:
        raise DataError(
            f"the text model in '{directory}' takes {positions} tokens, not {spec.length}",
            hint=f"set objective.text.length to {positions} or less",
        )
    folder_spec = spec.model_copy(update={**sizes, "hub": model.config.to_diff_dict()})
    return HubTower(folder_spec, _without_pooler(model))


def _without_pooler(model: Any) -> nn.Module:
    """Remove a head that our pooling replaces: without a gradient it would block DDP."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    module: nn.Module = model.train()
    return module


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
