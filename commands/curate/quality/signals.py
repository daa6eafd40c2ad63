"""Signals: too short, mostly missing, flat or clipped leads, and deflections no heart makes."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.samples.content import Signal

_VOLTS = {"v": 1000.0, "mv": 1.0, "uv": 0.001, "µv": 0.001, "nv": 1e-6}
"""Units of voltage, in millivolts."""
_LEAD = re.compile(
    r"(i{1,3}|av[rlf]|v\d?r?|ml?c?l?(i{1,3}|\d)|m?cm?\d|e[ck]g.*|lead.*|d\d?)\b", re.I
)
_ANY_VOLTAGE = 1000.0
"""Millivolts that nothing on a body exceeds, whatever the channel."""
_STILL_MV = 0.002
"""A lead that varies less (standard deviation, mV) is the noise of its amplifier."""
_STILL_SHARE = 0.95
"""A lead of which so many samples repeat the one before is held, not measured."""


def rejection_reason(content: Signal, quality: Quality) -> str:
    """Why a signal is not kept, empty when it is."""
    values = content.values
    if not values.size or not np.isfinite(values).any():
        return "no sample has a value"
    length = values.shape[1] / content.rate if content.rate > 0 else np.inf
    if quality.min_seconds is not None and length < quality.min_seconds:
        return f"shorter than {quality.min_seconds:g} s"
    missing = 1 - float(np.isfinite(values).mean())
    if quality.max_missing is not None and missing > quality.max_missing:
        return f"more than {quality.max_missing:.0%} of the samples have no value"
    names = content.channels or ("",) * len(values)
    units = content.units or ("",) * len(values)
    scales = [_VOLTS.get(unit.strip().lower().replace("μ", "µ")) for unit in units]
    leads = [
        bool(_LEAD.fullmatch(name.strip())) and (scale is not None or not unit.strip())
        for name, scale, unit in zip(names, scales, units, strict=True)
    ]
    return (
        _flat_leads(values, names, scales, leads, quality)
        or _too_high(values, scales, leads, quality)
        or _clipped_leads(values, names, leads, quality)
    )


def _flat_leads(
    values: NDArray[np.float32],
    names: tuple[str, ...],
    scales: list[float | None],
    leads: list[bool],
    quality: Quality,
) -> str:
    if quality.flat_leads is None:
        return ""
    flat = [
        _flat(channel, scale if lead else None)
        for channel, scale, lead in zip(values, scales, leads, strict=True)
    ]
    return _blame("flat", flat, names, leads, allowed=quality.flat_leads)


def _clipped_leads(
    values: NDArray[np.float32], names: tuple[str, ...], leads: list[bool], quality: Quality
) -> str:
    if quality.clipped is None:
        return ""
    clipped = [resting(channel) > quality.clipped for channel in values]
    return _blame("clipped", clipped, names, leads, allowed=0)


def _blame(
    what: str, bad: list[bool], names: tuple[str, ...], leads: list[bool], *, allowed: int
) -> str:
    """The reason, when too many channels are bad; names only of leads, which are public words."""
    of_leads = [
        name for name, is_bad, lead in zip(names, bad, leads, strict=True) if is_bad and lead
    ]
    if len(of_leads) > allowed:
        listed = ", ".join(of_leads[:4]) + (", …" if len(of_leads) > 4 else "")
        return f"{len(of_leads)} {what} {'lead' if len(of_leads) == 1 else 'leads'} ({listed})"
    others = [is_bad for is_bad, lead in zip(bad, leads, strict=True) if not lead]
    if not any(leads) and sum(others) * 2 > len(others):
        return f"{sum(others)} of {len(others)} channels are {what}"
    return ""


def _flat(channel: NDArray[np.float32], scale: float | None) -> bool:
    """Whether a channel shows nothing; `scale` turns an ECG lead's values into mV."""
    known = channel[np.isfinite(channel)].astype(np.float64)
    if not known.size or known.min() == known.max():
        return True
    if scale is None:
        return False
    held = float((np.diff(known) == 0).mean())
    return bool(known.std() * scale < _STILL_MV) or held > _STILL_SHARE


def _too_high(
    values: NDArray[np.float32], scales: list[float | None], leads: list[bool], quality: Quality
) -> str:
    """Why voltages are not believed: beyond the limit for longer than a pacemaker's spike."""
    if quality.max_millivolt is None:
        return ""
    for channel, scale, lead in zip(values, scales, leads, strict=True):
        if scale is None:
            continue
        known = channel[np.isfinite(channel)].astype(np.float64)
        if not known.size:
            continue
        limit = quality.max_millivolt if lead else max(quality.max_millivolt, _ANY_VOLTAGE)
        if float(np.percentile(np.abs(known - np.median(known)), 99)) * scale > limit:
            return f"implausible: more than {limit:g} mV"
    return ""


def resting(channel: NDArray[np.float32]) -> float:
    """The share of the time that a channel rests at its highest or lowest value.

    Args:
        channel: `[T]`; NaN counts as not resting.
    """
    known = np.isfinite(channel)
    if len(channel) < 2 or not known.any():
        return 0.0
    low, high = channel[known].min(), channel[known].max()
    if low == high:
        return 0.0
    at_limit = (channel == low) | (channel == high)
    return float((at_limit[1:] & at_limit[:-1] & (channel[1:] == channel[:-1])).mean())
