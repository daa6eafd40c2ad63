"""k-nearest-neighbour classification of features, without any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 20
TEMPERATURE = 0.07
_CHUNK = 1024


def neighbour_probabilities(
    reference: NDArray[np.float32],
    labels: NDArray[np.int64],
    query: NDArray[np.float32],
    *,
    classes: int,
    neighbours: int = NEIGHBOURS,
) -> NDArray[np.float64]:
    """Class probabilities [n,K], float64, of `query` [n,D] from labelled `reference` [N,D].

    The k most similar reference features vote, each with weight exp(s / τ), s being the cosine
    similarity and τ = 0.07 (Wu et al. 2018, arXiv 1805.01978, §3.4; k = 20 as in DINO). The votes
    are scaled to sum to one. k is at most N.

    Raises:
        ValueError: there are no reference features.
    """
    if not len(reference):
        raise ValueError("there are no reference features")
    references, queries = _unit(reference), _unit(query)
    nearest = min(neighbours, len(reference))
    parts = [
        _vote(references, labels, queries[start : start + _CHUNK], classes=classes, nearest=nearest)
        for start in range(0, len(queries), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, classes))


def _vote(
    references: NDArray[np.float32],
    labels: NDArray[np.int64],
    queries: NDArray[np.float32],
    *,
    classes: int,
    nearest: int,
) -> NDArray[np.float64]:
    similarity = queries @ references.T
    # Of equally similar ones the first counts: the result must not depend on the machine.
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :nearest]
    similar = np.take_along_axis(similarity, order, axis=1).astype(np.float64)
    weights = np.exp((similar - similar[:, :1]) / TEMPERATURE)
    votes = np.zeros((len(queries), classes))
    rows = np.repeat(np.arange(len(queries)), nearest)
    np.add.at(votes, (rows, labels[order].ravel()), weights.ravel())
    shares: NDArray[np.float64] = votes / votes.sum(axis=1, keepdims=True)
    return shares


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = features / np.maximum(lengths, 1e-12)
    return unit
