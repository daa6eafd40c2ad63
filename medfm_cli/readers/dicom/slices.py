"""Slices of a scan: where each lies, which of them make a volume, and in what order.

A slice is a file of a series or a frame of an enhanced object. Positions are those of PS3.3
C.7.6.2 (Image Plane), in mm to the patient's left, back and head (LPS).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medfm_cli.readers.voxels import Steps

Vector = tuple[float, float, float]

SAME_DIRECTION = 2e-3
"""Directions whose cosines differ by less are one; scanners round them."""
SAME_SPACING = 1e-3
"""Pixel spacings that differ by less, in mm, are one: headers round them when they print them."""
SAME_NUMBER = 2e-5
"""The share by which marks (echo times, b-values) may differ for how they were rounded."""
SAME_STATION = 0.5
"""Positions nearer than this are one station of the table, in mm."""
SAME_HEIGHT = 1e-3
"""Slices nearer to each other than this lie in one place, in mm."""
_MEASURED = re.compile(r"[-+]?\d{1,5}\.\d+(e[-+]?\d+)?", re.IGNORECASE)
"""Numbers with a point; times of day (`093000.25`) have more digits before it."""
UNEVEN = 0.05
"""The share of the usual gap by which gaps may differ."""
TILTED = 0.5
"""From this angle on between the stack's axis and the slices' normal, slices are sheared (°)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What a header says of one slice.

    Attributes:
        kind: what must be equal in a volume: series, size, localiser or not.
        uid: the SOP instance, or a short hash of it.
        number: the instance number, which orders slices that have no position.
        position: the centre of the first pixel.
        across, down: directions of a row and of a column.
        spacing: between rows and between columns, in mm.
        gap: the distance that the header claims between slices, or their thickness; 0 if none.
        marks: acquisition, time, echo, … : what may tell slices at one place apart.
    """

    kind: tuple[str, ...] = ()
    uid: str = ""
    number: int = 0
    position: Vector | None = None
    across: Vector | None = None
    down: Vector | None = None
    spacing: tuple[float, float] | None = None
    gap: float = 0.0
    marks: tuple[str, ...] = ()

    @property
    def normal(self) -> NDArray[np.float64] | None:
        """The direction in which a stack of such slices grows."""
        if self.across is None or self.down is None:
            return None
        return np.cross(np.array(self.across), np.array(self.down))

    @property
    def height(self) -> float | None:
        """How far along the normal it lies, in mm."""
        normal = self.normal
        if normal is None or self.position is None:
            return None
        return float(normal @ np.array(self.position))


@dataclass(frozen=True)
class Order:
    """How slices make a volume.

    Attributes:
        order: their numbers, along the normal.
        steps: where the axes slice, row, column lead; None when the headers do not say.
        spacing: between slices, rows and columns in mm, where known.
        repeated: numbers of copies that are left out.
        notes: what a reader of the data should know.
    """

    order: list[int]
    steps: Steps | None
    spacing: Vector | None
    repeated: list[int] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def apart(slices: Sequence[Slice]) -> list[list[int]]:
    """The volumes that slices make: lists of their numbers, each in the given order.

    Slices belong together that agree in kind, direction and pixel spacing. Where several lie in
    one place, they are distinguished by the first of their marks that can (acquisition, time,
    echo, …), else dealt out by instance number. Copies of one instance stay with the other slices
    of its volume.
    """
    volumes: list[list[int]] = []
    for members in _by_direction(slices):
        volumes += _told_apart(members, slices)
    return sorted(volumes, key=lambda members: members[0])


def arrange(slices: Sequence[Slice]) -> Order:
    """Put the slices of one volume in order, by their place along the normal.

    The instance number orders them only where positions are missing. The spacing is measured
    between positions; the thickness that a header claims is used for a single slice only.
    """
    heights = [s.height for s in slices]
    pixel = slices[0].spacing
    if any(height is None for height in heights):
        return _unplaced(slices)
    placed = [height for height in heights if height is not None]
    order = sorted(range(len(slices)), key=lambda i: (placed[i], slices[i].number, i))
    order, repeated = _once(order, placed)
    first, last = slices[order[0]], slices[order[-1]]
    gaps = np.diff([placed[i] for i in order])
    gap, notes = _usual(gaps) if len(gaps) else (first.gap, ())
    notes += _tilt(first, last) if len(gaps) else ()
    if repeated:
        notes += (f"{len(repeated)} copies of slices left out",)
    normal, down, across = first.normal, first.down, first.across
    assert normal is not None and down is not None and across is not None  # noqa: S101
    rows, columns = pixel or (1.0, 1.0)
    steps = np.array([normal * (gap or 1.0), np.array(down) * rows, np.array(across) * columns])
    return Order(order, steps, (gap, rows, columns) if pixel and gap else None, repeated, notes)


def _unplaced(slices: Sequence[Slice]) -> Order:
    order = sorted(range(len(slices)), key=lambda i: (slices[i].number, i))
    pixel, gap = slices[0].spacing, slices[0].gap
    notes = ("no positions: slices are in the order of their numbers",)
    return Order(order, None, (gap, *pixel) if pixel and gap else None, [], notes)


def _by_direction(slices: Sequence[Slice]) -> list[list[int]]:
    """Numbers of slices of one kind and direction."""
    groups: list[tuple[Slice, list[int]]] = []
    last: dict[tuple[str, ...], tuple[Slice, list[int]]] = {}
    for index, one in enumerate(slices):
        near = last.get(one.kind)
        if near is None or not _alike(near[0], one):
            near = next(
                (g for g in groups if g[0].kind == one.kind and _alike(g[0], one)), (one, [])
            )
            if not near[1]:
                groups.append(near)
            last[one.kind] = near
        near[1].append(index)
    return [members for _, members in groups]


def _alike(one: Slice, other: Slice) -> bool:
    for a, b in ((one.across, other.across), (one.down, other.down)):
        if (a is None) != (b is None):
            return False
        if a and b and max(abs(x - y) for x, y in zip(a, b, strict=True)) > SAME_DIRECTION:
            return False
    if (one.spacing is None) != (other.spacing is None):
        return False
    if one.spacing and other.spacing:
        apart = max(abs(x - y) for x, y in zip(one.spacing, other.spacing, strict=True))
        if apart > SAME_SPACING:
            return False
    return (one.position is None) == (other.position is None)


def _told_apart(members: list[int], slices: Sequence[Slice]) -> list[list[int]]:
    """The members as one volume, or as several where places are taken more than once."""
    places = _places(members, slices)
    if places is None:
        return [members]
    distinct = {(places[i], slices[i].uid or str(i)) for i in members}
    if len(set(places.values())) == 1:
        return [[index] for index in members]  # copies of one slice, or a video of it
    most = max(Counter(place for place, _ in distinct).values())
    if most == 1:
        return [members]
    for mark, tolerance in _marks(members, slices):
        numbers = _numbered(mark, tolerance, most)
        if numbers is None:
            continue
        pairs = {(places[i], numbers[i]) for i in members}
        count = len(set(numbers.values()))
        if count >= 2 and len(pairs) > len(set(places.values())):
            parts = [[i for i in members if numbers[i] == value] for value in range(count)]
            return [volume for part in parts for volume in _told_apart(part, slices)]
    return _dealt(members, slices, places)


def _places(members: list[int], slices: Sequence[Slice]) -> dict[int, int] | None:
    """A number for the height of each member; None when a height is not known."""
    heights = {i: slices[i].height for i in members}
    if any(height is None for height in heights.values()):
        return None
    known = {i: height for i, height in heights.items() if height is not None}
    places: dict[int, int] = {}
    place, before = 0, None
    for index in sorted(known, key=lambda i: known[i]):
        if before is not None and known[index] - before > SAME_HEIGHT:
            place += 1
        places[index], before = place, known[index]
    return places


def _marks(members: list[int], slices: Sequence[Slice]) -> Iterator[tuple[dict[int, str], float]]:
    """For each mark in turn, its value for every member, and by how much equal ones may differ.

    The first is the station of the table.
    """
    yield {i: "\\".join(f"{x:f}" for x in slices[i].position or ()) for i in members}, SAME_STATION
    for n in range(max(len(slices[i].marks) for i in members)):
        yield {i: slices[i].marks[n] if n < len(slices[i].marks) else "" for i in members}, 0.0


def _numbered(mark: dict[int, str], tolerance: float, most: int) -> dict[int, int] | None:
    """A number for the value of each member, equal ones alike; None for more than `most` values."""
    found: list[tuple[float, ...]] = []
    known: dict[str, int] = {}
    for value in mark.values():
        if value in known:
            continue
        measured = _measured(value)
        same = (n for n, other in enumerate(found) if _near(measured, other, tolerance))
        known[value] = next(same, len(found))
        if known[value] == len(found):
            found.append(measured)
        if len(found) > most:
            return None
    return {i: known[value] for i, value in mark.items()}


def _measured(value: str) -> tuple[float, ...]:
    """The measured numbers of a value; none where it is text, a whole number or a time of day."""
    parts = value.split("\\")
    return tuple(map(float, parts)) if all(map(_MEASURED.fullmatch, parts)) else ()


def _near(some: tuple[float, ...], others: tuple[float, ...], tolerance: float) -> bool:
    """Whether measured numbers differ by no more than how they were printed, or by a tolerance."""
    if not some or len(some) != len(others):
        return False
    return all(
        math.isclose(a, b, rel_tol=SAME_NUMBER, abs_tol=max(tolerance, 1e-6))
        for a, b in zip(some, others, strict=True)
    )


def _dealt(members: list[int], slices: Sequence[Slice], places: dict[int, int]) -> list[list[int]]:
    """The first slice of every place, then the second of every place that has one, …"""
    rounds: list[list[int]] = []
    seen: dict[tuple[int, str], int] = {}
    used: Counter[int] = Counter()
    for index in sorted(members, key=lambda i: (slices[i].number, i)):
        copy = (places[index], slices[index].uid or str(index))
        if copy not in seen:
            seen[copy] = used[places[index]]
            used[places[index]] += 1
        if seen[copy] == len(rounds):
            rounds.append([])
        rounds[seen[copy]].append(index)
    return [sorted(volume) for volume in rounds]


def _once(order: list[int], heights: Sequence[float]) -> tuple[list[int], list[int]]:
    """The first slice of every place, and the others."""
    kept: list[int] = []
    repeated: list[int] = []
    for index in order:
        near = kept and heights[index] - heights[kept[-1]] <= SAME_HEIGHT
        (repeated if near else kept).append(index)
    return kept, repeated


def _usual(gaps: NDArray[np.float64]) -> tuple[float, tuple[str, ...]]:
    """The distance between slices, and a note where distances differ."""
    usual = float(np.median(gaps))
    if np.abs(gaps - usual).max() <= UNEVEN * usual:
        return float(gaps.mean()), ()
    share = gaps / usual
    whole = np.rint(share)
    if (np.abs(share - whole) <= UNEVEN * whole).all() and (whole >= 1).all():
        return usual, (f"{int((whole - 1).sum())} slices are missing",)
    return usual, (f"uneven distances between slices, {gaps.min():.3g} to {gaps.max():.3g} mm",)


def _tilt(first: Slice, last: Slice) -> tuple[str, ...]:
    """A note where slices do not lie straight above each other (a tilted gantry)."""
    normal = first.normal
    assert normal is not None  # noqa: S101
    way = np.array(last.position) - np.array(first.position)
    cosine = abs(float(normal @ way)) / float(np.linalg.norm(way) * np.linalg.norm(normal))
    angle = float(np.degrees(np.arccos(min(1.0, cosine))))
    return (f"slices are sheared by {angle:.1f}° (tilted gantry)",) if angle >= TILTED else ()
