"""The compressed DICOM transfer syntaxes that this installation can decode."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decoder:
    """A transfer syntax and the installed plugins that decode it (none: it cannot be read)."""

    name: str
    uid: str
    plugins: tuple[str, ...]


def decoders() -> list[Decoder]:
    """Every compressed transfer syntax with a decoder in pydicom; [] without pydicom."""
    try:
        from pydicom.pixels.decoders.base import get_decoder
        from pydicom.uid import AllTransferSyntaxes
    except ImportError:
        return []
    found = []
    for uid in AllTransferSyntaxes:
        if not uid.is_encapsulated:
            continue
        try:
            decoder = get_decoder(uid)
        except NotImplementedError:
            continue
        found.append(Decoder(uid.name, str(uid), tuple(decoder.available_plugins)))
    return found
