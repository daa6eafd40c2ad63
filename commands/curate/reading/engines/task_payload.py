"""What is sent to a machine of the cluster and back: a few work units, and their results.

Both are plain data. A payload holds the key of the pseudonyms, so it shows nothing of itself: Dask
writes the arguments of a task that failed into its logs.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from medfm_cli.commands.curate.reading.staging import WorkUnit
from medfm_cli.commands.curate.reading.worker import WorkerConfig
from medfm_cli.version import __version__

LIBRARIES = (
    "numpy", "pillow", "pydicom", "pylibjpeg", "nibabel", "wfdb", "edfio", "av", "soundfile",
    "pyarrow", "presidio-analyzer",
)  # fmt: skip
"""Packages whose version may change what is read, or which bytes are written for it."""


@dataclass(frozen=True)
class TaskPayload:
    """Units for one machine.

    Attributes:
        units: what is to be done.
        settings: how.
        lease: name of a file in the staging folder that exists while the run waits for the work.
        versions: what is installed where the run was started.
        trusting: files that are not there are known to be gone everywhere.
    """

    units: tuple[WorkUnit, ...]
    settings: WorkerConfig = field(repr=False)
    lease: str
    versions: dict[str, str] = field(repr=False)
    trusting: bool = False

    def __repr__(self) -> str:
        return f"<payload of {len(self.units)} work units>"

    @property
    def is_awaited(self) -> bool:
        """Whether the run that sent it still waits for it."""
        return (Path(self.settings.folder) / self.lease).is_file()


@dataclass(frozen=True)
class TaskFailure:
    """Why units were not done.

    Attributes:
        kind: `stopped`, `unseen` (the staging folder), `versions`, `files` (that are not there or
            of another size), `failed`, `environment`, `system` (an OSError), `died` or `bug`.
        message: what to say, or for `versions` and `bug` what is behind it.
        hint: what to do.
        number: of an OSError.
        path: the file that it is about.
    """

    kind: str
    message: str = ""
    hint: str | None = None
    number: int = 0
    path: str = ""


@dataclass(frozen=True)
class TaskResult:
    """What became of a payload: number of a unit with its counts, and what went wrong if it did."""

    done: tuple[tuple[int, int, int], ...] = ()
    failure: TaskFailure | None = None
    where: str = ""


def versions() -> dict[str, str]:
    """The version of everything here that may change a result; absent packages are empty."""
    installed = {"Python": ".".join(platform.python_version_tuple()[:2]), "medfm": __version__}
    for name in LIBRARIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = ""
    return installed


def mismatch(expected: dict[str, str]) -> str:
    """What is installed here in another version than where the run was started, if anything."""
    here = versions()
    return ", ".join(
        f"{name} {here.get(name) or 'missing'} instead of {version or 'none'}"
        for name, version in expected.items()
        if here.get(name, "") != version
    )
