"""Near copies among images: near hashes first, then a comparison of small images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.similarity.hamming import (
    Keep,
    Pairs,
    distinct,
    near_across,
    near_pairs,
)
from medfm_cli.commands.curate.similarity.likeness import alike_among
from medfm_cli.commands.curate.similarity.perceptual import (
    INVERSE,
    SIDE,
    turn_hashes,
    turn_images,
)

Places = NDArray[np.int64]
TURNED = (1, 2, 4, 5, 6, 7)
"""The turns that are tried; one by 270° is one by 90° seen from the other image."""
MOST_ALIKE = 64
"""Different images with the same hash that are compared with others; the rest are not."""

_AT_ONCE = 4096


class Links(NamedTuple):
    """Near copies: the left image is the right one, turned; all arrays `[L]`."""

    left: Places
    right: Places
    turn: NDArray[np.uint8]
    distance: NDArray[np.uint8]


class Thumbnails:
    """Small images in a file without a name: memory holds those that are being compared.

    A context manager; leaving it gives the disk back.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._count = 0
        self._written = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, thumb: bytes) -> None:
        """Append a image of 32×32 bytes."""
        self._file.write(thumb)
        self._count += 1
        self._written = False

    def take(self, places: Places) -> NDArray[np.uint8]:
        """The images at some places, uint8 `[M, 32, 32]`; may be called from several threads."""
        if not self._written:
            self._file.flush()
            self._written = True
        size, handle = SIDE * SIDE, self._file.fileno()
        distinct_places, where = np.unique(places, return_inverse=True)
        data = b"".join(os.pread(handle, size, place * size) for place in distinct_places.tolist())
        return np.frombuffer(data, dtype=np.uint8).reshape(-1, SIDE, SIDE)[where]


@dataclass(frozen=True)
class ImageFingerprints:
    """What images look like: hashes uint64 `[N]` and as many small images."""

    hashes: NDArray[np.uint64]
    thumbs: Thumbnails


def near_copies(
    images: ImageFingerprints,
    *,
    distance: int,
    turned: bool,
    sources: Places | None = None,
    threads: int = 2,
) -> Iterator[Links]:
    """Pairs of images that look the same, `left < right`.

    Args:
        images: the images.
        distance: bits in which their hashes differ, at most.
        turned: whether turned and flipped copies count.
        sources: int64 `[N]`; images of one source (frames of a video) are no copies.
        threads: how many work at a time.
    """
    groups = _Groups(images)
    yield from groups.within(sources)
    for turn in (0, *(TURNED if turned else ())):
        keep = _second_look(groups, groups, turn, sources)
        if turn:
            others = turn_hashes(groups.hashes, turn)
            found = near_across(groups.hashes, others, distance, keep=keep, threads=threads)
        else:
            found = near_pairs(groups.hashes, distance, keep=keep, threads=threads)
        for pairs in found:
            yield from _expanded(groups, groups, pairs, turn, sources)


def near_across_sets(
    mine: ImageFingerprints,
    theirs: ImageFingerprints,
    *,
    distance: int,
    turned: bool,
    threads: int = 2,
) -> Iterator[Links]:
    """Pairs of a image of mine and one of theirs that look the same; mine is theirs, turned."""
    left, right = _Groups(mine), _Groups(theirs)
    for turn in (0, *((*TURNED, 3) if turned else ())):
        keep = _second_look(left, right, turn, None)
        others = turn_hashes(right.hashes, turn)
        for pairs in near_across(left.hashes, others, distance, keep=keep, threads=threads):
            yield from _expanded(left, right, pairs, turn, None)


class _Groups:
    """Images by their hash: most hashes have one, a test card has many."""

    def __init__(self, images: ImageFingerprints) -> None:
        self.images = images
        self.hashes, self._order, self._starts = distinct(images.hashes)
        self.single = np.diff(self._starts) == 1

    def firsts(self, groups: Places) -> Places:
        """The first image of every group."""
        found: Places = self._order[self._starts[groups]]
        return found

    def members(self, group: int) -> Places:
        """The images of one group, those that look exactly the same once, up to `MOST_ALIKE`."""
        return self._different(group)[0][:MOST_ALIKE]

    def within(self, sources: Places | None) -> Iterator[Links]:
        """Pairs with the same hash: those with the same thumbnail, and those with alike ones."""
        waiting = _Waiting(self, self, 0, sources)
        for group in np.flatnonzero(~self.single).tolist():
            firsts, same = self._different(group)
            yield from _links(same, 0, sources)
            few = firsts[:MOST_ALIKE]
            i, j = np.triu_indices(len(few), 1)
            yield from waiting.add(few[i], few[j])
            # Of very many, the rest are compared with the first of all only.
            rest = firsts[MOST_ALIKE:]
            yield from waiting.add(np.full(len(rest), few[0]), rest)
        yield from waiting.look()

    def _different(self, group: int) -> tuple[Places, tuple[Places, Places]]:
        """The first of every small image, and all others beside the first that they equal."""
        members = self._order[self._starts[group] : self._starts[group + 1]]
        seen: dict[bytes, int] = {}
        left, right = [], []
        for start in range(0, len(members), 1024):
            some = members[start : start + 1024]
            for place, thumb in zip(some.tolist(), self.images.thumbs.take(some), strict=True):
                first = seen.setdefault(thumb.tobytes(), place)
                if first != place:
                    left.append(first)
                    right.append(place)
        firsts = np.fromiter(seen.values(), dtype=np.int64, count=len(seen))
        return firsts, (np.array(left, dtype=np.int64), np.array(right, dtype=np.int64))


