"""The official 2D files of MedMNIST v2 and MedMNIST+: names, md5 sums, classes, licences.

Taken from `medmnist/info.py` of the package medmnist 3.0.2 (Apache-2.0).
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RECORD = "https://zenodo.org/records/10519652/files"


@dataclass(frozen=True)
class MedmnistFile:
    """One official file: `breastmnist` is 28 × 28 pixels, `breastmnist_224` 224 × 224."""

    name: str
    md5: str
    modality: str
    licence: str
    names: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where the file is published."""
        return f"{RECORD}/{self.name}.npz?download=1"

    @property
    def classes(self) -> dict[str, str]:
        """The label in the file → the name of the class."""
        return {str(number): name for number, name in enumerate(self.names)}


_SIZES = {"md5_28": "", "md5_64": "_64", "md5_128": "_128", "md5_224": "_224"}


@cache
def files() -> dict[str, MedmnistFile]:
    """Every file by its name, from the table beside this file; classes in the order of labels."""
    found = {}
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            classes = tuple(row["classes"].split("|"))
            for column, suffix in _SIZES.items():
                name = row["name"] + suffix
                md5, modality, licence = row[column], row["modality"], row["licence"]
                found[name] = MedmnistFile(name, md5, modality, licence, classes)
    return found


def official(path: Path) -> MedmnistFile | None:
    """The official file that this one is, by its md5, else None."""
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return None
    status = path.stat()
    return _by_md5().get(md5_of(path, status.st_size, status.st_mtime_ns))


@cache
def md5_of(path: Path, size: int, stamp: int) -> str:
    """The md5 (hex) of a file; an unchanged file is read once."""
    del size, stamp
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@cache
def _by_md5() -> dict[str, MedmnistFile]:
    return {file.md5: file for file in files().values()}
