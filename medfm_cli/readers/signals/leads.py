"""What channels are called, and what that says of the signal."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ECG = re.compile(
    r"(ecg|ekg)(?![a-z]).*"
    r"|(lead[ _])?(i{1,3}|av[rlf]|v([1-9]r?|[xyz])?|ml?[ic]i{1,3}|mcl[1-6]?|mv[1-6])",
    re.IGNORECASE,
)
_EEG = re.compile(
    r"(eeg(?![a-z]).*)|(fp[12z]|af[3-8z]|f([1-9]|10|z)|fc[1-6z]|ft[789]|ft10|c[1-6z]|cp[1-6z]|t[3-9]|t10"
    r"|tp[789]|tp10|p([1-9]|10|z)|po[3-8z]|o[12z]|a[12]|m[12])(-\w{1,4})?",
    re.IGNORECASE,
)


def modality_of(channels: Sequence[str]) -> str:
    """`ECG` or `EEG` where most of the channels are leads of it, else empty."""
    for name, leads in (("ECG", _ECG), ("EEG", _EEG)):
        hits = sum(leads.fullmatch(channel.strip()) is not None for channel in channels)
        if channels and 2 * hits > len(channels):
            return name
    return ""
