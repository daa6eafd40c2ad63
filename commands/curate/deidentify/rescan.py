"""The finished dataset looked through once more: is anyone in it after all?

Texts, facts and cells are searched with the same detectors, and for every identifier that was seen
while reading, which is known by its keyed mark only. Images, slices and frames are searched for
burned-in text. The report says what was looked at, what was found, and what nobody looked for.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from medfm_cli.commands.curate.deidentify.burned_in_kinds import regions
from medfm_cli.commands.curate.deidentify.identifier_hashes import windows
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.step import LEAST
from medfm_cli.commands.curate.deidentify.text.clean import engine, finder
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.data.manifest import MANIFEST_FILE
from medfm_cli.data.shards import ShardReader
from medfm_cli.samples.attributes import table_attributes
from medfm_cli.samples.payload import decode

SEARCHED = 2000
"""Most images, volumes and videos that are decoded and searched."""
SHOWN = 5
"""Samples that a finding names."""
KNOWN = "a known identifier"
TEXT = "burned-in text suspected"
WHAT = ("texts", "facts", "names and labels", "cells", "pixels")
_CHUNK = 2048
_PLACE = ("kind", "meta", "shard", "offset", "length")
_WORDS = (
    *("label", "modality", "anatomy", "source"),
    *(item.name for item in table_attributes() if item.kind is str),
)
"""Columns that are searched for known identifiers only."""


@dataclass
class Look:
    """One kind of thing that was looked at.

    Attributes:
        what: one of `WHAT`.
        looked: how many of them.
        of: how many there are.
        found: how many hold something, by what it is.
        samples: some of those that do.
    """

    what: str
    looked: int = 0
    of: int = 0
    found: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    def see(self, sample: str, found: Counter[str]) -> None:
        """Count one thing that was looked at."""
        self.looked += 1
        self.of += 1
        self.hold(sample, found)

    def hold(self, sample: str, found: Counter[str]) -> None:
        """Count what one thing holds, each type once."""
        self.found.update(dict.fromkeys(found, 1))
        if found and len(self.samples) < SHOWN:
            self.samples.append(sample)


@dataclass
class Rescan:
    """What looking again has shown.

    Attributes:
        looks: what was looked at.
        known: how many identifiers were searched for, 0 where none was handed over.
        engine: how texts were searched: `builtin`, `presidio`, or `off` where they were not.
        unchecked: what was not looked for, a sentence each.
    """

    looks: list[Look]
    known: int
    engine: str
    unchecked: list[str]

    @property
    def identifiers(self) -> int:
        """How many samples hold an identifier that was seen while reading: a leak."""
        return sum(look.found[KNOWN] for look in self.looks)


class Marked:
    """Whether a text holds one of the identifiers that were seen, found by their keyed hashes.

    Args:
        names: the key of the marks.
        known: whether a mark is one of those that were seen; a set's `__contains__`, or a query.
    """

    def __init__(self, names: Pseudonyms, known: Callable[[str], bool]) -> None:
        self._known = lru_cache(maxsize=1 << 16)(lambda form: known(names.mark(form)))

    def __call__(self, text: str) -> Counter[str]:
        """`{KNOWN: n}` of the identifiers found."""
        count = sum(self._known(form) for form in set(windows(text)))
        return Counter({KNOWN: count}) if count else Counter()


def rescan(
    root: Path,
    options: Deidentify,
    names: Pseudonyms,
    known: Callable[[str], bool] = lambda _: False,
    *,
    marks: int = 0,
    searched: int = SEARCHED,
    check_stop: Callable[[], None] = lambda: None,
) -> Rescan:
    """Look through a dataset that was just written; memory does not grow with its size.

    Args:
        root: the dataset's folder.
        options: the recipe's block.
        names: the key that marks were made with.
        known: whether a mark is one of an identifier that was seen.
        marks: how many such marks there are, for the report.
        searched: most samples whose pixels are searched, chosen by the hashes of their ids.
        check_stop: called now and then; raises when the run is to stop.

    Raises:
        DataError: the dataset is damaged.
    """
    search = _Search(root, options, Marked(names, known), searched)
    for row in _rows(root / MANIFEST_FILE):
        if row["number"] % _CHUNK == 0:
            check_stop()
        search.row(row)
    for row in search.chosen():
        check_stop()
        search.pixels_of(row)
    looks = [look for look in search.looks.values() if look.of]
    return Rescan(looks, marks, search.engine, unchecked(search.kinds, search.looks["pixels"]))


class _Search:
    """The state of one rescan."""

    def __init__(self, root: Path, options: Deidentify, marked: Marked, searched: int) -> None:
        self.engine = engine(options)
        self._find = finder("builtin" if self.engine == "off" else self.engine)
        self._keep = {"DATE"} if options.dates == "keep" else set[str]()
        self._marked = marked
        self._searched = searched
        self._heap: list[tuple[int, int, dict[str, Any]]] = []
        self._shards = ShardReader(root / "shards")
        self.kinds: Counter[str] = Counter()
        self.looks = {what: Look(what) for what in WHAT}

    def row(self, row: dict[str, Any]) -> None:
        """Look at one row of the manifest; its pixels are put aside, if it is to be searched."""
        sample, kind = row["sample_id"], row["kind"]
        self.kinds[kind] += 1
        texts = [row["text"] or "", *_words(_json(row["turns"]))]
        if kind == "text":
            texts.append(self._payload(row).decode("utf-8", "replace"))
        if any(texts):
            self.looks["texts"].see(sample, sum(map(self._inspect, texts), Counter()))
        values = _words([_json(row["facts"]), _json(row["meta"])])
        found = sum(map(self._inspect, values), Counter())
        del found["HOSPITAL"]  # so are makers called
        self.looks["facts"].see(sample, found)
        words = " | ".join(str(row[name] or "") for name in _WORDS)
        self.looks["names and labels"].see(sample, self._marked(words))
        if kind == "table":
            cells = json.loads(self._payload(row))
            self.looks["cells"].see(sample, sum(map(self._inspect, _words(cells)), Counter()))
        elif kind in ("image", "video", "volume"):
            self._put_aside(row)

    def _put_aside(self, row: dict[str, Any]) -> None:
        """Keep those whose ids have the smallest hashes: the same on every run."""
        self.looks["pixels"].of += 1
        digest = hashlib.sha256(row["sample_id"].encode()).digest()
        rank = -int.from_bytes(digest[:8], "big")
        entry = (rank, row["number"], {name: row[name] for name in ("sample_id", *_PLACE)})
        if len(self._heap) < self._searched:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def chosen(self) -> list[dict[str, Any]]:
        """The rows whose pixels are searched, in the manifest's order."""
        return [row for _, _, row in sorted(self._heap, key=lambda entry: entry[1])]

    def pixels_of(self, row: dict[str, Any]) -> None:
        """Search the pixels of one sample for burned-in text."""
        content = decode(row["kind"], self._payload(row), _json(row["meta"]))
        look = self.looks["pixels"]
        look.looked += 1
        look.hold(row["sample_id"], Counter({TEXT: 1} if regions(content, least=LEAST) else {}))

    def _payload(self, row: dict[str, Any]) -> bytes:
        return self._shards.read(row["shard"], row["offset"], row["length"])

    def _inspect(self, text: str) -> Counter[str]:
        found = Counter(s.type for s in self._find(text) if s.type not in self._keep)
        return found + self._marked(text)


