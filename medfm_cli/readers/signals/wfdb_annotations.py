"""Annotations beside a WFDB record (`annot(5)`), through wfdb-python: beats, rhythms and marks."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.signals.wfdb_samples import library

MAX_BYTES = 2 << 20
"""Most bytes of a file, a million annotations; the library reads them one by one."""
MOST = 1000
"""Most annotations of a file that are kept with their places; all are counted."""
_SKIP, _AUX, _LAST = 59, 63, 49
"""Codes: a step in time, a text, and the last that is an annotation."""
_RHYTHM = re.compile(r"\([A-Z][A-Z0-9+]{0,7}")
_RESOLUTION = re.compile(rb"## time resolution: (\d{1,9}(?:\.\d{1,9})?)")


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


def summary(path: Path, rate: float) -> dict[str, Any] | None:
    """Counts of every symbol and rhythm, and the places of the first `MOST`, for `Item.facts`.

    Free text is left out: it may say anything of anyone. `samples` count from the record's
    beginning, `rate` of them a second, as the file says or else the record. None where the file is
    damaged or holds no annotation.
    """
    data = path.read_bytes()[:MAX_BYTES]
    resolution = _RESOLUTION.search(data[:64])
    try:
        with library() as wfdb, TemporaryDirectory() as scratch:
            # what a file says of itself makes the library run forever where it says it wrongly
            (Path(scratch) / "r.a").write_bytes(data.replace(b"## ", b"@@ "))
            found = wfdb.rdann(f"{scratch}/r", "a", return_label_elements=["symbol", "label_store"])
    except Unreadable:
        return None
    codes = found.label_store.tolist()
    if not codes or max(codes) > _LAST:
        return None
    names = [_name(*mark) for mark in zip(codes, found.symbol, found.aux_note, strict=True)]
    return {
        "counts": dict(sorted(Counter(names).items())),
        "rate": float(resolution[1]) if resolution else rate,
        "samples": found.sample[:MOST].tolist(),
        "symbols": names[:MOST],
    }


def _name(code: int, symbol: object, text: str) -> str:
    """The symbol, or the rhythm that begins, such as `(AFIB`; free codes have no symbol."""
    if not isinstance(symbol, str) or not symbol.strip():
        return f"#{code}"
    rhythm = _RHYTHM.match(text) if symbol == "+" else None
    return rhythm[0] if rhythm else symbol
