"""The machine: processor, memory, disk, graphics cards."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about the machine; sizes in bytes."""

    system: str
    processor: str
    cores: int
    usable_cores: int
    memory: int
    memory_free: int
    folder: str
    disk_free: int
    folder_writable: bool
    gpus: list[str]
    torch_device: str | None


def machine(folder: Path, *, torch_installed: bool) -> Machine:
    """Inspect the machine; `folder` is where runs would be written."""
    import psutil

    memory = psutil.virtual_memory()
    gpus = _gpus()
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        usable_cores=_usable_cores(),
        memory=min(memory.total, _cgroup_limit() or memory.total),
        memory_free=memory.available,
        folder=str(folder),
        disk_free=shutil.disk_usage(folder).free,
        folder_writable=_writable(folder),
        gpus=gpus,
        torch_device=_torch_device(gpus) if torch_installed else None,
    )


def _usable_cores() -> int:
    """Cores available to this process; a container or a scheduler may limit them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cgroup_limit() -> int | None:
    """The memory limit of the container, if there is one."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (Path("/sys/fs/cgroup") / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def _writable(folder: Path) -> bool:
    """Whether a file can be created: on some disks permission bits are not reliable."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _gpus() -> list[str]:
    """Names, memory and driver of NVIDIA cards, from nvidia-smi."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return [line.strip() for line in _output(query).splitlines() if line.strip()]


def _torch_device(gpus: list[str]) -> str:
    """The device torch would train on; checked in another process, and only if necessary."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if not gpus and not apple:
        return "cpu"
    code = (
        "import torch; print('cuda' if torch.cuda.is_available() else "
        "'mps' if torch.backends.mps.is_available() else 'cpu')"
    )
    return _output([sys.executable, "-c", code], seconds=120).strip() or "cpu"


def _output(command: list[str], *, seconds: float = 15) -> str:
    """The output of a program; empty if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
