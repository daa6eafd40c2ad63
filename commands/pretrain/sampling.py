"""The recipe block `sampling`: how often samples of each stratum come. Torch-free."""

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
"""The manifest's column of each thing that strata are made of."""
UNKNOWN = "unknown"
_MOST_REPEATS = 2.0


class Sampling(Part):
    """How unlike strata are mixed: a stratum of n samples is drawn from in proportion to n^τ."""

    temperature: float = Field(
        1.0, ge=0, le=1, description="τ; 1: as the data are, 0: as much from each stratum."
    )
    by: list[Literal["modality", "source", "site"]] = Field(
        ["modality", "source"], min_length=1, description="What a stratum has in common."
    )


class StratumShare(NamedTuple):
    """A stratum: its samples, its part of all samples, and its part of all draws."""

    name: str
    samples: int
    part: float
    share: float


def strata_of(keys: Sampling, dataset: Dataset, rows: NDArray[np.int64]) -> Strata:
    """The strata of the rows: what is equal in all columns of `by`."""
    import numpy as np

    from medfm_cli.data.mixture import Strata

    table = dataset.samples.take(rows)
    columns = [table.column(COLUMNS[name]).to_pylist() for name in keys.by]
    names = [" · ".join(filter(None, values)) or UNKNOWN for values in zip(*columns, strict=True)]
    found, codes = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return Strata(codes.astype(np.int64), tuple(found.tolist()), keys.temperature)


def stratum_shares(strata: Strata, plan: Plan) -> list[StratumShare]:
    """What a plan takes of each stratum, the largest stratum first; nothing where there is one."""
    if len(strata.names) < 2:
        return []
    counts = strata.counts
    taken = getattr(plan, "draw_counts", counts)
    rows = zip(strata.names, counts.tolist(), taken.tolist(), strict=True)
    found = [
        StratumShare(name, count, count / int(counts.sum()), draws / int(taken.sum()))
        for name, count, draws in rows
    ]
    return sorted(found, key=lambda each: (-each.samples, each.name))


def record(mixture: list[StratumShare], keys: Sampling, run: Run) -> None:
    """Write down what is drawn of each stratum."""
    if mixture:
        shares = {each.name: round(each.share, 4) for each in mixture}
        why = f"samples ^ {keys.temperature:g} of each stratum ({', '.join(keys.by)})"
        run.resolve("sampling.shares", shares, why)


def repeated_samples(loader: Loader) -> list[str]:
    """Say which depths are so rare that their volumes come much more often than the others'."""
    import numpy as np

    excess = getattr(loader.plan, "excess", None)
    if excess is None:
        return []
    counts = np.bincount(loader.groups).tolist()
    return [
        f"volumes of depth {shape[1]}, of which there are {count}, fill a batch of "
        f"{loader.global_batch} by themselves and come {times:.1f} times as often as they should; "
        f"without {shape[1]} in input.depths they would join the nearest depth"
        for shape, count, times in zip(loader.shapes, counts, excess.tolist(), strict=True)
        if times > _MOST_REPEATS
    ]


def mixture_table(mixture: list[StratumShare], keys: Sampling) -> Table:
    """The strata, and how often they come, for the report."""
    from medfm_cli.runs import Table

    return Table(
        ["Stratum", "Samples", "Part of the samples", "Part of what is drawn"],
        [[each.name, each.samples, f"{each.part:.1%}", f"{each.share:.1%}"] for each in mixture],
        f"Strata by {' and '.join(keys.by)}; one of n samples is drawn from in proportion to "
        f"n^{keys.temperature:g} (sampling.temperature).",
    )
