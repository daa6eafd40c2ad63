"""What this process may use of the machine: the container's limits count, not the host's size."""

from __future__ import annotations

import ctypes
import os
import shutil
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def usable_cpus() -> int:
    """Processors this process may run on: its affinity, cut by the cgroup's quota; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, period = _quota()
    if quota is not None and period:
        cpus = min(cpus, -(-quota // period))
    return max(1, cpus)


def available_memory() -> int:
    """Bytes available without swapping or reaching the cgroup's limit."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        maximum, current = _number(limit), _number(used)
        if maximum is not None and current is not None:
            free = min(free, max(0, maximum - current))
    return free


def free_shared_memory() -> int | None:
    """Free bytes of /dev/shm, through which workers hand over batches; None where there is none."""
    try:
        return shutil.disk_usage("/dev/shm").free  # noqa: S108
    except OSError:
        return None


def keep_freed_memory() -> None:
    """Have glibc keep what a training step frees for the next step.

    By default it returns the top of its heap to the system after every step and takes it back
    page by page in the next: 5 % of the time of a small model. Once changed, the limits no longer
    adapt, so both are set; 32 MB is the most that it takes for the first.
    """
    allocator = getattr(ctypes.CDLL(None), "mallopt", None)
    if allocator is not None:  # glibc; others have no such function
        allocator(_M_MMAP_THRESHOLD, 32 << 20)
        allocator(_M_TRIM_THRESHOLD, 512 << 20)


def give_back_memory() -> None:
    """Give freed memory back to the system between two steps of very different needs.

    The C library keeps what was freed in pieces, and the next step may not fit into them. Only
    glibc has a call for it; elsewhere this does nothing.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _quota() -> tuple[int | None, int]:
    """Microseconds of processor time per period (cgroup v2, then v1); None without a limit."""
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return (None if quota == "max" else int(quota)), int(period)
    except (OSError, ValueError):
        older = _number("cpu/cpu.cfs_quota_us")
        return (older if older and older > 0 else None), _number("cpu/cpu.cfs_period_us") or 0


def _number(name: str) -> int | None:
    try:
        return int((CGROUP / name).read_text())
    except (OSError, ValueError):
        return None
