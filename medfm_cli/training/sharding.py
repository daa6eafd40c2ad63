"""FSDP2: every process keeps a part of every weight, gradient and moment.

`fully_shard` of torch (Zhao et al. 2023, its second form) cuts each parameter along its first axis;
a block's weights are gathered just before it runs and let go after. Accelerate's own plugin falls
back to DDP on the CPU without a word, so this stands on torch alone.

Shards go to disk through torch.distributed.checkpoint, as safetensors: its usual format keeps an
index that is a pickle, and no pickle is ever loaded here.

torch.distributed.fsdp takes half as long to import as torch: only where weights are spread.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from medfm_cli.training.sharded import is_spread

if TYPE_CHECKING:
    from medfm_cli.training.session import Session
    from medfm_cli.training.task import Task


def shard(task: Task, session: Session) -> Task:
    """Give a copy of `task` whose parameters are spread over the processes.

    Blocks of transformers (and stages of other networks) are gathered one at a time; what is
    outside of them is gathered for the whole of a forward pass.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(session.device.type, (session.world,))
    sharded = copy.deepcopy(task)
    for block in blocks_of(sharded):
        fully_shard(block, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    return sharded


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The parts that are gathered apart: the members of every innermost list called blocks.

    timm calls them `blocks` (transformers, ConvNeXt's stages) or `layer1` to `layer4` (ResNets).
    """
    names = ("blocks", "layers", "layer1", "layer2", "layer3", "layer4")
    found = [
        child
        for name, parent in module.named_modules()
        if name.rpartition(".")[2] in names and isinstance(parent, nn.Sequential | nn.ModuleList)
        for child in parent
    ]
    outer = {id(part) for block in found for part in block.modules() if part is not block}
    return [block for block in found if id(block) not in outer]


@torch.no_grad()
def gather_weights(sharded: Task, task: Task) -> Task:
    """Put the whole weights of `sharded` into `task`; all processes must call it together."""
    if sharded is not task:
        task.load_state_dict(
            {name: full_tensor(value) for name, value in sharded.state_dict().items()}
        )
    return task


def full_tensor(value: Tensor) -> Tensor:
    """The tensor with the parts of all processes, which must call this together."""
    together: Tensor = value.full_tensor() if is_spread(value) else value
    return together


def write_shards(folder: Path, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write this process's parts of all tensors into `folder`; all processes call it together.

    Raises:
        OSError: a process could not write.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    dist.barrier()  # the first process makes the folder
    tensors = {f"{group}/{n}": value for group, all_ in groups.items() for n, value in all_.items()}
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        save(tensors, storage_writer=writer)
    except CheckpointException as error:
        reasons = [failure[0] for failure in error.failures.values()]
        raise OSError(0, f"{reasons[0]}") from error


def read_shards(folder: Path, like: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Read the tensors of a sharded checkpoint, by group.

    They are spread as the parameters of the same name in `like` are, over however many processes
    there are now; what has another shape than its parameter is read whole.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = HuggingFaceStorageReader(str(folder))
    stored: Mapping[str, Any] = reader.read_metadata().state_dict_metadata
    tensors = {
        key: _empty(meta, like.get(_parameter(key.partition("/")[2])))
        for key, meta in stored.items()
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        load(tensors, storage_reader=reader, no_dist=not dist.is_initialized())
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value
    return groups


def distribute(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Shard whole tensors, the same in all processes, as the parameters in `like` are."""
    return {name: _distribute(value, like.get(_parameter(name))) for name, value in tensors.items()}


def _distribute(value: Tensor, like: Tensor | None) -> Tensor:
    if like is None or not is_spread(like) or like.shape != value.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    placed = value.to(like.device)
    return distribute_tensor(placed, like.device_mesh, like.placements, src_data_rank=None)


def _parameter(name: str) -> str:
    """The parameter that a tensor belongs to: `exp_avg:blocks.0.weight` → `blocks.0.weight`."""
    return name.rpartition(":")[2]


def _empty(stored: Any, like: Tensor | None) -> Tensor:
    if like is not None and like.shape == stored.size:
        return torch.zeros_like(like, dtype=stored.properties.dtype, requires_grad=False)
    return torch.zeros(stored.size, dtype=stored.properties.dtype)