def unchecked(kinds: Counter[str], pixels: Look) -> list[str]:
    """What nobody looked for in data of these kinds, a sentence each."""
    gaps = ["Whether rare diagnoses, ages or dates together single somebody out was not checked."]
    if kinds["text"] or kinds["image"]:
        gaps.append("Names in free text without a title, a label or a common first name may stay.")
    if pixels.of > pixels.looked:
        gaps.append(f"The pixels of {pixels.of - pixels.looked:,} samples were not searched again.")
    if pixels.of:
        gaps.append(
            "Handwriting, slanted or vertical text, single letters, faint text and text in other "
            "scripts are not found in pixels; nor are faces, tattoos or jewellery in photographs."
        )
    if kinds["volume"] or kinds["image"]:
        gaps.append("Faces that can be rebuilt from scans of the head were not removed.")
    if kinds["video"]:
        gaps.append("Of a video some frames were searched, not all; its sound is not kept.")
    if kinds["audio"]:
        gaps.append("Voices and words spoken in recordings were not checked.")
    if kinds["signal"] or kinds["series"]:
        gaps.append("An ECG or a course of measurements can itself be somebody's fingerprint.")
    return gaps


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a manifest with their numbers, a chunk at a time."""
    columns = ["sample_id", "text", "turns", "facts", *_WORDS, *_PLACE]
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_CHUNK, columns=columns):
            for row in batch.to_pylist():
                yield row | {"number": number}
                number += 1


def _words(value: Any) -> Iterator[str]:
    """Every text, and every whole number of some length, in values within values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and abs(value) >= 100_000:
        yield str(value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _words(one)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)


def _json(text: str | None) -> Any:
    return json.loads(text) if text else []
