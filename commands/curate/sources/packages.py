"""Image files that come with installed packages: real data without a network."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from medfm_cli.commands.curate.sources.base import File, Listing, fingerprint
from medfm_cli.errors import DataError
from medfm_cli.extras import missing
from medfm_cli.recipe.problems import did_you_mean

# name → (distribution, module, folder inside the module's package)
PACKAGES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "pydicom": (("pydicom", "pydicom", "data"), ("pydicom-data", "data_store", "data")),
}
_CODE = (".py", ".pyc")


class PackageSource:
    """The data files of packages, named `<distribution>/<path>`; they are public."""

    public = True
    modality = ""
    licences: tuple[str, ...] = ("MIT (pydicom, pydicom-data); files from public test sets",)

    def __init__(self, name: str) -> None:
        if name not in PACKAGES:
            raise DataError(
                f"there are no images in packages called '{name}'",
                hint=did_you_mean(name, PACKAGES) or f"known: {', '.join(PACKAGES)}",
            )
        self.name = name
        self.classes: dict[str, str] = {}

    def fingerprint(self) -> str:
        """Changes with the packages' files, not with the time of their installation."""
        return fingerprint((f.name, f.size, 0) for f in self.survey().files)

    def survey(self) -> Listing:
        """The files of all packages of this name.

        Raises:
            EnvironmentProblem: a package is not installed.
        """
        files = [file for place in PACKAGES[self.name] for file in _files(*place)]
        return Listing(sorted(files, key=lambda file: file.name))

    def open(self, work: Path) -> Listing:
        """The same: nothing has to be fetched."""
        del work
        return self.survey()


def _files(distribution: str, module: str, folder: str) -> list[File]:
    try:
        version(distribution)
        spec = importlib.util.find_spec(module)
    except PackageNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise missing(distribution, extra="demo")
    root = Path(spec.origin).parent / folder
    paths = (p for p in root.rglob("*") if p.is_file() and p.suffix not in _CODE)
    return [
        File(f"{distribution}/{p.relative_to(root).as_posix()}", str(p), p.stat().st_size)
        for p in paths
    ]
