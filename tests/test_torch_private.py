"""The private names of torch and Accelerate that medfm uses do what medfm needs of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.utils.data import DataLoader

from medfm_cli.torch_private import (
    compile_errors,
    end_workers,
    forget_accelerator,
    forget_compiled,
    is_batch_norm,
    lerp_all,
    shared_storage,
)

REPOSITORY = Path(__file__).parent.parent
PRIVATE = re.compile(
    r"(torch|accelerate|timm)[a-zA-Z_.]*\._[a-z]"  # torch._x, torch.a._b
    r"|from (torch|accelerate|timm)[\w.]* import .*\b_\w"
    r"|\._(reset_state|new_shared|shutdown_workers|compiled_call_impl|foreach\w+)\b"
)


def test_no_other_file_uses_private_names() -> None:
    files = [*(REPOSITORY / "medfm_cli").rglob("*.py"), *(REPOSITORY / "commands").rglob("*.py")]
    lines = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for path in files
        if path.name != "torch_private.py"
        for line in path.read_text("utf-8").splitlines()
        if PRIVATE.search(line)
    ]
    assert lines == []
    assert PRIVATE.search((REPOSITORY / "medfm_cli/torch_private.py").read_text("utf-8"))


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, medfm_cli.torch_private; assert not {'torch'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_second_accelerator_may_have_another_precision() -> None:
    forget_accelerator()
    assert Accelerator(cpu=True, mixed_precision="bf16").mixed_precision == "bf16"
    forget_accelerator()
    assert not AcceleratorState().initialized if AcceleratorState._shared_state else True
    assert Accelerator(cpu=True, mixed_precision="no").mixed_precision == "no"
    forget_accelerator()


def test_a_shared_storage_is_shared() -> None:
    storage = shared_storage(16)
    assert (storage.nbytes(), storage.is_shared()) == (16, True)


def test_workers_end_at_once() -> None:
    loader = DataLoader([1, 2, 3, 4], num_workers=1, persistent_workers=True)  # type: ignore[arg-type]
    iterator = iter(loader)
    next(iterator)
    workers = iterator._workers  # type: ignore[attr-defined]
    assert all(worker.is_alive() for worker in workers)
    end_workers(iterator)
    assert not any(worker.is_alive() for worker in workers)


def test_what_cannot_be_compiled_raises_the_named_errors() -> None:
    def broken(values: torch.Tensor) -> torch.Tensor:
        torch._dynamo.graph_break()
        return values + 1

    with pytest.raises(compile_errors()):
        torch.compile(broken, fullgraph=True, backend="eager")(torch.ones(1))


def test_a_module_is_no_longer_compiled() -> None:
    calls: list[int] = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        calls.append(1)
        return graph

    module = nn.Linear(2, 2)
    module.compile(backend=backend)
    module(torch.ones(1, 2))
    assert calls == [1]
    forget_compiled(module)
    module(torch.ones(3, 5, 2))  # another shape would have been compiled again
    assert calls == [1]


def test_averages_move_towards_the_weights() -> None:
    averages, weights = [torch.zeros(2), torch.ones(1)], [torch.ones(2), torch.full((1,), 3.0)]
    lerp_all(averages, weights, 0.25)
    assert [values.tolist() for values in averages] == [[0.25, 0.25], [1.5]]


def test_batch_norms_are_known() -> None:
    norms = [nn.BatchNorm1d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2), nn.LazyBatchNorm2d()]
    assert all(is_batch_norm(module) for module in norms)
    assert not any(is_batch_norm(module) for module in (nn.LayerNorm(2), nn.InstanceNorm2d(2)))
