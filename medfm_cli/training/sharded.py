"""Whether weights are spread over processes, without importing what spreads them.

torch.distributed.fsdp takes half as long to import as torch.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor
    from typing_extensions import TypeIs


def is_spread(value: Tensor) -> TypeIs[DTensor]:
    """Whether each process holds a part of this tensor."""
    loaded = sys.modules.get("torch.distributed.tensor")  # what makes such a tensor imports it
    return loaded is not None and isinstance(value, loaded.DTensor)


def is_sharded(module: nn.Module) -> bool:
    """Whether the processes hold the parameters of this module in parts."""
    loaded = sys.modules.get("torch.distributed.fsdp")
    return loaded is not None and isinstance(module, loaded.FSDPModule)
