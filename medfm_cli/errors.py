"""What can go wrong, and the exit code that says so.

Engines raise these; whatever else escapes is a bug and ends with `ExitCode.BUG`.
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
    INTERRUPTED = 130
    READER_GONE = 141
    TERMINATED = 143


class MedfmError(Exception):
    """A problem that a person can understand and act on: one sentence, and what to do."""

    exit_code: int = ExitCode.FAILED
    kind = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RunFailed(MedfmError):
    """The work was started rightly and did not succeed (diverged loss, parity not reached)."""


class ContactLost(RunFailed):
    """Another process of the same run ended without giving a reason."""


class UsageError(MedfmError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE
    kind = "usage"


class RecipeError(UsageError):
    """The recipe is wrong; carries every problem found, not only the first."""

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

    `step` is `read` when the file could not be understood, `quality` when it was and is no image.
    A reader of a file of many samples raises it when the file ends here, and *yields* it when only
    one of them, `part`, cannot be read and the others can.
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
    """The run is done, but a threshold that the recipe sets was not reached."""

    exit_code = ExitCode.GATE
    kind = "gate"


class Locked(MedfmError):
    """Another process works in the same run directory."""

    exit_code = ExitCode.LOCKED
    kind = "locked"


class Stopped(MedfmError):
    """A signal asked the run to stop; what was done is kept and the next run goes on from it."""

    kind = "stopped"

    def __init__(self, signum: int) -> None:
        name = signal.Signals(signum).name
        super().__init__(
            f"stopped by {name}; progress is kept",
            hint="run the same command again to continue",
        )
        self.signum = signum
        self.exit_code = 128 + signum
