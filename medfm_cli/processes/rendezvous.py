"""Where the processes of a run meet: one key-value store for the whole command.

torch.distributed would make a new store for every training, at the same address and under the
same keys: the second training of a pipeline then meets what the first left behind. So there is
one store a process, and every group has keys of its own in it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import timedelta

import torch.distributed as dist
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from medfm_cli.errors import ContactLost
from medfm_cli.processes.launch import STORE_SOCKET

_PATIENCE = timedelta(minutes=5)
"""How much later than another one process may come: imports are slow on a busy file system."""

_POLL_SECONDS = 0.05


@dataclass
class _Meeting:
    """What this process knows: the store, the current work and its groups."""

    store: Store | None = None
    work: str = "work"
    groups: int = 0


_meeting = _Meeting()


def meet() -> Store:
    """The store that all processes of this command share; the first process keeps it.

    Raises:
        RuntimeError: the first process could not be reached (torch's DistStoreError is one).
    """
    if _meeting.store is None:
        # The agent of torchrun keeps a store already, and keeps it over restarts of its processes.
        agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        socket = os.environ.pop(STORE_SOCKET, None)
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            int(os.environ["WORLD_SIZE"]),
            is_master=os.environ["RANK"] == "0" and not agent,
            timeout=_PATIENCE,
            wait_for_workers=False,
            master_listen_fd=None if socket is None else int(socket),
        )
        tries = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        _meeting.store = PrefixStore(f"medfm-{tries}", store)
    return _meeting.store


def begin(work: str) -> None:
    """Begin a piece of work that all processes do, under a name that it alone has."""
    _meeting.work, _meeting.groups = work, 0


def give_up() -> None:
    """Tell those who wait for this process in `open_group` that it will not come."""
    meet().set(f"{_meeting.work}-given-up", "")


def open_group(*, rank: int, world: int, gpu: bool) -> None:
    """Open torch's process group; every process must do so equally often in a piece of work.

    Raises:
        ContactLost: another process gave up, or did not come.
    """
    store, group = meet(), f"{_meeting.work}-{_meeting.groups}"
    _meeting.groups += 1
    store.set(f"{group}-{rank}", "")
    everyone = [f"{group}-{other}" for other in range(world)]
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    while not store.check(everyone):
        if store.check([f"{_meeting.work}-given-up"]) or time.monotonic() > deadline:
            raise ContactLost(f"training process {rank} of {world} waited for the others in vain")
        time.sleep(_POLL_SECONDS)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpu else "gloo",
        store=PrefixStore(group, store),
        rank=rank,
        world_size=world,
    )
