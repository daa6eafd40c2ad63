"""Installed packages, read from metadata so that nothing heavy is imported."""

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
        extra: the extra that requires it, "" for the base install.
        version: the installed version, None if it is missing.
        problem: why the installed version cannot be used, None if it can.
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

    Packages of the base install are also imported, to detect broken binaries.
    """
    try:
        declared = requires(distribution) or []
    except PackageNotFoundError:
        return []
    listed = [_look_up(line) for line in declared]
    return [item for item in listed if item.extra not in skip and item.name != distribution]


def missing_extras(listed: list[Package]) -> dict[str, str]:
    """Incomplete extras, each with the command that completes it."""
    names = dict.fromkeys(item.extra for item in listed if item.extra and not item.usable)
    return {name: f"pip install 'medfm[{name}]'" for name in names}


def _look_up(requirement: str) -> Package:
    name_match, extra_match = _NAME.match(requirement), _EXTRA.search(requirement)
    name = name_match.group(1) if name_match else requirement
    extra = extra_match.group(1) if extra_match else ""
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Package(name, extra, None)
    problem = _version_problem(requirement, installed)
    if problem is None and not extra:
        problem = _import_problem(name)
    return Package(name, extra, installed, problem)


def _version_problem(requirement: str, installed: str) -> str | None:
    """Why the installed version does not meet the requirement, or None."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return None
    specifier = Requirement(requirement).specifier
    suitable = specifier.contains(installed, prereleases=True)
    return None if suitable else f"{specifier} is required"


def _import_problem(name: str) -> str | None:
    """Why an installed package cannot be imported, or None."""
    try:
        importlib.import_module(_IMPORT_NAMES.get(name.lower(), name.replace("-", "_")))
    except Exception as error:  # a broken package can raise anything
        lines = str(error).splitlines()
        return f"cannot be imported: {lines[0] if lines else type(error).__name__}"
    return None
