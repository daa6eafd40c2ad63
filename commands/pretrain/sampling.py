"""The recipe block `sampling`: the sampling weight of each stratum. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from medfm_cli.recipe import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.data.dataset import Dataset
    from medfm_cli.data.loader import Loader
    from medfm_cli.data.mixture import Strata
    from medfm_cli.data.samplers import Plan
    from medfm_cli.runs import Run, Table

COLUMNS = {"modality": "modality", "source": "origin", "site": "site"}
"""The manifest's column of each key of a stratum."""
UNKNOWN = "unknown"
_MOST_REPEATS = 2.0


class Sampling(Part):
    """Sampling of strata: one of n samples is sampled in proportion to n^τ."""

    temperature: float = Field(
        1.0,
        ge=0,
        le=1,
        description="τ; 1: in proportion to the data, 0: equal shares of all strata.",
    )
    by: list[Literal["modality", "source", "site"]] = Field(
        ["modality", "source"], min_length=1, description="Columns that define a stratum."
    )


class StratumShare(NamedTuple):
    """A stratum: its samples, its share of all samples, and its share of all draws."""

    name: str
    samples: int
    sample_share: float
    draw_share: float


def strata_of(keys: Sampling, dataset: Dataset, rows: NDArray[np.int64]) -> Strata:
    """The strata of the rows: what is equal in all columns of `by`."""
    import numpy as np

    from medfm_cli.data.mixture import Strata

    table = dataset.samples.take(rows)
    columns = [table.column(COLUMNS[name]).to_pylist() for name in keys.by]
    names = [" · ".join(filter(None, values)) or UNKNOWN for values in zip(*columns, strict=True)]
    strata, codes = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return Strata(codes.astype(np.int64), tuple(strata.tolist()), keys.temperature)


def stratum_shares(strata: Strata, plan: Plan) -> list[StratumShare]:
    """The shares of each stratum in a plan, the largest stratum first; empty with one stratum."""
    if len(strata.names) < 2:
        return []
    counts = strata.counts
    draws = getattr(plan, "draw_counts", counts)
    rows = zip(strata.names, counts.tolist(), draws.tolist(), strict=True)
    shares = [
        StratumShare(name, count, count / int(counts.sum()), drawn / int(draws.sum()))
        for name, count, drawn in rows
    ]
    return sorted(shares, key=lambda each: (-each.samples, each.name))


def record(mixture: list[StratumShare], keys: Sampling, run: Run) -> None:
    """Record the share of draws of each stratum."""
    if mixture:
        shares = {each.name: round(each.draw_share, 4) for each in mixture}
        why = f"samples ^ {keys.temperature:g} of each stratum ({', '.join(keys.by)})"
        run.resolve("sampling.shares", shares, why)


def repeated_samples(loader: Loader) -> list[str]:
    """Warn of depths so rare that their volumes are repeated much more often than others."""
    import numpy as np

    excess = getattr(loader.plan, "excess", None)
    if excess is None:
        return []
    counts = np.bincount(loader.groups).tolist()
    return [
        f"depth {shape[1]} has {count} of {sum(counts)} volumes and fills whole batches of "
        f"{loader.global_batch}: they are sampled {times:.1f} times as often as they should be; "
        f"without {shape[1]} in input.depths they would get the nearest depth"
        for shape, count, times in zip(loader.shapes, counts, excess.tolist(), strict=True)
        if times > _MOST_REPEATS
    ]


def mixture_table(mixture: list[StratumShare], keys: Sampling) -> Table:
    """The table of strata and their shares."""
    from medfm_cli.runs import Table

    return Table(
        ["Stratum", "Samples", "Share of samples", "Share of draws"],
        [
            [each.name, each.samples, f"{each.sample_share:.1%}", f"{each.draw_share:.1%}"]
            for each in mixture
        ],
        f"Strata by {' and '.join(keys.by)}; one of n samples is sampled in proportion to "
        f"n^{keys.temperature:g} (sampling.temperature).",
    )
