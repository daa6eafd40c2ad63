"""The `deduplicate` block of the curate recipe. Imports no numpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medfm_cli.recipe import Part


class Deduplicate(Part):
    """What becomes of the same and of nearly the same samples."""

    exact: Literal["keep_one", "tie", "off"] = Field(
        "keep_one",
        description="The same content in whatever encoding: keep_one (of which most is known; "
        "what the copies know is added), tie (keep all, in one split), off.",
    )
    near: Literal["tie", "keep_one", "off"] = Field(
        "tie",
        description="Images that look the same (resized, recompressed, cropped, other contrast): "
        "tie (keep all, in one split), keep_one, off.",
    )
    distance: int = Field(
        8,
        ge=0,
        le=16,
        description="Bits of 63 in which the perceptual hashes of near copies differ, at most; "
        "every pair found is compared again by small images.",
    )
    turned: bool = Field(True, description="Also find copies that are turned by 90° or flipped.")
    embedding: str | None = Field(
        None,
        description="A model directory: images whose features are alike are near copies too "
        "(needs the extra train).",
    )
    similarity: float = Field(
        0.97, gt=0, le=1, description="Cosine of the features from which they are alike."
    )
