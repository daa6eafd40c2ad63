"""Small datasets on disk for the tests of the dataset store and the loader."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.data import (
    DatasetCard,
    LabelSchema,
    Location,
    Sample,
    Shard,
    ShardReader,
    ShardWriter,
    write_manifest,
)

CLASSES = LabelSchema(kind="single", classes=["healthy", "ill"])


def picture(number: int, *, size: int = 12, channels: int = 1) -> NDArray[np.uint8]:
    """An image that differs from every other number's."""
    generator = np.random.default_rng(number)
    shape = (size, size) if channels == 1 else (size, size, channels)
    return generator.integers(0, 256, shape, dtype=np.uint8)


def png(pixels: NDArray[np.uint8], *, level: int = 6) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", compress_level=level)
    return sink.getvalue()


def sample(number: int, **changes: Any) -> Sample:
    """A row of the manifest; every third subject is in test, every fifth sample unlabelled."""
    pixels = picture(number)
    name = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    values: dict[str, Any] = {
        "sample_id": name,
        "image_id": name,
        "subject_id": f"subject-{number // 2}",
        "split": "test" if number // 2 % 3 == 2 else "train",
        "modality": "XR",
        "label": None if number % 5 == 4 else CLASSES.classes[number % 2],
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "channels": 1 if pixels.ndim == 2 else 3,
        "source": f"image-{number}.png",
        "source_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "shard": "shard-00000.tar",
        "offset": 512,
        "length": 1,
    }
    return Sample(**{**values, **changes})


def add(
    writer: ShardWriter, number: int, *, level: int = 6, pixels: NDArray[np.uint8] | None = None
) -> Sample:
    """Write sample `number` to the shards and return its row."""
    pixels = picture(number) if pixels is None else pixels
    row = sample(number)
    label = json.dumps({"label": row.label, "modality": row.modality, "subject": row.subject_id})
    data = png(pixels, level=level)
    place = writer.add(row.sample_id, {"png": data, "json": label.encode()})
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    values = {"height": height, "width": width, "channels": channels, "crc32": zlib.crc32(data)}
    return sample(number, **values, **place._asdict())


def write_samples(
    folder: Path, numbers: range, *, start: int = 0, max_bytes: int = 8192, level: int = 6
) -> tuple[list[Sample], list[Shard]]:
    with ShardWriter(folder, max_bytes=max_bytes, start=start) as writer:
        rows = [add(writer, number, level=level) for number in numbers]
    return rows, writer.finished


def write_dataset(
    root: Path,
    count: int = 20,
    *,
    level: int = 6,
    pixels: Callable[[int], NDArray[np.uint8]] = picture,
    max_bytes: int = 8192,
    **values: Any,
) -> DatasetCard:
    with ShardWriter(root / "shards", max_bytes=max_bytes) as writer:
        rows = [add(writer, number, level=level, pixels=pixels(number)) for number in range(count)]
    values = {"name": "toy", "label_schema": CLASSES, "shards": writer.finished, **values}
    return write_manifest(root, rows, **values)


def read_all(reader: ShardReader, places: list[Location]) -> str:
    """A digest over what many reads give; here so that spawned processes can import it."""
    digest = hashlib.sha256()
    for _ in range(20):
        for place in places:
            digest.update(reader.read(*place))
    return digest.hexdigest()
