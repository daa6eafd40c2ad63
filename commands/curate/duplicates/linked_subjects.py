"""Subjects that turn out to be one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class LinkedSubjects:
    """Union-find over subjects; only those that are tied to others are held."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._known: dict[str, bool] = {}

    def link(self, subjects: dict[str, bool]) -> None:
        """Tie subjects, each given with whether it is a patient."""
        if len(subjects) < 2:
            return
        for subject, known in subjects.items():
            self._known[subject] = self._known.get(subject, False) or known
        first, *others = sorted(subjects)
        for other in others:
            a, b = sorted((self._root(first), self._root(other)))
            if a != b:
                self._parent[b] = a

    def patients(self) -> int:
        """How many groups hold several patients."""
        return sum(sum(self._known[s] for s in group) > 1 for group in self._members())

    def names(self) -> Iterable[tuple[str, str]]:
        """The new and the old name of each tied subject: that of the first patient of its group."""
        for group in self._members():
            chosen = min(group, key=lambda subject: (not self._known[subject], subject))
            yield from ((chosen, subject) for subject in group if subject != chosen)

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
