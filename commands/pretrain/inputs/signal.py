"""Resolve the input of signals: leads, rate and length."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.inputs.inspect import most_common, read_metadata
from medfm_cli.data.inputs.signal import STANDARD, SignalInput, plain_lead
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.inputs.inspect import Resolve, SampleMetadata
    from medfm_cli.commands.pretrain.inputs.options import SignalChoice
    from medfm_cli.data.dataset import Dataset

FASTEST = 250.0
"""Hz; ST-MEM resamples to this (its released configuration), and diagnosis needs no more."""
LONGEST = 10.0
"""Seconds of the standard ECG."""


def resolve_signal(
    choice: SignalChoice, dataset: Dataset, rows: NDArray[np.int64], resolve: Resolve
) -> SignalInput:
    """Resolve leads, rate and length.

    Raises:
        DataError: the records have no lead in common.
    """
    values = choice.model_dump()
    metadata = read_metadata(dataset, rows)
    if choice.leads == "auto":
        values["leads"] = _leads(metadata)
        resolve("input.leads", values["leads"], "leads in at least half of the records")
    if choice.rate == "auto":
        rate, count = most_common(float(each.meta["rate"]) for each in metadata)
        values["rate"] = min(rate, FASTEST)
        why = f"{count} of {len(metadata)} records have {rate:g} Hz; at most {FASTEST:g}"
        resolve("input.rate", values["rate"], why)
    if choice.seconds == "auto":
        median = statistics.median(each.seconds for each in metadata)
        values["seconds"] = round(min(median, LONGEST), 3)
        why = f"median length {median:.3g} s; at most {LONGEST:g} s"
        resolve("input.seconds", values["seconds"], why)
    return SignalInput(**values)


def _leads(metadata: list[SampleMetadata]) -> list[str]:
    """The leads of at least half of the records: the standard ones in their order, then others."""
    named = [
        {plain_lead(name): name for name in each.meta.get("channels", ())} for each in metadata
    ]
    counts = Counter(lead for names in named for lead in names)
    common = {lead for lead, count in counts.items() if 2 * count >= len(metadata)}
    if not common:
        raise DataError(
            "no lead name is in half of the records",
            hint="set input.leads to the names of leads",
        )
    standard = [lead for lead in STANDARD if plain_lead(lead) in common]
    known = {plain_lead(lead) for lead in standard}
    return standard + sorted(common - known)
