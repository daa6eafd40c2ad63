"""Libraries of an extra, missed as a reason that a quarantine can show."""

from __future__ import annotations

from typing import Any

from medfm_cli.errors import EnvironmentProblem, Unreadable
from medfm_cli.extras import require

NEEDS = "this format needs: "
"""How such a reason begins; the rest of it is the command that helps."""


def needed(module: str, *, extra: str) -> Any:
    """Import a library that a reader stands on.

    Raises:
        Unreadable: it is not installed; one such file must not end the reading of all others.
    """
    try:
        return require(module, extra=extra)
    except EnvironmentProblem:
        raise Unreadable(f"{NEEDS}pip install 'medfm[{extra}]'") from None
