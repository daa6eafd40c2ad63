"""A small labelled dataset on disk, and a run directory, for tests of what learns from them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medfm_cli.console import Silence
from medfm_cli.data import Dataset, LabelSchema, Sample, ShardWriter, write_manifest
from medfm_cli.runs import Run


@dataclass(frozen=True)
class Toy:
    """One subject of the toy dataset: its class (None: unlabelled), split, images and tiles."""

    label: str | None
    split: str
    images: int = 2
    tiles: int = 1


def toy_run(folder: Path, *, verb: str = "finetune", **values: Any) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(verb.encode()).hexdigest()
    return Run(dir=folder, verb=verb, name="toy", hash=name, console=Silence(), **values)


def balanced(
    classes: Sequence[str] = ("disc", "ring", "bars"), *, subjects: int = 4, images: int = 2
) -> list[Toy]:
    """`subjects` of every class in train, half as many (at least one) in val and in test."""
    few = max(1, subjects // 2)
    return [
        Toy(label, split, images)
        for split, count in (("train", subjects), ("val", few), ("test", few))
        for label in classes
        for _ in range(count)
    ]


def toy_dataset(
    root: Path,
    subjects: Sequence[Toy],
    *,
    size: int = 32,
    seed: int = 0,
    noise: float = 25.0,
    text_of: Callable[[Toy, int], str | None] | None = None,
) -> Dataset:
    """Write a dataset of drawn shapes, grey, `size` × `size`; the class is the shape.

    `text_of` gives the text of a subject's images, by the subject and its number.
    """
    generator = np.random.default_rng(seed)
    images = [
        Picture(
            [draw(toy.label, generator, size, noise) for _ in range(toy.tiles)],
            f"s{number:03d}",
            toy.split,
            toy.label,
            text_of(toy, number) if text_of else None,
        )
        for number, toy in enumerate(subjects)
        for _ in range(toy.images)
    ]
    return write_pictures(root, images)


@dataclass(frozen=True)
class Picture:
    """One image of a dataset: its tiles (or the whole), subject, split and label."""

    tiles: Sequence[np.ndarray]
    subject: str
    split: str
    label: str | None
    text: str | None = None


def write_pictures(root: Path, pictures: Sequence[Picture]) -> Dataset:
    """Write a dataset of the pictures, in their order."""
    classes = sorted({picture.label for picture in pictures if picture.label is not None})
    samples = []
    with ShardWriter(root / "shards") as writer:
        for picture in pictures:
            tiles = picture.tiles
            name = hashlib.sha256(b"".join(p.tobytes() for p in tiles)).hexdigest()[:16]
            for index, pixels in enumerate(tiles):
                key = name if len(tiles) == 1 else f"{name}-t{index:02d}"
                place = writer.add(key, {"png": _png(pixels)})
                samples.append(
                    Sample(
                        sample_id=key,
                        image_id=name,
                        subject_id=picture.subject,
                        split=picture.split,
                        modality="XX",
                        label=picture.label,
                        text=picture.text,
                        height=pixels.shape[0],
                        width=pixels.shape[1],
                        channels=3 if pixels.ndim == 3 else 1,
                        source=f"{name}.png",
                        source_sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
                        shard=place.shard,
                        offset=place.offset,
                        length=place.length,
                    )
                )
    write_manifest(
        root,
        samples,
        name="toy",
        label_schema=LabelSchema(kind="single" if classes else "none", classes=classes),
        shards=writer.close(),
    )
    return Dataset.open(root)


def draw(label: str | None, generator: np.random.Generator, size: int, noise: float) -> np.ndarray:
    """One noisy picture of a disc, a ring or bars; a grey field without a label."""
    y, x = np.mgrid[:size, :size]
    cy, cx = generator.uniform(0.35, 0.65, 2) * size
    radius = np.hypot(y - cy, x - cx) / size
    shapes = {
        "disc": radius < 0.25,
        "ring": (radius > 0.2) & (radius < 0.33),
        "bars": (x // max(2, size // 8)) % 2 == 0,
    }
    shape = shapes.get(label or "", np.zeros((size, size), bool))
    pixels = 60 + 120 * shape + generator.normal(0, noise, (size, size))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _png(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()
