"""The recipe keys of probes and of class weights. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medfm_cli.recipe import Part

ClassWeights = Literal["auto", "none", "balanced"]


class ProbeKeys(Part):
    """How a linear probe is fitted on frozen features.

    The defaults are the rule of BioVFM-21M (arXiv 2505.09329): BatchNorm without weights and a
    linear layer, AdamW at 0.01 without decay, batch 128, 100 epochs of cosine to zero, the epoch
    with the lowest validation loss. Its augmentation (rotation, crop) is left out: features are
    computed once.
    """

    rule: Literal["biovfm", "logistic"] = Field(
        "biovfm",
        description="biovfm: AdamW as in BioVFM-21M; logistic: L2-regularised, by L-BFGS.",
    )
    learning_rate: float = Field(1e-2, gt=0, description="Peak rate of rule biovfm.")
    weight_decay: float = Field(0.0, ge=0, description="Decay of rule biovfm.")
    batch: int = Field(128, ge=2, description="Samples a step of rule biovfm.")
    epochs: int = Field(100, ge=1, description="Passes over the features of rule biovfm.")
    inverse_l2: float = Field(
        1.0, gt=0, description="C of rule logistic; smaller is more regularised."
    )


def choose_class_weights(requested: ClassWeights, counts: list[int]) -> tuple[bool, str]:
    """Whether classes are to be balanced in the loss, and why.

    Args:
        requested: the key of the recipe.
        counts: training images of each class; classes without an image do not count.
    """
    if requested != "auto":
        return requested == "balanced", "set in the recipe"
    present = [count for count in counts if count]
    ratio = max(present) / min(present)
    return ratio >= 2, (f"the largest class has {ratio:.1f} times the images of the smallest")
