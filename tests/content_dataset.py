"""Datasets on disk of samples of any kind, for tests of what loads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from medfm_cli.data import Dataset, LabelSchema, Sample, ShardWriter, write_manifest
from medfm_cli.data.shards import member_places
from medfm_cli.samples.content import Content, content_sha
from medfm_cli.samples.payload import encode


def content_dataset(
    root: Path,
    contents: Sequence[Content],
    *,
    splits: Sequence[str] = (),
    masks: Sequence[NDArray[Any] | None] = (),
    **columns: Sequence[Any],
) -> Dataset:
    """Write the samples in their order, each of a subject of its own; `columns` of the manifest.

    All are in train where `splits` says nothing else.
    """
    samples = []
    with ShardWriter(root / "shards") as writer:
        for number, content in enumerate(contents):
            key = content_sha(content)[:16]
            mask = masks[number] if masks else None
            members = encode(content, mask=mask)
            place = writer.add(key, members)
            lengths = {name: len(data) for name, data in members.items()}
            shape = content.array.shape
            flat = content.kind in ("image", "volume", "video")
            height, width = shape[-3:-1] if shape[-1] == 3 and flat else shape[-2:]
            values = {name: each[number] for name, each in columns.items()}
            samples.append(
                Sample(
                    sample_id=key,
                    image_id=key,
                    subject_id=f"subject-{number}",
                    split=splits[number] if splits else "train",
                    kind=content.kind,
                    shape=list(shape),
                    height=height if flat else 0,
                    width=width if flat else 0,
                    channels=(3 if shape[-1] == 3 else 1) if flat else 0,
                    meta=json.dumps(content.meta),
                    source=f"{number}.bin",
                    source_sha256=content_sha(content),
                    **place._asdict(),
                    members=json.dumps(member_places(place, lengths)),
                    **values,
                )
            )
    labels = sorted({each for each in columns.get("label", ()) if each is not None})
    write_manifest(
        root,
        samples,
        name="contents",
        label_schema=LabelSchema(kind="single" if labels else "none", classes=labels),
        shards=writer.close(),
    )
    return Dataset.open(root)
