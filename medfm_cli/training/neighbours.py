"""Classes by the nearest neighbours: what features tell without any training on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 20
TEMPERATURE = 0.07
_CHUNK = 1024


def neighbour_probabilities(
    bank: NDArray[np.float32],
    labels: NDArray[np.int64],
    asked: NDArray[np.float32],
    *,
    classes: int,
    neighbours: int = NEIGHBOURS,
) -> NDArray[np.float64]:
    """Class probabilities of `asked` [n,D] from a labelled `bank` [N,D], float64 [n,K].

    The k most similar features of the bank vote, each with weight exp(s / τ), s being the cosine
    similarity and τ = 0.07 (Wu et al. 2018, arXiv 1805.01978, §3.4; k = 20 as in DINO). The votes
    are scaled to sum to one. k is cut to the size of the bank.

    Raises:
        ValueError: the bank is empty.
    """
    if not len(bank):
        raise ValueError("the bank of features is empty")
    known, wanted = _unit(bank), _unit(asked)
    nearest = min(neighbours, len(bank))
    parts = [
        _vote(known, labels, wanted[start : start + _CHUNK], classes=classes, nearest=nearest)
        for start in range(0, len(wanted), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, classes))


def _vote(
    known: NDArray[np.float32],
    labels: NDArray[np.int64],
    wanted: NDArray[np.float32],
    *,
    classes: int,
    nearest: int,
) -> NDArray[np.float64]:
    likeness = wanted @ known.T
    # Of equally similar ones the first of the bank: the result must not depend on the machine.
    order = np.argsort(-likeness, axis=1, kind="stable")[:, :nearest]
    similar = np.take_along_axis(likeness, order, axis=1).astype(np.float64)
    weights = np.exp((similar - similar[:, :1]) / TEMPERATURE)
    votes = np.zeros((len(wanted), classes))
    rows = np.repeat(np.arange(len(wanted)), nearest)
    np.add.at(votes, (rows, labels[order].ravel()), weights.ravel())
    shares: NDArray[np.float64] = votes / votes.sum(axis=1, keepdims=True)
    return shares


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = features / np.maximum(lengths, 1e-12)
    return unit
