"""WebDataset tars: each sample a few members of one name, such as `7.jpg`, `7.cls`, `7.json`.

Shards that medfm wrote come back as they were. Pickles (`.pyd`, `.pth`) are never opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medfm_cli.errors import DataError, Unreadable
from medfm_cli.readers.item import Box, Item, ReadOptions, Turn
from medfm_cli.readers.memory import first_of, read_bytes
from medfm_cli.readers.records import Record
from medfm_cli.readers.records.column_roles import meaning_of_names, plain
from medfm_cli.readers.records.person import person
from medfm_cli.readers.records.questions import turns_of
from medfm_cli.readers.tables import tar_index
from medfm_cli.readers.tables.tar_index import Members
from medfm_cli.readers.tables.text import decode
from medfm_cli.samples import payload
from medfm_cli.samples.content import Content, Image2D, Text

_TEXTS = ("txt", "text", "caption")
_LABELS = ("cls", "cls2", "label")
_JSON = ("json", "jsn")
_MASK = re.compile(r"(mask|seg|segmentation)\.(png|npy)")
_FURTHER = re.compile(r"\d+\.(png|jpe?g|webp|bmp|tiff?)")
_IMAGES = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "dcm", "nii", "nii.gz")
_NEVER = ("pyd", "pickle", "pkl", "pth", "pt", "joblib")


def sniff(head: bytes) -> bool:
    """Whether the file begins as a tar does."""
    return head[257:262] == b"ustar"


def count(path: Path) -> int:
    """How many samples the tar holds.

    Raises:
        OSError: it cannot be opened.
    """
    return tar_index.count(path)


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """The samples in the order of the tar, or the range `options.items` of them."""
    first, last = options.items or (0, None)
    for number, sample in enumerate(tar_index.samples(path, first, last), first):
        try:
            if sample.wrong:
                raise Unreadable(sample.wrong)
            for item in _items(sample, options):
                yield replace(item, part=str(number))
        except Unreadable as error:
            reason = f"sample {number + 1}: {error.reason}"
            yield Unreadable(reason, step=error.step, part=str(number))


def _items(sample: Members, options: ReadOptions) -> Iterator[Item]:
    """The sample: several items only where its file holds several frames or slices."""
    metadata = _metadata(sample)
    text = next((decode(sample.data[ending])[1] for ending in _TEXTS if ending in sample.data), "")
    ending = _main(sample)
    mask = next((data for name, data in sample.data.items() if _MASK.fullmatch(name)), None)
    further = [n for n in sample.data if _FURTHER.fullmatch(n) and n != ending]
    numbered = sorted(further, key=lambda name: int(name.partition(".")[0]))
    for item in _contents(sample, ending, metadata, text, options):
        fields: dict[str, Any] = {}
        if mask is not None:
            name = next(name for name in sample.data if _MASK.fullmatch(name))
            fields["mask"] = payload.decode_mask(name, mask)
        if numbered:
            fields["pictures"] = tuple(_image(sample.data[name], options) for name in numbered)
        yield replace(_with(item, metadata, text), **fields)


def _contents(
    sample: Members, ending: str, metadata: Mapping[str, Any], text: str, options: ReadOptions
) -> Iterator[Item]:
    """The content alone."""
    if not ending:
        if not text.strip():
            raise Unreadable("no readable member: " + ", ".join(sorted(sample.data)))
        yield Item(Text(text.strip()), {"format": "WebDataset"})
        return
    kind = metadata.get("kind", "image" if ending == "png" else "")
    if isinstance(metadata.get("meta"), dict) or ending == "row.json":
        yield Item(_own(ending, sample.data[ending], str(kind), metadata), {"format": "WebDataset"})
        return
    for item in read_bytes(sample.data[ending], options):
        yield replace(item, facts=item.facts | {"format": f"WebDataset, {ending}"})


def _own(ending: str, data: bytes, kind: str, metadata: Mapping[str, Any]) -> Content:
    """The content of a sample that medfm wrote."""
    try:
        return payload.decode(
            "table" if ending == "row.json" else kind, data, metadata.get("meta", {})
        )
    except DataError as error:
        raise Unreadable(f"a damaged sample: {error.message}") from None


def _main(sample: Members) -> str:
    """The ending of the member that is the content; empty when it is the text."""
    others = (*_TEXTS, *_LABELS, *_JSON)
    found = [
        ending
        for ending in sample.data
        if ending not in others
        and not _MASK.fullmatch(ending)
        and ending.rpartition(".")[2] not in _NEVER
    ]
    plain_ = [ending for ending in found if not _FURTHER.fullmatch(ending)]
    images = sorted(ending for ending in plain_ if ending in _IMAGES)
    if len(images) > 1:
        raise Unreadable(f"several images under one name: {', '.join(images)}")
    return next(iter(plain_ or found), "")


def _metadata(sample: Members) -> dict[str, Any]:
    """What the members beside the content say."""
    metadata: dict[str, Any] = {}
    for ending in _JSON:
        if ending in sample.data:
            try:
                found = json.loads(sample.data[ending])
            except (ValueError, RecursionError):
                raise Unreadable("a damaged .json member") from None
            if isinstance(found, dict):
                metadata |= found
    for ending in _LABELS:
        if ending in sample.data and "label" not in metadata:
            metadata["label"] = decode(sample.data[ending])[1].strip()
    return metadata


def _with(item: Item, metadata: Mapping[str, Any], text: str) -> Item:
    """The item with its metadata."""
    record = Record(0, dict(metadata))
    meaning = meaning_of_names(metadata)
    fields: dict[str, Any] = {
        name: value
        for name, value in person(record, meaning).items()
        if value not in (None, "") and not getattr(item, name)
    }
    label = metadata.get("label", metadata.get("labels"))
    if isinstance(label, list):
        fields |= {"labels": [str(one) for one in label], "label": None}
    full_text = text or plain(metadata.get("text")) or meaning.cell(record, "text")
    if not isinstance(item.content, Text):
        fields["text"] = full_text.strip()
    fields["turns"] = _turns(metadata) or turns_of(record, meaning)
    fields["boxes"] = _boxes(metadata)
    return replace(item, **fields)


def _turns(metadata: Mapping[str, Any]) -> tuple[Turn, ...]:
    """Questions as medfm writes them."""
    turns = metadata.get("turns")
    if not isinstance(turns, list):
        return ()
    good = [turn for turn in turns if isinstance(turn, list) and len(turn) == 3]
    return tuple(
        Turn(str(q), str(a), facts if isinstance(facts, dict) else {}) for q, a, facts in good
    )


def _boxes(metadata: Mapping[str, Any]) -> tuple[Box, ...]:
    """Boxes as medfm writes them."""
    boxes = metadata.get("boxes")
    if not isinstance(boxes, list):
        return ()
    good = [box for box in boxes if isinstance(box, list) and len(box) == 5]
    return tuple(
        Box(str(label), *map(float, sides))
        for label, *sides in good
        if all(isinstance(side, int | float) for side in sides)
    )


def _image(data: bytes, options: ReadOptions) -> Image2D:
    content = first_of(data, options).content
    if not isinstance(content, Image2D):
        raise Unreadable("a further image that is not an image")
    return content
