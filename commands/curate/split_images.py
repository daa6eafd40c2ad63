"""Deal subjects to train, val and test: none on two sides, labels in proportion, by seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medfm_cli.commands.curate.images import Image
from medfm_cli.commands.curate.recipe import Split

PRIORITY = ("train", "test", "val")
"""Which side a label with few subjects must not lack, in this order."""
Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Group:
    """A subject: how many images, and the label that counts when it is dealt."""

    size: int
    label: str | None


@dataclass
class Dealt:
    """How the split came about; `crossing` are subjects on two sides of the official split."""

    why: str = ""
    official: bool = False
    crossing: int = 0
    unassigned: int = 0


def split_images(images: Sequence[Image], split: Split, *, seed: int) -> Dealt:
    """Set `split` of every image."""
    dealt = _by_official(images, split, seed)
    if dealt.official:
        return dealt
    sides = deal(_groups(images), _shares(split), seed=seed)
    for image in images:
        image.split = sides[image.subject]
    return dealt


def deal(groups: Mapping[str, Group], shares: Shares, *, seed: int) -> dict[str, str]:
    """Give every group a side.

    The groups of a label are dealt in one row, rare labels first, each group to the side that is
    furthest behind its share; so every label comes near the shares, and all together too. A label
    with few groups first gets one in train, then test, then val, as long as that side has room.
    With seeds, only the order of groups of the same size and label changes.

    No side gets more than its share plus the largest group.

    Args:
        groups: size in images and label, by name.
        shares: side → share, adding up to 1; a side of share 0 gets nothing.
        seed: of the order.
    """
    sides = [side for side in PRIORITY if shares.get(side, 0) > 0]
    total = sum(group.size for group in groups.values())
    state = _State(sides, shares, total)
    strata: defaultdict[str | None, list[str]] = defaultdict(list)
    for name, group in groups.items():
        strata[group.label].append(name)
    for label in sorted(strata, key=lambda label: (label is None, len(strata[label]), label or "")):
        names = sorted(strata[label], key=lambda name: (-groups[name].size, _draw(name, seed)))
        for left, name in zip(range(len(names), 0, -1), names, strict=True):
            state.give(name, groups[name], left)
    state.fill_empty_sides(groups)
    return state.side_of


@dataclass
class _State:
    sides: list[str]
    shares: Shares
    total: int
    side_of: dict[str, str] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[str | None, str]] = field(default_factory=set)
    done: int = 0

    def give(self, name: str, group: Group, left: int) -> None:
        """Deal one group, when `left` groups of its label are left with it."""
        side = self._lacking(group, left) or max(
            self.sides,
            key=lambda s: self.shares[s] * (self.done + group.size) - self.count[s],
        )
        self.side_of[name] = side
        self.count[side] += group.size
        self.done += group.size
        self.seen.add((group.label, side))

    def _lacking(self, group: Group, left: int) -> str:
        """The side that would stay without this label, if it has room."""
        lacking = [side for side in self.sides if (group.label, side) not in self.seen]
        if group.label is None or left > len(lacking):
            return ""
        return next((side for side in lacking if self._has_room(side, group.size)), "")

    def _has_room(self, side: str, size: int) -> bool:
        after = self.count[side] + size
        return self.count[side] == 0 or after <= self.shares[side] * self.total

    def fill_empty_sides(self, groups: Mapping[str, Group]) -> None:
        """No side stays empty while there are enough groups: it gets the smallest one."""
        members = Counter(self.side_of.values())
        for side in self.sides:
            if members[side] or len(groups) < len(self.sides):
                continue
            rich = [name for name, s in self.side_of.items() if members[s] > 1]
            name = min(rich, key=lambda name: (groups[name].size, name))
            members[self.side_of[name]] -= 1
            members[side] += 1
            self.side_of[name] = side


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "backslashreplace")).hexdigest()


def _shares(split: Split) -> Shares:
    return {"train": split.train, "val": split.val, "test": split.test}


def _groups(images: Sequence[Image]) -> dict[str, Group]:
    """The subjects; the label of one with several is its rarest."""
    everywhere: Counter[str] = Counter(label for image in images for label in labels_of(image))
    sizes: Counter[str] = Counter(image.subject for image in images)
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        labels[image.subject].update(labels_of(image))
    return {
        name: Group(
            size, min(labels[name], key=lambda label: (everywhere[label], label), default=None)
        )
        for name, size in sizes.items()
    }


def labels_of(image: Image) -> list[str]:
    """The labels of an image, none, one or several."""
    return [image.label] if image.label is not None else image.labels or []


def _by_official(images: Sequence[Image], split: Split, seed: int) -> Dealt:
    """Take the source's own split, when there is one and it is wanted and fit to be used."""
    present = Counter(image.official for image in images)
    unassigned = present.pop("", 0)
    if split.official == "none" or not present:
        return Dealt("subjects dealt by the recipe's shares")
    if "train" not in present or len(present) < 2 or unassigned > len(images) / 2:
        return Dealt("the source's own split is incomplete: subjects dealt by the recipe's shares")
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        sides[image.subject].add(image.official or "train")
    crossing = sum(len(found) > 1 for found in sides.values())
    if crossing and split.official == "auto":
        why = f"the source's own split has {crossing} subjects on two sides: dealt anew"
        return Dealt(why, crossing=crossing)
    for image in images:
        image.split = image.official or "train"
    missing = [s for s in ("val", "test") if s not in present and _shares(split)[s] > 0]
    why = "the source's own split"
    if missing:
        _carve(images, split, missing[0], seed)
        why += f"; {missing[0]}, which it lacks, is taken out of train"
    return Dealt(why, official=True, crossing=crossing, unassigned=unassigned)


def _carve(images: Sequence[Image], split: Split, side: str, seed: int) -> None:
    """Take a side that the official split lacks out of train."""
    train = [image for image in images if image.split == "train"]
    share = _shares(split)[side]
    shares = {"train": split.train / (split.train + share), side: share / (split.train + share)}
    dealt = deal(_groups(train), shares, seed=seed)
    for image in train:
        image.split = dealt[image.subject]
