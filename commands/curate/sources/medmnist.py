"""`medmnist:NAME`: the official file, from the cache or from where it is published."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from medfm_cli.commands.curate.sources.base import File, Listing
from medfm_cli.commands.curate.sources.medmnist_files import MedmnistFile, files, md5_of
from medfm_cli.errors import DataError, EnvironmentProblem
from medfm_cli.recipe.problems import did_you_mean
from medfm_cli.runs.atomic import aside

CHUNK = 1 << 20
SECONDS = 30
"""How long to wait for an answer."""


class MedmnistSource:
    """An official 2D file; its md5 is checked before it is used."""

    public = True

    def __init__(self, name: str) -> None:
        if name not in files():
            raise DataError(
                f"there is no official 2D MedMNIST file called '{name}'",
                hint=did_you_mean(name, files())
                or "known: breastmnist, pneumoniamnist, … (breastmnist_64, _128, _224)",
            )
        self.file = files()[name]
        self.modality = self.file.modality
        self.licences: tuple[str, ...] = (self.file.licence,)
        self.classes = self.file.classes

    def fingerprint(self) -> str:
        """The md5 that the file must have."""
        return f"md5:{self.file.md5}"

    def survey(self) -> Listing:
        """The file, of size 0 while it has not been fetched."""
        path = cached(self.file)
        return self._listing(path) if path else Listing([File(f"{self.file.name}.npz", "", 0)])

    def open(self, work: Path) -> Listing:
        """The file, downloaded when it is in no cache.

        Raises:
            EnvironmentProblem: there is no network; says which file to put where.
            DataError: what was downloaded is not the official file.
        """
        del work
        return self._listing(cached(self.file) or _download(self.file))

    def _listing(self, path: Path) -> Listing:
        return Listing([File(f"{self.file.name}.npz", str(path), path.stat().st_size)])


def cache_folder() -> Path:
    """Where downloads are kept: MEDFM_CACHE, else `medfm` in the user's cache folder."""
    chosen = os.environ.get("MEDFM_CACHE")
    if chosen:
        return Path(chosen) / "medmnist"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "medfm" / "medmnist"


def cached(file: MedmnistFile) -> Path | None:
    """The file in our cache or in that of the medmnist package, if it is the official one."""
    for folder in (cache_folder(), Path.home() / ".medmnist"):
        path = folder / f"{file.name}.npz"
        if path.is_file():
            status = path.stat()
            if md5_of(path, status.st_size, status.st_mtime_ns) == file.md5:
                return path
    return None


def _download(file: MedmnistFile) -> Path:
    path = cache_folder() / f"{file.name}.npz"
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with (
            urllib.request.urlopen(file.url, timeout=SECONDS) as answer,  # noqa: S310 - our https
            aside(path) as temporary,
        ):
            with temporary.open("wb") as target:
                while chunk := answer.read(CHUNK):
                    target.write(chunk)
                    digest.update(chunk)
            if digest.hexdigest() != file.md5:
                raise DataError(
                    f"what was downloaded as {file.name}.npz is not the official file: "
                    f"its md5 is {digest.hexdigest()}, not {file.md5}",
                    hint="try again later, or check the network's proxy",
                )
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        raise EnvironmentProblem(
            f"{file.name}.npz is not in the cache and could not be downloaded",
            hint=f"get {file.url} (md5 {file.md5}) and put it at '{path}'",
        ) from None
    return path
