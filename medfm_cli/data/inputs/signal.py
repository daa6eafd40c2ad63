"""Recordings of several leads, such as the 12-lead ECG."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medfm_cli.data.inputs.base import NetworkInput, Shape, centre, refuse, resampled
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Content, Signal

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve leads of an ECG in their usual order."""
MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Factors to millivolts, by the unit in small letters; of any other unit the numbers stay."""
FLAT = 1e-6
"""What varies less (in millivolts) does not vary."""


class SignalInput(NetworkInput):
    """Leads in a fixed order at one rate: float32 `[leads, T]`, T = `seconds` × `rate`.

    Leads are found by name; one that a record lacks is zero. Voltages become millivolts, samples
    that the source marks as invalid become 0 mV, and of a longer record the middle is taken. Then
    `record` brings all leads of the record together to mean 0 and deviation 1, which keeps their
    proportions, as ST-MEM does (Na et al., ICLR 2024; axis [-1, -2] in its released configuration,
    which also filters to 0.67-40 Hz; here nothing is filtered). At last a shorter record is
    followed by zeros. So 0 is always "nothing known": an absent lead, or the mean of the record.
    """

    kind: Literal["signal"] = "signal"

    leads: list[str] = Field(min_length=1, description="names of the leads, in this order")
    rate: float = Field(gt=0, description="samples a second")
    seconds: float = Field(gt=0, description="length of the input")
    standardise: Literal["record", "lead", "none"] = Field(
        "record", description="mean 0 and deviation 1 over the record, over each lead, or not"
    )

    @property
    def samples(self) -> int:
        """Samples of every lead."""
        return max(1, round(self.seconds * self.rate))

    @property
    def shape(self) -> Shape:
        """`(leads, T)`."""
        return len(self.leads), self.samples

    def fit(self, content: Content) -> NDArray[np.float32]:
        """A record as `[leads, T]`.

        Raises:
            DataError: it is no signal, or has none of the leads.
        """
        if not isinstance(content, Signal):
            raise refuse(content, "signals")
        places, values = self._leads_of(content)
        values = centre(values, max(1, round(self.seconds * content.rate)))
        values = resampled(np.nan_to_num(values, nan=0.0), old=content.rate, new=self.rate)
        values = self._standardised(values[:, : self.samples])
        fitted = np.zeros(self.shape, dtype=np.float32)
        fitted[places, : values.shape[1]] = values
        return fitted

    def _leads_of(self, content: Signal) -> tuple[list[int], NDArray[np.float32]]:
        """Where in the input the leads belong that the record has, and their millivolts."""
        channels = {plain_lead(name): number for number, name in enumerate(content.channels)}
        leads = [
            (place, channels[plain_lead(name)])
            for place, name in enumerate(self.leads)
            if plain_lead(name) in channels
        ]
        if not leads:
            held = ", ".join(content.channels) or "channels without names"
            raise DataError(
                f"it has none of the leads {', '.join(self.leads)}: it holds {held}",
                hint="name the leads of the data in input.leads",
            )
        numbers = [number for _, number in leads]
        units = content.units or ("",) * len(content.values)
        scales = [MILLIVOLTS.get(units[number].strip().lower(), 1.0) for number in numbers]
        factors = np.asarray(scales, dtype=np.float32)
        return [place for place, _ in leads], content.values[numbers] * factors[:, None]

    def _standardised(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.standardise == "none":
            return values
        axis = None if self.standardise == "record" else 1
        mean = values.mean(axis=axis, keepdims=True, dtype=np.float64)
        std = values.std(axis=axis, keepdims=True, dtype=np.float64)
        scaled: NDArray[np.float32] = ((values - mean) / np.where(std > FLAT, std, np.inf)).astype(
            np.float32
        )
        return scaled


def plain_lead(name: str) -> str:
    """A lead's name without what systems add: `Lead I`, `MDC_ECG_LEAD_AVR`, `avr` → `I`, `AVR`."""
    return name.upper().replace("_", " ").rsplit("LEAD", 1)[-1].strip()
