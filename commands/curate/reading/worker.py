"""One work unit, from files to records and payloads, in a worker process.

Each item is de-identified, checked, hashed, cut into parts and encoded; what cannot be read or
kept is rejected with the step and the reason.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import numpy as np

from medfm_cli.commands.curate.annotations.apply import apply_annotations
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms, is_placeholder
from medfm_cli.commands.curate.deidentify.step import deidentify
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality.step import mend, rejection_reason
from medfm_cli.commands.curate.reading.staging import (
    Entry,
    ItemRecord,
    ProgressFile,
    RejectedRecord,
    StagedPart,
    Staging,
    WorkUnit,
    WorkUnitWriter,
)
from medfm_cli.commands.curate.similarity.fingerprint import fingerprint
from medfm_cli.commands.curate.sources.vanished import check_there, source_gone
from medfm_cli.commands.curate.tables.columns import sex_name
from medfm_cli.data.card import Cutting
from medfm_cli.data.cutting import PartOf, cut_content
from medfm_cli.readers import Item, ReadOptions, Unreadable, sniff
from medfm_cli.readers.demographics import age_of
from medfm_cli.readers.faults import GONE, UNREACHABLE
from medfm_cli.readers.item import Turn
from medfm_cli.samples.attributes import attributes_of
from medfm_cli.samples.content import Content, Image2D, Video, Volume, content_sha
from medfm_cli.samples.payload import encode


@dataclass(frozen=True)
class SourceConfig:
    """What a worker needs to know of one source block.

    `label_kind` is `boxes` or `masks` where the classes that occur in them are the labels.
    """

    readers: tuple[str, ...]
    read: ReadOptions
    cutting: Cutting
    label_kind: str = ""


@dataclass(frozen=True)
class WorkerConfig:
    """All that a worker needs to know. It holds the key of the pseudonyms: never write it down."""

    folder: str
    mark: str
    blocks: tuple[SourceConfig, ...]
    quality: Quality
    deidentify: Deidentify
    pseudonyms: Pseudonyms


class TimeLimit(BaseException):
    """Reading one file took too long. No `Exception`, so that no reader can swallow it."""


def start_worker() -> None:
    """Set up a worker: quiet, deaf to Ctrl-C (its parent handles that), ending with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):  # decoders complain past Python: libraries quote what they read
        os.dup2(nowhere, output)
    os.close(nowhere)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def read_unit(unit: WorkUnit, settings: WorkerConfig) -> tuple[int, int]:
    """Read and stage a work unit; gives how many items it gave and how many it rejected."""
    staging = Staging(Path(settings.folder), settings.mark)
    with (
        ProgressFile(staging.progress_path(unit.number)) as now,
        _alarms(),
        WorkUnitWriter(staging, unit) as writer,
    ):
        for entry in unit.entries:
            now.at(entry.index)
            if entry.index in unit.skip:
                writer.add(RejectedRecord(entry.index, 0, "", "read", unit.skip[entry.index]))
            else:
                _read_entry(entry, settings, writer)
    return writer.items, writer.rejected


def _read_entry(entry: Entry, settings: WorkerConfig, writer: WorkUnitWriter) -> None:
    """Read one file into the unit: whatever is wrong with it is rejected with a reason.

    Raises:
        OSError: the staging cannot be written, or the source has gone (`SourceGone`).
    """
    rejected = writer.rejected
    _read_or_reject(entry, settings, writer)
    if entry.others or writer.rejected > rejected:  # a group is read from what is there of it
        check_there((entry.path, *entry.others))


