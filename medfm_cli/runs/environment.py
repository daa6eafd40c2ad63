"""Where a run happened: versions and machine, written to environment.json."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

from medfm_cli.version import __version__

PACKAGES = (
    "torch", "torchvision", "timm", "accelerate", "safetensors", "numpy", "scipy", "scikit-learn",
    "pillow", "pyarrow", "pydicom", "pylibjpeg", "nibabel", "onnx", "onnxruntime", "onnxscript",
    "pydantic", "typer", "rich",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Versions, processor and memory. Imports none of the packages it names."""
    import psutil

    return {
        "medfm": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": os.environ.get("OMP_NUM_THREADS", "auto"),
        "packages": versions(),
    }


def versions() -> dict[str, str]:
    """The installed version of each package that can change a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
