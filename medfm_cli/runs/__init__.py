"""Run directories: identity, lock, records, results and report pages.

The names are imported when first used: a wrong recipe is reported before anything is loaded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfm_cli.runs.blocks import Callout, Document, Facts, Figure, Section, Table, Text
    from medfm_cli.runs.plan import Plan
    from medfm_cli.runs.result import Result
    from medfm_cli.runs.run import Run

__all__ = [
    "Callout",
    "Document",
    "Facts",
    "Figure",
    "Plan",
    "Result",
    "Run",
    "Section",
    "Table",
    "Text",
]

_HOMES = {"Plan": "plan", "Result": "result", "Run": "run"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'blocks')}"), name)
