"""Near copies in clusters, without chains that would tie everything to everything.

Links do not add up: A looks like B and B like C, and A may look like C no more. Small components
are clusters as they are, which keeps every pair of near copies together. A large one is taken apart
into stars: every member is a near copy of its centre itself (as DBSCAN's core points, Ester et al.
1996, with a single step).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
MOST_CHAINED = 100
"""Members up to which a cluster may hang together through others."""


@dataclass(frozen=True)
class Clusters:
    """The members of all clusters, one after the other.

    Attributes:
        members: ids, each cluster's in order, its centre first; int64 `[M]`.
        starts: where each cluster begins; int64 `[K + 1]`.
        taken_apart: components that were too large.
    """

    members: Places
    starts: Places
    taken_apart: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[Places]:
        """The ids of every cluster."""
        return (self.members[a:b] for a, b in zip(self.starts[:-1], self.starts[1:], strict=True))


def form_clusters(left: Places, right: Places, *, ranks: Places | None = None) -> Clusters:
    """Clusters of linked ids, ordered by their smallest member.

    Args:
        left: ids, int64 `[L]`.
        right: the ids that they are linked with.
        ranks: for every distinct id, in ascending order, how soon it is to be a centre; all
            clusters are stars then. Without it, the id with the most links is.
    """
    ids, ends = np.unique(np.concatenate([left, right]), return_inverse=True)
    a, b = ends[: len(left)], ends[len(left) :]
    component = _components(len(ids), a, b)
    sizes = np.bincount(component, minlength=len(ids))
    if ranks is None:
        large = sizes[component] > MOST_CHAINED
        degree = np.bincount(a, minlength=len(ids)) + np.bincount(b, minlength=len(ids))
        order = np.lexsort((np.arange(len(ids)), -degree))
    else:
        large = np.ones(len(ids), dtype=bool)
        order = np.lexsort((np.arange(len(ids)), ranks))
    centre = _stars(a, b, component, large, order)
    return _listed(ids, centre, int((sizes > MOST_CHAINED).sum()) if ranks is None else 0)


def _components(count: int, a: Places, b: Places) -> Places:
    """The smallest place that every place is linked with, over any number of links."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(count, count))
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    smallest: Places = first[component]
    return smallest


def _stars(
    a: Places, b: Places, component: Places, large: NDArray[np.bool_], order: Places
) -> Places:
    """The centre of every place; of small components their smallest place.

    In the given order, each place that has no centre yet becomes one, and takes the places that it
    is linked with and that have none.
    """
    centre = component.copy()
    in_large = large[a]
    one, other = (
        np.concatenate([a[in_large], b[in_large]]),
        np.concatenate([b[in_large], a[in_large]]),
    )
    by = np.argsort(one, kind="stable")
    one, other = one[by], other[by]
    begin = np.searchsorted(one, np.arange(len(component) + 1))
    free = large.copy()
    for place in order[large[order]].tolist():
        if not free[place]:
            continue
        linked = other[begin[place] : begin[place + 1]]
        members = linked[free[linked]]
        centre[members] = centre[place] = place
        free[members] = free[place] = False
    return centre


def _listed(ids: Places, centre: Places, taken_apart: int) -> Clusters:
    """Clusters of at least two, in order of their smallest member."""
    places = np.arange(len(ids))
    smallest = np.full(len(ids), len(ids))
    np.minimum.at(smallest, centre, places)
    several = np.bincount(centre, minlength=len(ids))[centre] > 1
    order = np.lexsort((places, places != centre, smallest[centre]))
    order = order[several[order]]
    first = smallest[centre[order]]
    begins = np.flatnonzero(np.r_[True, first[1:] != first[:-1]]) if len(first) else first
    return Clusters(ids[order], np.append(begins, len(order)).astype(np.int64), taken_apart)
