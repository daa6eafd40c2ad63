"""Which packages are there: read from metadata, so that nothing heavy is imported."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

_IMPORT_NAMES = {"pillow": "PIL", "pyyaml": "yaml", "markdown-it-py": "markdown_it"}
_NAME = re.compile(r"^\s*([A-Za-z0-9._-]+)")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Package:
    """One declared dependency.

    Attributes:
        name: the distribution's name.
        extra: the extra that brings it, "" for the base install.
        version: the installed version, None when it is missing.
        problem: why what is installed cannot be used, None when it can.
    """

    name: str
    extra: str
    version: str | None
    problem: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it is installed, new enough, and (in the base install) importable."""
        return self.version is not None and self.problem is None


def packages(
    distribution: str = "medfm", *, skip: tuple[str, ...] = ("all", "test")
) -> list[Package]:
    """The dependencies that the installed distribution declares, in its order.

    Packages of the base install are also imported, because a broken binary shows only then.
    """
    try:
        declared = requires(distribution) or []
    except PackageNotFoundError:
        return []
    found = [_look_up(line) for line in declared]
    return [item for item in found if item.extra not in skip and item.name != distribution]


def missing_extras(found: list[Package]) -> dict[str, str]:
    """The extras that are not complete, each with the command that completes it."""
    names = dict.fromkeys(item.extra for item in found if item.extra and not item.usable)
    return {name: f"pip install 'medfm[{name}]'" for name in names}


def _look_up(requirement: str) -> Package:
    named, brought = _NAME.match(requirement), _EXTRA.search(requirement)
    name = named.group(1) if named else requirement
    extra = brought.group(1) if brought else ""
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Package(name, extra, None)
    problem = _version_problem(requirement, installed)
    if problem is None and not extra:
        problem = _import_problem(name)
    return Package(name, extra, installed, problem)


def _version_problem(requirement: str, installed: str) -> str | None:
    """Why the installed version is not the one that medfm was tested with, or None."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return None
    wanted = Requirement(requirement).specifier
    return None if wanted.contains(installed, prereleases=True) else f"{wanted} is needed"


def _import_problem(name: str) -> str | None:
    """Why a package that is installed cannot be imported, or None."""
    try:
        importlib.import_module(_IMPORT_NAMES.get(name.lower(), name.replace("-", "_")))
    except Exception as error:  # whatever a broken package raises is what we want to tell
        told = str(error).splitlines()
        return f"cannot be imported: {told[0] if told else type(error).__name__}"
    return None
