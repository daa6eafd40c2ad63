"""A backbone with a head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from medfm_cli.models.backbones import Backbone


class Classifier(nn.Module):
    """Images float32 [B,C,S,S] to logits [B,K]."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [B,K] of normalised images [B,C,S,S]."""
        logits: torch.Tensor = self.head(self.backbone.features(images))
        return logits
