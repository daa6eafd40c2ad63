"""Optional dependencies: imported lazily, missed with one clear sentence."""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache
from typing import TYPE_CHECKING

from medfm_cli.errors import EnvironmentProblem

if TYPE_CHECKING:
    from types import ModuleType


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Raises:
        EnvironmentProblem: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise missing(module, extra=extra) from None


def missing(module: str, *, extra: str) -> EnvironmentProblem:
    """The error for a module that an extra would bring."""
    return EnvironmentProblem(
        f"this needs the package '{module}', which is not installed",
        hint=f"pip install 'medfm[{extra}]'",
    )


@lru_cache
def installed(module: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(module) is not None