def _read_or_reject(entry: Entry, settings: WorkerConfig, writer: WorkUnitWriter) -> None:
    seconds = settings.quality.seconds
    sha, frame = "", 0
    ends = time.monotonic() + seconds
    try:
        if entry.size > settings.quality.max_file_mb << 20:
            raise Unreadable(f"a file of more than {settings.quality.max_file_mb} MB")
        with _limit(ends):
            sha = _sha(entry)
            items = _items(entry, settings)
        while True:
            with _limit(ends):
                item = next(items, None)
                if item is None:
                    return
                if isinstance(item, Unreadable):  # one of many
                    writer.add(RejectedRecord(entry.index, frame, sha, item.step, item.reason))
                else:
                    frame = item.frame
                    _keep(item, entry, sha, settings, writer)
            frame += 1
            if isinstance(item, Unreadable) or item.part:  # one of thousands, each with the limit
                ends = time.monotonic() + seconds
    except Unreadable as error:
        step, reason = error.step, error.reason
    except TimeLimit:
        step, reason = "read", f"reading took more than {seconds} seconds"
    except MemoryError:
        step, reason = "read", "it needs more memory than there is"
    except OSError:  # of the staging: the disk is full; or the source has gone
        raise
    except Exception as error:  # nor may what a step makes of odd content lose the other files
        step, reason = "read", f"it could not be processed ({type(error).__name__})"
    writer.add(RejectedRecord(entry.index, frame, sha, step, reason))


def _items(entry: Entry, settings: WorkerConfig) -> Iterator[Item | Unreadable]:
    """The items of a file; every way of failing is `Unreadable`."""
    block = settings.blocks[entry.block]
    options = block.read
    if entry.first >= 0:
        options = replace(options, items=(entry.first, entry.last))
    try:
        reader = sniff(Path(entry.path), block.readers, options.format)
        if entry.kind in ("series", "mask") and reader.read_group is not None:
            paths = [Path(path) for path in (entry.path, *entry.others)]
            yield from reader.read_group(paths, options)
        else:
            yield from reader.read(Path(entry.path), options)
    except (Unreadable, MemoryError):
        raise
    except OSError as error:
        if error.errno in UNREACHABLE:
            raise source_gone() from None
        raise Unreadable(f"the file cannot be read ({error.strerror or 'damaged'})") from None
    except Exception as error:  # a reader's own failure must not lose the other files
        raise Unreadable(f"the reader failed ({type(error).__name__})") from None


def _keep(
    item: Item, entry: Entry, sha: str, settings: WorkerConfig, writer: WorkUnitWriter
) -> None:
    """Check an item, take the people out of it, and write it to the unit."""
    block, names = settings.blocks[entry.block], settings.pseudonyms
    item = with_table_values(item, entry.table_values)
    item = apply_annotations(item, entry.refs, block.label_kind)
    scanned = bool(item.facts.get("scan_regions"))
    if reason := rejection_reason(item.content, settings.quality, scanned=scanned):
        writer.add(RejectedRecord(entry.index, item.frame, sha, "quality", reason))
        return
    content, remarks = mend(item.content, settings.quality)
    item = replace(item, content=content, notes=(*item.notes, *remarks))
    cleaned = deidentify(item, settings.deidentify, names)
    if cleaned.reason:
        writer.add(RejectedRecord(entry.index, item.frame, sha, "deidentify", cleaned.reason))
        return
    item = cleaned.item
    facts = dict(item.facts)
    if facts.get("frames", 1) > 1:
        facts["frame"] = item.frame
    name = _name(item)
    whole = _all_that_is_stored(item, name)
    if whole not in writer.stored:
        writer.stored[whole] = [
            _staged(part, item, writer)
            for part in cut_content(item.content, block.cutting, mask=item.mask, boxes=item.boxes)
        ]
    stored = writer.stored[whole]
    height, width, channels = _sides(item.content)
    if len(stored) == 1 and (stored[0].height, stored[0].width) != (height, width):
        facts["reduced_from"] = [height, width]
    seen = fingerprint(item.content)
    writer.add(
        ItemRecord(
            entry=entry.index,
            frame=item.frame,
            part=item.part,
            file_sha=sha,
            content_sha=name,
            kind=stored[0].kind,  # slices of a volume are images
            height=height,
            width=width,
            channels=channels,
            shape=list(item.content.array.shape),
            parts=stored,
            facts=to_json(facts),
            meta=to_json(item.content.meta),
            phash=seen.hash if seen else None,
            thumb=base64.b64encode(seen.thumb).decode("ascii") if seen else None,
            subject=names.of_person(item.subject),
            study=names.of("study", item.study) if item.study else None,
            site=names.of("site", item.site) if item.site else None,
            time=item.time or "",
            split=item.split,
            text=item.text,
            turns=to_json([[t.question, t.answer, t.facts] for t in item.turns]),
            notes=[*item.notes, *cleaned.notes],
            marks=sorted(cleaned.marks),
            **attributes_of(item),
        )
    )


