"""What travels to a machine of the cluster and back: a few units of files, and what became of them.

Both are plain data. A parcel holds the key of the pseudonyms, so it shows nothing of itself: Dask
writes the arguments of a task that failed into its logs.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from medfm_cli.commands.curate.reading.staging import Unit
from medfm_cli.commands.curate.reading.worker import Settings
from medfm_cli.version import __version__

LIBRARIES = (
    "numpy", "pillow", "pydicom", "pylibjpeg", "nibabel", "wfdb", "edfio", "av", "soundfile",
    "pyarrow", "presidio-analyzer",
)  # fmt: skip
"""Packages whose version may change what is read, or which bytes are written for it."""


@dataclass(frozen=True)
class Parcel:
    """Units for one machine.

    Attributes:
        units: what is to be done.
        settings: how.
        lease: name of a file in the spool folder that stands there while the work is wanted.
        versions: what is installed where the run was started.
        trusting: files that are not there are known to be gone everywhere.
    """

    units: tuple[Unit, ...]
    settings: Settings = field(repr=False)
    lease: str
    versions: dict[str, str] = field(repr=False)
    trusting: bool = False

    def __repr__(self) -> str:
        return f"<parcel of {len(self.units)} units>"

    @property
    def wanted(self) -> bool:
        """Whether the run that sent it still waits for it."""
        return (Path(self.settings.folder) / self.lease).is_file()


@dataclass(frozen=True)
class Trouble:
    """Why units were not done.

    Attributes:
        kind: `stopped`, `unseen` (the spool folder), `versions`, `files` (that are not there or of
            another size), `failed`, `environment`, `system` (an OSError), `died` or `bug`.
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
class Answer:
    """What became of a parcel: number of a unit with its counts, and what went wrong if it did."""

    done: tuple[tuple[int, int, int], ...] = ()
    trouble: Trouble | None = None
    where: str = ""


def versions() -> dict[str, str]:
    """The version of everything here that may change a result; absent packages are empty."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "medfm": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def mismatch(wanted: dict[str, str]) -> str:
    """What is installed here in another version than where the run was started, if anything."""
    here = versions()
    return ", ".join(
        f"{name} {here.get(name) or 'missing'} instead of {version or 'none'}"
        for name, version in wanted.items()
        if here.get(name, "") != version
    )
