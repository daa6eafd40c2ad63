"""What `auto` resolves to when a loader is made, and why."""

from __future__ import annotations

from typing import NamedTuple

from medfm_cli.recipe import Auto
from medfm_cli.runs.machine import available_memory, free_shared_memory, usable_cpus

CACHE_SHARE = 0.1
"""The share of the available memory that decoded images may take."""
MOST_WORKERS = 8
BATCHES_A_WORKER = 3
"""Batches in shared memory at once: one in use, the others prepared ahead."""


class Choice(NamedTuple):
    """What an `auto` resolves to, and why: for `Run.resolve`."""

    key: str
    value: int | bool
    why: str


def choose_cache(configured: bool | Auto, *, nbytes: int, world: int) -> Choice:
    """Whether to keep `nbytes` of fitted images in the memory of each of `world` processes."""
    if configured != "auto":
        return Choice("cache", configured, "as configured")
    share = int(available_memory() * CACHE_SHARE) // world
    sizes = f"decoded images take {nbytes / 1e6:.0f} MB of {share / 1e6:.0f} MB allowed"
    return Choice("cache", nbytes <= share, sizes)


def choose_workers(configured: int | Auto, *, cached: bool, batch_bytes: int, world: int) -> Choice:
    """How many workers decode for each process, when a batch of one takes `batch_bytes`."""
    if cached:
        return Choice("workers", 0, "the images are kept in memory")
    if configured != "auto":
        return Choice("workers", configured, "as configured")
    cpus = usable_cpus()
    workers = max(1, min(MOST_WORKERS, cpus // world - 1))
    shared = free_shared_memory()
    if shared is None:
        return Choice("workers", workers, _processors(cpus, world))
    room = shared // 2 // world // (BATCHES_A_WORKER * max(1, batch_bytes))
    if room < workers:
        return Choice("workers", room, f"shared memory has room for the batches of {room}")
    return Choice("workers", workers, _processors(cpus, world))


def _processors(cpus: int, world: int) -> str:
    return f"{cpus} processors, {world} training process{'es' if world > 1 else ''}"
