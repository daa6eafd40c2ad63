"""The errors of medfm and their exit codes.

Engines raise these; any other exception is a bug and ends with `ExitCode.BUG`.
"""

from __future__ import annotations

import signal
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.recipe.problems import Problem


class ExitCode(IntEnum):
    """The stable exit codes of every medfm command (docs/exit-codes.md)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DATA = 3
    ENVIRONMENT = 4
    GATE = 5
    BUG = 70
    LOCKED = 75
    HUNG_UP = 129
    INTERRUPTED = 130
    READER_GONE = 141
    TERMINATED = 143


class MedfmError(Exception):
    """A problem that a user can solve: one sentence, and what to do."""

    exit_code: int = ExitCode.FAILED
    kind = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RunFailed(MedfmError):
    """The run was started correctly and did not succeed (diverged loss, parity not reached)."""


class ContactLost(RunFailed):
    """Another process of the same run ended without giving a reason."""


class UsageError(MedfmError):
    """The command line is invalid."""

    exit_code = ExitCode.USAGE
    kind = "usage"


class RecipeError(UsageError):
    """The recipe is invalid; carries all problems, not only the first."""

    kind = "recipe"

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        count = len(problems)
        super().__init__(f"the recipe has {count} problem{'s' if count != 1 else ''}", hint=hint)
        self.problems = list(problems)


class DataError(MedfmError):
    """The data cannot be used as they are."""

    exit_code = ExitCode.DATA
    kind = "data"


class Unreadable(DataError):
    """A file that gives no sample; `reason` says why, briefly, and names no patient.

    `step` is `read` if the file could not be parsed, `quality` if its content is not usable.
    A reader of a file with many samples raises it if the whole file is unreadable, and *yields* it
    if only one sample, `part`, is unreadable.
    """

    def __init__(self, reason: str, *, step: str = "read", part: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.step = step
        self.part = part

    def __reduce__(self) -> tuple[object, ...]:
        return _unreadable, (self.reason, self.step, self.part)


def _unreadable(reason: str, step: str, part: str) -> Unreadable:
    return Unreadable(reason, step=step, part=part)


class EnvironmentProblem(MedfmError):
    """The machine lacks something: an extra, disk, memory, a permission, a network."""

    exit_code = ExitCode.ENVIRONMENT
    kind = "environment"


class GateNotMet(MedfmError):
    """The run is finished, but a threshold of the recipe was missed."""

    exit_code = ExitCode.GATE
    kind = "gate"


class Locked(MedfmError):
    """Another process works in the same run directory."""

    exit_code = ExitCode.LOCKED
    kind = "locked"


class Stopped(MedfmError):
    """A signal stopped the run; its progress is kept and the same command continues it."""

    kind = "stopped"

    def __init__(self, signum: int) -> None:
        name = signal.Signals(signum).name
        super().__init__(
            f"stopped by {name}; progress is kept",
            hint="run the same command again to continue",
        )
        self.signum = signum
        self.exit_code = 128 + signum
