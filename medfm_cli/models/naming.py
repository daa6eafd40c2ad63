"""Convert other programs' names of vision transformer parts to timm's names.

Supported are training scripts' prefixes (`module.`, `backbone.` …), files of MAE and DINOv2, and
Hugging Face's ViT, ViTMAE and DINOv2 (with registers), as saved by transformers 4 and 5.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    Tensors = dict[str, torch.Tensor]

PREFIXES = ("module.", "backbone.", "encoder.", "model.", "net.", "trunk.")
_HUGGING_FACE = "embeddings.patch_embeddings.projection.weight"
_QKV = "qkv"
_THIRDS = {"query": 0, "q_proj": 0, "key": 1, "k_proj": 1, "value": 2, "v_proj": 2}

# In order; every rule is tried on the whole name.
_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "hugging face": (
        (r"embeddings\.cls_token", "cls_token"),
        (r"embeddings\.position_embeddings", "pos_embed"),
        (r"embeddings\.register_tokens", "reg_token"),
        (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
        (r"layernorm\.(.+)", r"norm.\1"),
        (r"(?:encoder\.)?layers?\.(\d+)\.(.+)", r"blocks.\1.\2"),
        (r"(blocks\.\d+)\.attention\.output\.dense\.(.+)", r"\1.attn.proj.\2"),
        (r"(blocks\.\d+)\.attention\.o_proj\.(.+)", r"\1.attn.proj.\2"),
        (r"(blocks\.\d+)\.layernorm_before\.(.+)", r"\1.norm1.\2"),
        (r"(blocks\.\d+)\.layernorm_after\.(.+)", r"\1.norm2.\2"),
        (r"(blocks\.\d+)\.intermediate\.dense\.(.+)", r"\1.mlp.fc1.\2"),
        (r"(blocks\.\d+)\.output\.dense\.(.+)", r"\1.mlp.fc2.\2"),
        (r"(blocks\.\d+)\.layer_scale([12])\.lambda1", r"\1.ls\2.gamma"),
        (r"(blocks\.\d+)\.mlp\.weights_in\.(.+)", r"\1.mlp.fc1.\2"),
        (r"(blocks\.\d+)\.mlp\.weights_out\.(.+)", r"\1.mlp.fc2.\2"),
    ),
    "scripts": (
        (r"register_tokens", "reg_token"),
        (r"blocks\.\d+\.(\d+)\.(.+)", r"blocks.\1.\2"),  # DINOv2 trains blocks in chunks
        (r"(blocks\.\d+\.mlp)\.w12\.(.+)", r"\1.fc1.\2"),
        (r"(blocks\.\d+\.mlp)\.w3\.(.+)", r"\1.fc2.\2"),
    ),
}


class Renamed(NamedTuple):
    """Tensors under timm's names, and where they come from: name in the file → name here."""

    tensors: Tensors
    names: dict[str, str]


def to_timm(given: Mapping[str, torch.Tensor], expected: Collection[str]) -> Renamed:
    """Give tensors the names that `expected` has, as far as they are known.

    Queries, keys and values that a file holds apart become one matrix. Unknown names stay.
    """
    mark = next((name for name in given if name.endswith(_HUGGING_FACE)), None)
    if mark is not None:
        rules, prefix = _RULES["hugging face"], mark.removesuffix(_HUGGING_FACE)
    else:
        rules, prefix = _RULES["scripts"], _prefix(given, expected)
    tensors: Tensors = {}
    names: dict[str, str] = {}
    thirds: dict[str, dict[int, torch.Tensor]] = defaultdict(dict)
    for old, value in given.items():
        if not old.startswith(prefix):
            names[old] = old
            continue
        new = old.removeprefix(prefix)
        if new not in expected:
            new = _apply(rules, new)
        if third := re.fullmatch(r"(blocks\.\d+)\.attention\.(?:attention\.)?(\w+)\.(\w+)", new):
            block, part, kind = third.groups()
            if part in _THIRDS:
                new = f"{block}.attn.{_QKV}.{kind}"
                thirds[new][_THIRDS[part]] = value
        names[old] = new
        if new not in thirds:
            tensors[new] = value
    for new, parts in thirds.items():
        if len(parts) == 3:
            tensors[new] = torch.cat([parts[index] for index in range(3)])
    return Renamed(tensors, names)


def _apply(rules: tuple[tuple[str, str], ...], name: str) -> str:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            name = match.expand(replacement)
    return name


def _prefix(names: Collection[str], expected: Collection[str]) -> str:
    """Find the prefixes (`module.backbone.` …) without which more of the names fit."""
    whole = ""
    while True:
        fitting = sum(name in expected for name in names)
        best = None
        for prefix in PREFIXES:
            inner = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
            found = sum(name in expected for name in inner)
            nested = any(name.startswith(PREFIXES) for name in inner)
            if found > fitting or (inner and not fitting and nested):
                best, fitting = (prefix, inner), found
        if best is None:
            return whole
        whole, names = whole + best[0], best[1]
