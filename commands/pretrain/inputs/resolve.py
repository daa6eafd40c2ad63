"""Resolve the recipe block `input` from the data. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.inputs.audio import resolve_audio
from medfm_cli.commands.pretrain.inputs.options import (
    AudioChoice,
    ImageChoice,
    SeriesChoice,
    SignalChoice,
    VolumeChoice,
)
from medfm_cli.commands.pretrain.inputs.series import resolve_series
from medfm_cli.commands.pretrain.inputs.signal import resolve_signal
from medfm_cli.commands.pretrain.inputs.volume import resolve_volume

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.inputs.inspect import Resolve
    from medfm_cli.data.dataset import Dataset
    from medfm_cli.data.inputs import PatchInput

Choice = ImageChoice | VolumeChoice | SignalChoice | SeriesChoice | AudioChoice


def kinds_of(choice: Choice, dataset: Dataset) -> tuple[str, ...]:
    """The kinds of the training samples, that of the input first."""
    if (
        isinstance(choice, VolumeChoice)
        and choice.images
        and dataset.card.counts.kinds.get("image")
    ):
        return "volume", "image"
    return (choice.kind,)


def resolve_input(
    choice: Choice, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> PatchInput | None:
    """Resolve and record what the recipe sets to `auto`; None for images.

    The size of images is the backbone's (`pretrain.resolve.resolve_backbone`).

    Args:
        choice: the recipe's block.
        dataset: the training data.
        rows: its training rows; only these are measured.
        resolve: called with the key, the value and the reason of every choice.

    Raises:
        DataError: the samples do not share an input that a network could take.
    """
    if isinstance(choice, VolumeChoice):
        return resolve_volume(choice, dataset, rows, resolve)
    if isinstance(choice, SignalChoice):
        return resolve_signal(choice, dataset, rows, resolve)
    if isinstance(choice, SeriesChoice):
        return resolve_series(choice, dataset, rows, resolve)
    if isinstance(choice, AudioChoice):
        return resolve_audio(choice, dataset, rows, resolve)
    return None
