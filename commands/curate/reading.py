"""One unit of files, from bytes to PNGs: read, check, pseudonymise, hash, tile (in a worker)."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import signal
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.commands.curate.deidentify import Pseudonyms
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality import refusal
from medfm_cli.commands.curate.spool import Entry, Found, Refused, Spool, Tile, Unit, UnitWriter
from medfm_cli.data.card import Cutting
from medfm_cli.data.preprocess import cut
from medfm_cli.data.readers import Item, ReadOptions, Unreadable, sniff

PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""Runs only: on scans and photographs smaller than level 3, and faster to write and to read."""


@dataclass(frozen=True)
class Settings:
    """All that a worker needs to know."""

    folder: str
    mark: str
    read: ReadOptions
    quality: Quality
    cutting: Cutting
    pseudonyms: Pseudonyms


class TimeLimit(BaseException):
    """Reading one file took too long. No `Exception`, so that no reader can swallow it."""


def start_worker() -> None:
    """Set up a worker: quiet, deaf to Ctrl-C (its parent handles that), ending with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)  # libraries quote what they read
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def read_unit(unit: Unit, settings: Settings) -> tuple[int, int]:
    """Read a unit and write it to the spool; gives how many images it found and refused."""
    spool = Spool(Path(settings.folder), settings.mark)
    now = spool.now_path(unit.number)
    with UnitWriter(spool, unit.number) as writer:
        for entry in unit.entries:
            now.write_text(json.dumps([os.getpid(), entry.index, time.time()]), "ascii")
            if entry.index in unit.skip:
                reason = unit.skip[entry.index]
                writer.refused.append(Refused(entry.index, 0, "", "read", reason))
            else:
                _read_entry(entry, settings, writer)
    now.unlink(missing_ok=True)
    return len(writer.found), len(writer.refused)


def _read_entry(entry: Entry, settings: Settings, writer: UnitWriter) -> None:
    """Read one file into the unit: whatever is wrong with it becomes a refusal with a reason."""
    seconds = settings.quality.seconds
    sha, frame = "", 0
    ends = time.monotonic() + seconds
    try:
        if entry.size > settings.quality.max_file_mb << 20:
            raise Unreadable(f"a file of more than {settings.quality.max_file_mb} MB")
        with _limit(ends):
            sha = file_sha(entry.path, entry.size)
            items = _items(entry, settings)
        while True:
            with _limit(ends):
                item = next(items, None)
            if item is None:
                return
            if isinstance(item, Unreadable):  # one of many
                refused = Refused(entry.index, frame, sha, item.step, item.reason)
                writer.refused.append(refused)
                frame += 1
                continue
            frame = item.frame
            _keep(item, entry, sha, settings, writer)
            frame += 1
            if item.part:  # one of thousands: the limit is for each of them
                ends = time.monotonic() + seconds
    except Unreadable as error:
        step, reason = error.step, error.reason
    except TimeLimit:
        step, reason = "read", f"reading took more than {seconds} seconds"
    except MemoryError:
        step, reason = "read", "it needs more memory than there is"
    writer.refused.append(Refused(entry.index, frame, sha, step, reason))


def _items(entry: Entry, settings: Settings) -> Iterator[Item | Unreadable]:
    """The images of a file; every way of failing is `Unreadable`."""
    path = Path(entry.path)
    options = settings.read
    if entry.first >= 0:
        options = ReadOptions(
            options.frames, options.slices, options.max_pixels, (entry.first, entry.last)
        )
    try:
        reader = sniff(path)
        yield from reader.read(path, options)
    except (Unreadable, MemoryError):
        raise
    except OSError as error:
        raise Unreadable(f"the file cannot be read ({error.strerror or 'damaged'})") from None
    except Exception as error:  # a reader's own failure must not lose the other files
        raise Unreadable(f"the reader failed ({type(error).__name__})") from None


def _keep(item: Item, entry: Entry, sha: str, settings: Settings, writer: UnitWriter) -> None:
    """Check an image, and write it to the unit."""
    if reason := refusal(item.content, settings.quality):
        writer.refused.append(Refused(entry.index, item.frame, sha, "quality", reason))
        return
    names = settings.pseudonyms
    facts = dict(item.facts)
    if facts.get("frames", 1) > 1:
        facts["frame"] = item.frame
    height, width = item.pixels.shape[:2]
    picture = pixels_sha(item.pixels)
    if picture not in writer.seen:
        parts = cut(item.pixels, settings.cutting)
        writer.seen[picture] = [_spooled(part, writer) for part in parts]
    stored = writer.seen[picture]
    if len(stored) == 1 and (stored[0].height, stored[0].width) != (height, width):
        facts["reduced_from"] = [height, width]
    writer.found.append(
        Found(
            entry=entry.index,
            frame=item.frame,
            part=item.part,
            file_sha=sha,
            pixels_sha=picture,
            height=height,
            width=width,
            tiles=stored,
            facts=json.dumps(facts, sort_keys=True, ensure_ascii=False),
            subject=names.of_person(item.subject),
            study=names.of("study", item.study) if item.study else None,
            site=names.of("site", item.site) if item.site else None,
            modality=item.modality,
            anatomy=item.anatomy,
            label=item.label,
            labels=item.labels,
            split=item.split,
            notes=list(item.notes),
        )
    )


def _spooled(part: tuple[int, int, NDArray[np.uint8]], writer: UnitWriter) -> Tile:
    y, x, pixels = part
    png = encode(pixels)
    channels = 1 if pixels.ndim == 2 else 3
    height, width = pixels.shape[:2]
    return Tile(y, x, height, width, channels, writer.pixels(png), len(png))


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """An image as PNG, without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", **PNG)
    return buffer.getvalue()


def pixels_sha(pixels: NDArray[np.uint8]) -> str:
    """The sha256 (hex) of an image: of its shape and its pixels, however it was encoded."""
    shape = "x".join(str(side) for side in pixels.shape)
    return hashlib.sha256(
        shape.encode() + b":" + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()


@lru_cache(maxsize=8)
def file_sha(path: str, size: int) -> str:
    """The sha256 (hex) of a file; kept for files that are read in many ranges.

    Raises:
        Unreadable: it cannot be opened.
    """
    del size
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"the file cannot be read ({error.strerror or 'damaged'})") from None


@contextmanager
def _limit(ends: float) -> Iterator[None]:
    """Raise `TimeLimit` in the block when the time is over (in a process's main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _on_alarm)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, ends - time.monotonic()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _on_alarm(_number: int, _frame: object) -> None:
    raise TimeLimit