def _second_look(left: _Groups, right: _Groups, turn: int, sources: Places | None) -> Keep:
    """Refuses pairs of hashes whose images differ; hashes with several images pass for now."""

    def keep(pairs: Pairs) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = ~(left.single[pairs.left] & right.single[pairs.right])
        open_ = ~kept
        if turn and left is right:
            # Seen from both sides, unless turned by 90°; and nothing is a copy of itself.
            double = (
                pairs.left >= pairs.right if INVERSE[turn] == turn else pairs.left == pairs.right
            )
            kept &= ~double
            open_ &= ~double
        places = np.flatnonzero(open_)
        i, j = left.firsts(pairs.left[places]), right.firsts(pairs.right[places])
        if sources is not None:
            apart = sources[i] != sources[j]
            places, i, j = places[apart], i[apart], j[apart]
        kept[places] = _same(left, right, i, j, turn)
        return kept

    return keep


def _expanded(
    left: _Groups, right: _Groups, pairs: Pairs, turn: int, sources: Places | None
) -> Iterator[Links]:
    """Pairs of images from pairs of hashes."""
    single = left.single[pairs.left] & right.single[pairs.right]
    i, j = left.firsts(pairs.left[single]), right.firsts(pairs.right[single])
    yield from _links((i, j), turn, None, pairs.distance[single], ordered=left is right)
    waiting = _Waiting(left, right, turn, sources)
    for a, b in zip(pairs.left[~single].tolist(), pairs.right[~single].tolist(), strict=True):
        ones, twos = left.members(a), right.members(b)
        yield from waiting.add(np.repeat(ones, len(twos)), np.tile(twos, len(ones)))
    yield from waiting.look()


class _Waiting:
    """Pairs that wait for a comparison of thumbnails, which is cheaper for many at a time."""

    def __init__(self, left: _Groups, right: _Groups, turn: int, sources: Places | None) -> None:
        self._asked = (left, right, turn, sources)
        self._pairs: list[tuple[Places, Places]] = []
        self._count = 0

    def add(self, i: Places, j: Places) -> Iterator[Links]:
        self._pairs.append((i, j))
        self._count += len(i)
        if self._count >= _AT_ONCE:
            yield from self.look()

    def look(self) -> Iterator[Links]:
        if self._count:
            i, j = (np.concatenate(ends) for ends in zip(*self._pairs, strict=True))
            left, right, turn, sources = self._asked
            yield from _confirmed(left, right, i, j, turn, sources)
        self._pairs, self._count = [], 0


def _confirmed(
    left: _Groups, right: _Groups, i: Places, j: Places, turn: int, sources: Places | None
) -> Iterator[Links]:
    same = _same(left, right, i, j, turn)
    bits = left.images.hashes[i[same]] ^ turn_hashes(right.images.hashes[j[same]], turn)
    apart = np.bitwise_count(bits)
    yield from _links((i[same], j[same]), turn, sources, apart, ordered=left is right)


def _same(left: _Groups, right: _Groups, i: Places, j: Places, turn: int) -> NDArray[np.bool_]:
    """Whether images `i` are images `j`, turned."""
    if not len(i):
        return np.zeros(0, dtype=bool)
    ones, a = np.unique(i, return_inverse=True)
    others, b = np.unique(j, return_inverse=True)
    mine = left.images.thumbs.take(ones)
    theirs = turn_images(right.images.thumbs.take(others), turn)
    return alike_among(mine, a, theirs, b)


def _links(
    pairs: tuple[Places, Places],
    turn: int,
    sources: Places | None,
    distance: NDArray[np.uint8] | None = None,
    *,
    ordered: bool = True,
) -> Iterator[Links]:
    """The pairs as links, in order of place where both are of one set."""
    left, right = pairs
    apart = np.zeros(len(left), dtype=np.uint8) if distance is None else distance
    turns = np.full(len(left), turn, dtype=np.uint8)
    if ordered:
        swapped = left > right
        left, right = np.where(swapped, right, left), np.where(swapped, left, right)
        turns[swapped] = INVERSE[turn]
    kept = np.ones(len(left), dtype=bool) if not ordered else left != right
    if sources is not None:
        kept &= sources[left] != sources[right]
    if kept.any():
        yield Links(left[kept], right[kept], turns[kept], apart[kept])


def all_links(found: Iterable[Links]) -> Links:
    """Everything in one, each pair once and in order of place."""
    parts = list(found)
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Links(none, none, none.astype(np.uint8), none.astype(np.uint8))
    links = Links(
        np.concatenate([part.left for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.turn for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )
    order = np.lexsort((links.turn, links.distance, links.right, links.left))
    left, right = links.left[order], links.right[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    chosen = order[new]
    return Links(left[new], right[new], links.turn[chosen], links.distance[chosen])
