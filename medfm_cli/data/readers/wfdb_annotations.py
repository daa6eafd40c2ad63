"""Annotations beside a WFDB record (`annot(5)`): beats, rhythms and marks, and where they stand.

wfdb-python never ends on some damaged files, so they are read here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 64 << 20
MOST = 1000
"""Most annotations of a file that are kept with their places; all are counted."""
_SYMBOLS = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'
"""The symbol of each code, a blank where none is defined."""
_NOTE = '"'
"""A note; at the very beginning it is about the file and no annotation."""
_SKIP, _NUM, _SUB, _CHAN, _AUX = 59, 60, 61, 62, 63
_LAST = 49
"""The last code of an annotation; those from 42 on are free for applications."""
_RHYTHM = re.compile(r"\([A-Z][A-Z0-9+]{0,7}")
_RESOLUTION = re.compile(r"## time resolution: (\d{1,9}(?:\.\d{1,9})?)")


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation: its time in ticks, its symbol, and the text that goes with it."""

    sample: int
    symbol: str
    text: str


def files(folder: Path, record: str, others: set[str]) -> list[Path]:
    """The annotation files of a record: named like it, of another ending, in their format."""
    try:
        names = _siblings(str(folder), folder.stat().st_mtime_ns).get(record, ())
        paths = [folder / name for name in names if name not in others]
        return [path for path in paths if _begins_right(path)]
    except OSError:
        return []


@lru_cache(maxsize=2)
def _siblings(folder: str, _changed: int) -> dict[str, list[str]]:
    """Names by stem: a folder of many thousand records is listed once."""
    found: dict[str, list[str]] = {}
    for name in sorted(path.name for path in Path(folder).iterdir()):
        stem, dot, ending = name.rpartition(".")
        if dot and ending.isalnum() and len(ending) <= 8 and ending.lower() != "hea":
            found.setdefault(stem, []).append(name)
    return found


def _begins_right(path: Path) -> bool:
    """Whether the file ends with the mark of annotation files and begins with an annotation."""
    size = path.stat().st_size
    if path.is_symlink() or not path.is_file() or size < 4 or size % 2 or size > MAX_BYTES:
        return False
    with path.open("rb") as file:
        first = file.read(2)
        file.seek(-2, 2)
        code = first[1] >> 2
        return file.read(2) == b"\0\0" and (1 <= code <= _LAST or code in (_SKIP, _AUX))


def read(path: Path) -> tuple[list[Mark], float | None] | None:
    """The annotations, and their ticks a second if the file says; None for a damaged file."""
    data = np.frombuffer(path.read_bytes()[:MAX_BYTES], "<u2").tolist()
    marks: list[Mark] = []
    rate: float | None = None
    time, place = 0, 0
    while place < len(data) and data[place]:
        code, low = data[place] >> 10, data[place] & 0x3FF
        place += 1
        if code == _SKIP:
            if place + 2 > len(data):
                return None
            step = data[place] << 16 | data[place + 1]
            time += step - (1 << 32 if step >> 31 else 0)
            place += 2
        elif code == _AUX:
            length = low & 0xFF
            words = data[place : place + (length + 1) // 2]
            place += len(words)
            text = np.array(words, "<u2").tobytes()[:length].decode("latin-1")
            if marks:
                marks[-1] = Mark(marks[-1].sample, marks[-1].symbol, text)
        elif code in (_NUM, _SUB, _CHAN):
            continue
        elif code > _LAST:
            return None
        else:
            time += low
            if code:  # 0 marks what is no beat, and is no annotation
                marks.append(Mark(time, _symbol(code), ""))
    if place >= len(data):
        return None  # the end mark is missing
    if marks and (found := _RESOLUTION.match(marks[0].text)):
        rate = float(found[1])
    return [mark for mark in marks if mark.sample or mark.symbol != _NOTE], rate


def _symbol(code: int) -> str:
    symbol = _SYMBOLS[code] if code < len(_SYMBOLS) else " "
    return symbol if symbol != " " else f"#{code}"


def summary(marks: list[Mark], rate: float) -> dict[str, Any]:
    """Counts of every symbol and rhythm, and the places of the first `MOST`, for `Item.facts`.

    Free text is left out: it may say anything of anyone. `samples` count from the record's
    beginning, `rate` of them a second.
    """
    names = [_name(mark) for mark in marks]
    counts = dict(sorted(Counter(names).items()))
    return {
        "counts": counts,
        "rate": rate,
        "samples": [mark.sample for mark in marks[:MOST]],
        "symbols": names[:MOST],
    }


def _name(mark: Mark) -> str:
    """The symbol, or the rhythm that begins, such as `(AFIB`."""
    rhythm = _RHYTHM.match(mark.text) if mark.symbol == "+" else None
    return rhythm[0] if rhythm else mark.symbol
