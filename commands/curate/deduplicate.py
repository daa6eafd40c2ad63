"""The same pixels are one image, however often and in whatever encoding they come.

Kept is the copy of which most is known; what its copies know is added to it. Two patients with the
same pixels are one person, or mixed up: they are tied together, so that no split tears them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medfm_cli.commands.curate.images import Image

MOST_TIED = 5
"""Pixels of more patients than this are a logo or a test card, and tie nobody together."""
_PREFERRED = {"test": 0, "val": 1, "train": 2, "": 3}
"""A copy in the official test split stays there and leaves the training split."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An image that is left out because `kept` has the same pixels; `exact`: the same file."""

    image: Image
    kept: Image
    exact: bool


@dataclass
class Unique:
    """What is left.

    Attributes:
        images: one of every picture, in the order of the source.
        duplicates: the others.
        tied: groups of patients that share pixels, each now one subject.
        shared_widely: pictures of so many patients that they tie nobody.
        contradicted: pictures whose copies have different labels; they have none now.
        crossed: pictures with copies on several sides of the official split.
    """

    images: list[Image] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    tied: list[list[str]] = field(default_factory=list)
    shared_widely: int = 0
    contradicted: int = 0
    crossed: int = 0


def deduplicate(images: Sequence[Image]) -> Unique:
    """Keep one image of every picture; changes the images that are kept."""
    groups: defaultdict[str, list[tuple[int, Image]]] = defaultdict(list)
    for place, image in enumerate(images):
        groups[image.row.pixels_sha].append((place, image))
    done = Unique()
    kept: list[tuple[int, Image]] = []
    ties = _Ties()
    for group in groups.values():
        group.sort(key=_rank)
        place, best = group[0]
        kept.append((place, best))
        copies = [image for _, image in group[1:]]
        if copies:
            _merge(done, best, copies, ties)
    done.images = [image for _, image in sorted(kept, key=lambda item: item[0])]
    done.tied = ties.groups()
    names = ties.names(done.images)
    for image in done.images:
        image.subject = names.get(image.subject, image.subject)
    return done


def _rank(item: tuple[int, Image]) -> tuple[int, bool, bool, int]:
    place, image = item
    return (_PREFERRED[image.official], not image.labelled, not image.known, place)


def _merge(done: Unique, best: Image, copies: list[Image], ties: _Ties) -> None:
    """Note the copies of an image, and give it what they know and it does not."""
    everyone = [best, *copies]
    for copy in copies:
        exact = copy.row.file_sha == best.row.file_sha and copy.row.entry != best.row.entry
        exact = exact and not copy.row.part
        done.duplicates.append(Duplicate(copy, best, exact))
    patients = sorted({image.subject for image in everyone if image.known})
    if len(patients) > MOST_TIED:
        done.shared_widely += 1
    else:
        ties.tie({image.subject for image in everyone})
    if not best.known and patients:
        best.subject, best.known = next((i.subject, True) for i in copies if i.known)
    labels = {_label(image) for image in everyone if image.labelled}
    if len(labels) > 1:
        best.label = best.labels = None
        done.contradicted += 1
    elif labels and not best.labelled:
        source = next(image for image in copies if image.labelled)
        best.label, best.labels = source.label, source.labels
    done.crossed += len({image.official for image in everyone if image.official}) > 1
    for name in ("study", "site", "modality", "anatomy"):
        if not getattr(best, name):
            setattr(best, name, next((v for i in copies if (v := getattr(i, name))), ""))


def _label(image: Image) -> tuple[str, ...]:
    return (image.label,) if image.label is not None else tuple(sorted(image.labels or ()))


class _Ties:
    """Subjects that are one (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def tie(self, subjects: Iterable[str]) -> None:
        first, *others = sorted(subjects)
        for other in others:
            a, b = sorted((self._root(first), self._root(other)))
            if a != b:
                self._parent[b] = a

    def groups(self) -> list[list[str]]:
        """Groups of patients (not of files without one) that are one subject."""
        members = self._members()
        patients = [sorted(s for s in group if s.startswith("subject-")) for group in members]
        return sorted(group for group in patients if len(group) > 1)

    def names(self, images: Iterable[Image]) -> dict[str, str]:
        """What each tied subject is called from now on: the first patient of its group."""
        known = {image.subject for image in images if image.known}
        names: dict[str, str] = {}
        for group in self._members():
            chosen = min(group, key=lambda subject: (subject not in known, subject))
            names |= dict.fromkeys(group, chosen)
        return names

    def _root(self, subject: str) -> str:
        self._parent.setdefault(subject, subject)
        while self._parent[subject] != subject:
            self._parent[subject] = self._parent[self._parent[subject]]
            subject = self._parent[subject]
        return subject

    def _members(self) -> list[list[str]]:
        members: defaultdict[str, list[str]] = defaultdict(list)
        for subject in self._parent:
            members[self._root(subject)].append(subject)
        return [sorted(group) for group in members.values() if len(group) > 1]