def _name(item: Item) -> str:
    """The sha256 (hex) that identifies an item: of its content; of a document with several
    images, of all of them and its text."""
    if not item.pictures:
        return content_sha(item.content)
    parts = [content_sha(one) for one in (item.content, *item.pictures)]
    return hashlib.sha256(
        "\n".join([*parts, item.text]).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _all_that_is_stored(item: Item, name: str) -> str:
    """Identifies an item by all that its payloads store: two scans of the same values may have
    different masks."""
    digest = hashlib.sha256(
        to_json([[b.label, b.x0, b.y0, b.x1, b.y1] for b in item.boxes]).encode()
    )
    if item.mask is not None:
        digest.update(repr(item.mask.shape).encode() + np.ascontiguousarray(item.mask).tobytes())
    for picture in item.pictures:
        digest.update(content_sha(picture).encode())
    return f"{name} {digest.hexdigest()}"


def with_table_values(item: Item, values: Mapping[str, str]) -> Item:
    """The item with what a table says of its file, which counts for more than the file's own."""
    if not values:
        return item
    age = age_of(values.get("age", ""))
    subject = values.get("subject", "")
    turns = tuple(Turn(q, a, facts) for q, a, facts in json.loads(values.get("turns") or "[]"))
    return replace(
        item,
        subject=item.subject if is_placeholder(subject) else subject,
        study=values.get("study") or item.study,
        time=values.get("time") or item.time,
        age=item.age if age is None else age,
        sex=sex_name(values.get("sex", "")) or item.sex,
        text="\n\n".join(filter(None, (values.get("text"), item.text))),
        turns=(*item.turns, *turns),
    )


def _staged(part: PartOf, item: Item, writer: WorkUnitWriter) -> StagedPart:
    """Encode a part of an item and stage it."""
    content = part.content
    members = encode(content, mask=part.mask, pictures=item.pictures)
    height, width, channels = _sides(content)
    return StagedPart(
        suffix=part.suffix,
        kind=content.kind,
        place=to_json(part.place),
        shape=list(content.array.shape),
        height=height,
        width=width,
        channels=channels,
        meta=to_json(content.meta),
        boxes=to_json([[b.label, b.x0, b.y0, b.x1, b.y1] for b in part.boxes]),
        offset=writer.payload(members),
        lengths={name: len(data) for name, data in members.items()},
    )


def _sides(content: Content) -> tuple[int, int, int]:
    """Height, width and channels of an image, volume or video; zeros for anything else."""
    shape = content.array.shape
    if isinstance(content, Image2D):
        return shape[0], shape[1], 3 if len(shape) == 3 else 1
    if isinstance(content, Volume | Video):
        return shape[1], shape[2], 3 if len(shape) == 4 else 1
    return 0, 0, 0


def to_json(value: Any) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _sha(entry: Entry) -> str:
    """The sha256 (hex) of what is read: of the file; of several, over their hashes, one a line.

    Whether the rest can do without one that cannot be opened is for the reader to say.
    """
    hashes = [file_sha(entry.path, entry.size)]
    if not entry.others:
        return hashes[0]
    for path in entry.others:
        with suppress(Unreadable):
            hashes.append(file_sha(path, entry.size))
    return hashlib.sha256("".join(f"{sha}\n" for sha in hashes).encode()).hexdigest()


@lru_cache(maxsize=8)
def file_sha(path: str, size: int) -> str:
    """The sha256 (hex) of a file; kept for files that are read in many ranges.

    Raises:
        Unreadable: it cannot be opened.
        OSError: it has gone since it was listed.
    """
    del size
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        if error.errno in GONE:
            raise source_gone() from None
        raise Unreadable(f"the file cannot be read ({error.strerror or 'damaged'})") from None


@contextmanager
def _alarms() -> Iterator[None]:
    """Let `_limit` work in the block (in a process's main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _on_alarm)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limit(ends: float) -> Iterator[None]:
    """Raise `TimeLimit` in the block when the time is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, max(0.001, ends - time.monotonic()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _on_alarm(_number: int, _frame: object) -> None:
    raise TimeLimit
