"""EDF, EDF+ and BDF recordings through edfio (specification: edfplus.info)."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medfm_cli.errors import Unreadable
from medfm_cli.readers.demographics import age_between, sex_of
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.optional import needed
from medfm_cli.readers.signals.channels import MAX_SAMPLES, Values, by_rate
from medfm_cli.samples.attributes import scanner_of
from medfm_cli.samples.content import Text

_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_MOST_ANNOTATIONS = 16 << 20
_MOST_PLACES = 1000
_KNOWN = re.compile(
    r"(sleep )?stage \w{1,3}|movement time|lights? (on|off)|(micro-?)?arousal|(hypo|a)pno?ea"
    r"|(central|obstructive|mixed) apno?ea|desaturation|snor(e|ing)|limb movement|seizure|spike"
    r"|eyes (open|closed)|blink|artifact|hyperventilation|photic( stimulation)?|t\d{1,2}"
    r"|recording (starts?|ends?)|(start|end)( of)? recording",
    re.IGNORECASE,
)
"""Annotations that say something of the recording; all others may say anything of anyone."""


@dataclass(frozen=True, slots=True)
class _Start:
    """What the first 256 bytes say of the size of the file."""

    header: int
    records: int
    plus: str
    bdf: bool


def sniff(head: bytes) -> bool:
    """Whether the file begins like an EDF or BDF header."""
    if not head.startswith((_EDF, _BDF)) or len(head) < 256:
        return False
    return all(_number(head[a:b]) is not None for a, b in ((184, 192), (236, 244), (252, 256)))


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """One item a rate: channels of one rate lie in one signal, and none is resampled.

    Values are physical and float32. The patient's code is the subject, the recording's code the
    study, both private; a name is never handed over. `facts["annotations"]` counts what a closed
    vocabulary knows (sleep stages, arousals, …); other remarks are the item's text (private).
    """
    edfio = needed("edfio", extra="signals")
    start = _start(path)
    limit = min(options.max_values, MAX_SAMPLES)
    if path.stat().st_size > start.header + 3 * limit:  # edfio reads a BDF file as a whole
        raise Unreadable(f"a recording of more than {limit / 1e6:.0f} million samples")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the header
        try:
            load = edfio.read_bdf if start.bdf else edfio.read_edf
            recording = load(path, header_encoding="latin-1")
            channels = list(_channels(recording, start, limit))
            item = Item(
                Text(""), _facts(start), notes=_notes(start, recording), **_person(recording)
            )
            item = _with_annotations(item, recording)
            yield from by_rate(channels, item)
        except (Unreadable, OSError):
            raise
        except MemoryError:
            raise Unreadable("the recording needs more memory than there is") from None
        except Exception:  # a damaged header makes the parser say almost anything
            raise Unreadable("a damaged EDF file") from None


def _number(field: bytes) -> int | None:
    try:
        return int(field.decode("ascii"))
    except ValueError:
        return None


def _start(path: Path) -> _Start:
    with path.open("rb") as file:
        head = file.read(256)
    header, records = _number(head[184:192]), _number(head[236:244])
    signals = _number(head[252:256])
    if header is None or records is None or signals is None or header != 256 * (signals + 1):
        raise Unreadable("a damaged EDF header")
    plus = head[192:197].decode("latin-1").strip()
    return _Start(header, records, plus, head.startswith(_BDF))


def _channels(recording: Any, start: _Start, limit: int) -> Iterator[Values]:
    """The signals, once it is clear that the file holds them all."""
    if not recording.signals:
        raise Unreadable("an EDF file of annotations, without signals", step="quality")
    if 0 <= recording.num_data_records < start.records:
        raise Unreadable("a truncated EDF file")
    if not recording.num_data_records:
        raise Unreadable("an EDF file without samples", step="quality")
    per_record = sum(signal.samples_per_data_record for signal in recording.signals)
    if per_record * recording.num_data_records > limit:
        raise Unreadable(f"a recording of more than {limit / 1e6:.0f} million samples")
    for signal in recording.signals:
        if not 0 < signal.sampling_frequency < 1e9:
            raise Unreadable("an EDF file with a channel without rate")
        values = signal.data.astype(np.float32)
        if not _has_scale(signal):
            values[:] = np.nan
        signal._digital = None  # edfio keeps what it has read
        yield Values(signal.label, signal.physical_dimension, signal.sampling_frequency, values)


def _has_scale(signal: Any) -> bool:
    """Whether the header says how numbers become physical values."""
    return bool(
        signal.digital_max != signal.digital_min and signal.physical_max != signal.physical_min
    )


def _facts(start: _Start) -> dict[str, Any]:
    return {"format": start.plus or ("BDF" if start.bdf else "EDF")}


def _notes(start: _Start, recording: Any) -> tuple[str, ...]:
    notes = []
    if start.plus.endswith("+D"):
        notes.append("discontinuous: the gaps between its parts are not in the signal")
    if without := sum(not _has_scale(signal) for signal in recording.signals):
        notes.append(f"{without} channels have no scale, and no values")
    return tuple(notes)


def _person(recording: Any) -> dict[str, Any]:
    """Subject, study, sex, age and time, as far as the header says them."""
    found: dict[str, Any] = {"subject": _known(recording.local_patient_identification)}
    try:
        day = recording.startdate
        found["time"] = recording.startdatetime.isoformat()
    except (ValueError, OverflowError):
        day = None
    fields = recording.local_patient_identification.split()
    if len(fields) < 4 or not re.fullmatch(r"X|\d\d?-\w{3}-\d{4}", fields[2]):
        return found  # not as EDF+ has it: free text, whole
    found["subject"] = _known(fields[0]) or _known(" ".join(fields[3:]))
    found["sex"] = sex_of(fields[1])
    found["study"] = _known(recording.recording.hospital_administration_code)
    found["scanner"] = scanner_of(recording.recording.equipment_code)
    try:
        found["age"] = age_between(recording.patient.birthdate, day) if day else None
    except ValueError:
        found["age"] = None
    return found


def _known(text: str) -> str | None:
    """The text, unless it is one of the ways to say nothing."""
    text = text.strip()
    return text if text.strip("X x.") else None


def _with_annotations(item: Item, recording: Any) -> Item:
    """The item with what the recording's annotations say."""
    size = sum(signal.digital.nbytes for signal in recording._annotation_signals)
    if not size:
        return item
    try:
        found = recording.annotations if size <= _MOST_ANNOTATIONS else ()
    except Exception:  # one damaged byte fails them all
        return replace(item, notes=(*item.notes, "its annotations are damaged"))
    names = [_name(annotation.text) for annotation in found]
    remarks = dict.fromkeys(a.text for a, name in zip(found, names, strict=True) if name == "other")
    counted = {
        "counts": dict(sorted(Counter(names).items())),
        "seconds": [round(float(annotation.onset), 3) for annotation in found[:_MOST_PLACES]],
        "symbols": names[:_MOST_PLACES],
    }
    if not names:
        return item
    return replace(
        item, facts=item.facts | {"annotations": {"edf": counted}}, text="\n".join(remarks)
    )


def _name(text: str) -> str:
    """What an annotation is called: `Lights off@@EEG F4-A1` names a channel too."""
    word = text.partition("@@")[0].strip()
    return word if _KNOWN.fullmatch(word) else "other"
