"""The recipe's `derive` block: samples made from samples. Imports no numpy.

How large images are cut, and how many frames and slices are taken, stays with the top-level keys
`tile`, `frames` and `slices`, whose limits hold here too.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from medfm_cli.commands.curate.options.clients import Clients
from medfm_cli.commands.curate.options.instructions import Instructions
from medfm_cli.data.card import Unify
from medfm_cli.recipe import Part


class Derive(Part):
    """Samples made from samples; without any key they stay as they are."""

    planes: list[Literal["axial", "coronal", "sagittal"]] = Field(
        default_factory=list,
        description="Cut volumes that are read whole into slices of these planes, up to `slices` "
        "of each.",
    )
    stills: bool = Field(
        False, description="Cut videos that are read whole into frames, up to `frames`."
    )
    window_seconds: float | None = Field(
        None, gt=0, description="Cut signals and audio into windows of this length."
    )
    windows: int = Field(8, ge=1, description="Most windows of one signal, evenly spaced.")
    unify: Unify | None = Field(
        None, description="One shape for images and volumes: size × size × the nearest depth."
    )
    instructions: Instructions | None = Field(
        None, description="Questions and answers made from labels and modalities."
    )
    clients: Clients | None = Field(
        None, description="Partition of the training samples among the clients of a federation."
    )

    def cutting(self) -> dict[str, Any]:
        """The values of this block in the card's `Cutting`."""
        names = ("planes", "stills", "window_seconds", "windows", "unify")
        return {name: getattr(self, name) for name in names}
