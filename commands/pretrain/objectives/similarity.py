"""Contrastive losses on the cosines of embeddings.

Both compare every sample with all others of the batch (negatives) and with its own other view
(the positive). `groups` are the subjects: two slices of one patient are similar for a
reason, so samples of one group are never negatives of each other. With `same="ignore"` they are
left out of the comparison; with `same="positive"` they are positives as well, whose
log-probabilities are averaged: L_out of Khosla et al. 2020 (arXiv 2004.11362, eq. 2) with subjects
in place of classes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Same = Literal["ignore", "positive"]


class Contrast(NamedTuple):
    """The loss of each sample [B], and whether its own view was the most similar one, 0 or 1 [B].

    If both views are queries, `matched` is the mean of the two.
    """

    losses: Tensor
    matched: Tensor


def nt_xent(
    first: Tensor, second: Tensor, groups: Tensor, *, temperature: float, same: Same = "ignore"
) -> Contrast:
    """Compare two views of every sample, embedded as [B,K] each, with all 2B views.

    ```
    s_ij = z_i · z_j / (‖z_i‖ ‖z_j‖)
    ℓ(i, j) = −log  exp(s_ij / τ) / Σ_{k ≠ i} exp(s_ik / τ)
    L_n = ½ (ℓ(n, n′) + ℓ(n′, n))                          n′ the other view of n
    ```

    NT-Xent, eq. 1 of SimCLR (Chen, Kornblith, Norouzi & Hinton 2020, arXiv 2002.05709); the sum
    over k leaves out samples of the same group of `groups` [B].
    """
    count = len(groups)
    with _full_precision(first):
        unit = functional.normalize(torch.cat([first, second]).float(), dim=1)
        logits = unit @ unit.T / temperature
    alike = (groups[:, None] == groups).repeat(2, 2)
    itself = torch.eye(2 * count, dtype=torch.bool, device=groups.device)
    other_view = itself.roll(count, dims=0)
    result = _compare(logits, other_view, alike, itself=itself, same=same)
    return Contrast(*(values.view(2, count).mean(dim=0) for values in result))


def info_nce(
    queries: Tensor, keys: Tensor, groups: Tensor, *, temperature: float, same: Same = "ignore"
) -> Contrast:
    """Compare every query with the keys of all samples, both [B,K].

    ```
    s_ij = q_i · k_j / (‖q_i‖ ‖k_j‖)
    L_i = −2τ log  exp(s_ii / τ) / Σ_j exp(s_ij / τ)
    ```

    Eq. 1 and algorithm 1 of MoCo v3 (Chen, Xie & He 2021, arXiv 2104.02057): 2τ keeps the size of
    the gradient from depending on the temperature. The sum over j leaves out samples of the same
    group of `groups` [B].
    """
    with _full_precision(queries):
        unit = functional.normalize(queries.float(), dim=1)
        logits = unit @ functional.normalize(keys.float(), dim=1).T / temperature
    own = torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    alike = groups[:, None] == groups
    result = _compare(logits, own, alike, itself=torch.zeros_like(own), same=same)
    return Contrast(2 * temperature * result.losses, result.matched)


def _compare(logits: Tensor, own: Tensor, alike: Tensor, *, itself: Tensor, same: Same) -> Contrast:
    """Cross-entropy of each row of `logits` [n,m] against its positives, all masks [n,m].

    Args:
        logits: similarities over temperature.
        own: the other view of the row's sample.
        alike: views of the row's group.
        itself: the row's own view, which is never compared.
        same: what the group's other samples are.
    """
    hidden = itself if same == "positive" else itself | (alike & ~own)
    positives = own if same == "ignore" else alike & ~itself
    logits = logits.masked_fill(hidden, float("-inf"))
    log_probabilities = logits.log_softmax(dim=1).masked_fill(~positives, 0.0)
    losses = -log_probabilities.sum(dim=1) / positives.sum(dim=1)
    matched = positives.gather(1, logits.argmax(dim=1, keepdim=True)).squeeze(1)
    return Contrast(losses, matched.float())


def _full_precision(like: Tensor) -> torch.autocast:
    """Disable autocast: bf16 loses most in similarities over a small temperature."""
    return torch.autocast(like.device.type, enabled=False)
