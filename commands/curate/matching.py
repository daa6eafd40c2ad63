"""Which files a cell of a table means: by path, by name, by name without its ending, by folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

PROBE = 2000
"""Rows that are tried to tell which column names the files."""
ENOUGH = 0.5
"""The share of them that must match."""


class Matcher:
    """Finds files by what a table calls them; large and small letters are the same.

    Args:
        names: the files' names: paths with `/`, relative to the source.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._parts = [tuple(name.lower().split("/")) for name in names]
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[int]] = defaultdict(list)
        self._by_folder: defaultdict[str, list[int]] = defaultdict(list)
        for index, parts in enumerate(self._parts):
            self._by_name[parts[-1]].append(index)
            self._by_stem[stem(parts[-1])].append(index)
            for folder in set(parts[:-1]):
                self._by_folder[folder].append(index)

    def find(self, cell: str) -> list[int]:
        """The files that a cell names; several when the name alone cannot tell them apart.

        A cell may have more or fewer folders than the file, and no ending.
        """
        parts = tuple(part for part in _plain(cell).split("/") if part not in ("", "."))
        if not parts:
            return []
        found = self._by_name.get(parts[-1]) or self._by_stem.get(parts[-1])
        found = found or self._by_stem.get(stem(parts[-1]), [])
        if len(found) < 2:
            return list(found)
        scores = [_common_end(parts[:-1], self._parts[index][:-1]) for index in found]
        best = max(scores)
        return [index for index, score in zip(found, scores, strict=True) if score == best]

    def in_folder(self, cell: str) -> list[int]:
        """The files somewhere below a folder of this name."""
        return self._by_folder.get(_plain(cell).strip("/"), [])

    def share(self, cells: Sequence[str], *, folders: bool = False) -> float:
        """The share of the first cells that name a file (or, with `folders`, a folder)."""
        probe = [cell for cell in cells if cell][:PROBE]
        look = self.in_folder if folders else self.find
        return sum(bool(look(cell)) for cell in probe) / max(1, len(probe))


def stem(name: str) -> str:
    """A name without its ending; `.nii.gz` is one ending."""
    for ending in (".nii.gz", ".tar.gz"):
        if name.endswith(ending):
            return name[: -len(ending)]
    head, dot, tail = name.rpartition(".")
    return head if dot and head and len(tail) <= 5 and not tail.isdigit() else name


def _plain(cell: str) -> str:
    return cell.strip().replace("\\", "/").lower()


def _common_end(one: Iterable[str], other: Iterable[str]) -> int:
    """How many folders, from the last one up, two paths share."""
    count = 0
    for a, b in zip(reversed(tuple(one)), reversed(tuple(other)), strict=False):
        if a != b:
            break
        count += 1
    return count
