"""Collators: what turns the samples of a batch into named tensors.

`ArrayCollator` gives the samples themselves, `MaskCollator` and `BoxCollator` what is marked in
them, `TokenCollator` their texts; `JoinedCollator` puts several side by side.
"""

from medfm_cli.data.collators.arrays import ArrayCollator, MaskCollator
from medfm_cli.data.collators.base import Collator, JoinedCollator
from medfm_cli.data.collators.boxes import BoxCollator
from medfm_cli.data.collators.tokens import TokenCollator

__all__ = [
    "ArrayCollator",
    "BoxCollator",
    "Collator",
    "JoinedCollator",
    "MaskCollator",
    "TokenCollator",
]
