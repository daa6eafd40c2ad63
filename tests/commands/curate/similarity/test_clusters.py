"""Clusters: whole while they are small, stars when a chain would tie everything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.commands.curate.similarity.clusters import MOST_CHAINED, Clusters, form_clusters

Edge = tuple[int, int]


def formed(edges: Iterable[Edge], ranks: dict[int, int] | None = None) -> Clusters:
    ends = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
    ids = np.unique(ends)
    order = None if ranks is None else np.array([ranks[i] for i in ids.tolist()], dtype=np.int64)
    return form_clusters(ends[:, 0], ends[:, 1], ranks=order)


def listed(clusters: Clusters) -> list[list[int]]:
    return [members.tolist() for members in clusters]


def components(edges: Iterable[Edge]) -> list[set[int]]:
    groups: list[set[int]] = []
    for edge in edges:
        joined = [group for group in groups if group & set(edge)]
        groups = [g for g in groups if g not in joined] + [set(edge).union(*joined)]
    return sorted((group for group in groups if len(group) > 1), key=min)


nodes = st.integers(0, 40)
graphs = st.lists(st.tuples(nodes, nodes).filter(lambda edge: edge[0] != edge[1]), max_size=60)


@given(graphs)
def test_small_clusters_are_all_that_hangs_together(edges: list[Edge]) -> None:
    found = listed(formed(edges))
    assert [set(members) for members in found] == components(edges)
    assert [members[0] for members in found] == [min(members) for members in found]


@given(graphs, st.permutations(range(41)))
def test_stars_link_every_member_with_the_centre(edges: list[Edge], order: list[int]) -> None:
    found = listed(formed(edges, dict(enumerate(order))))
    linked = {frozenset(edge) for edge in edges}
    members = [item for group in found for item in group]
    assert len(members) == len(set(members))
    for centre, *others in found:
        assert all(frozenset((centre, other)) in linked for other in others)
        assert all(order[centre] < order[other] for other in others)
    alone = {item for edge in edges for item in edge} - set(members)
    assert not any(set(edge) <= alone for edge in edges)


def test_a_long_chain_is_taken_apart() -> None:
    count = 3 * MOST_CHAINED
    found = formed([(i, i + 1) for i in range(count)] + [(1000, 1001)])
    assert found.taken_apart == 1
    assert max(len(members) for members in found) == 3
    assert listed(found)[-1] == [1000, 1001]


def test_many_copies_of_one_stay_together() -> None:
    count = 3 * MOST_CHAINED
    found = formed([(500, i) for i in range(count)])
    assert [len(members) for members in found] == [count + 1]
    assert listed(found)[0][0] == 500


def test_nothing_linked() -> None:
    assert listed(formed([])) == []
