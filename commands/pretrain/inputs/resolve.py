"""From the recipe block `input` and the data to what the network takes. Torch-free."""

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
    """The kinds of sample that are learned from, the kind of the input first."""
    if (
        isinstance(choice, VolumeChoice)
        and choice.pictures
        and dataset.card.counts.kinds.get("image")
    ):
        return "volume", "image"
    return (choice.kind,)


def resolve_input(
    choice: Choice, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> PatchInput | None:
    """Settle what the recipe leaves to the data, and record it; None for images.

    Of images the backbone says how large they are (`planning.resolve_backbone`).

    Args:
        choice: the recipe's block.
        dataset: what is learned from.
        rows: its rows that are learned from; nothing is measured on others.
        resolve: told every choice and why.

    Raises:
        DataError: the samples have nothing in common that a network could take.
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
