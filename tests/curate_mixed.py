"""A small dataset with samples of every kind, and the catalog that it was written from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.data import LabelSchema, Sample, ShardWriter, write_manifest
from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import Quarantined
from medfm_cli.data.shards import member_places
from medfm_cli.samples.content import (
    Audio,
    Content,
    Image2D,
    Row,
    Series,
    Signal,
    Text,
    Video,
    Volume,
    content_sha,
)
from medfm_cli.samples.payload import encode, extension

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
BLOCKS = ("films", "monitors", "records")
COLUMNS = """
id block file entry unit frame part source file_sha content_sha kind height width channels shape
parts facts meta subject known study site modality anatomy time age sex label labels official text
turns boxes notes fate step reason twin exact cluster split client
"""


@dataclass
class Kept:
    """A sample as the catalog and the manifest know it."""

    content: Content
    block: int = 0
    modality: str = ""
    anatomy: str = ""
    subject: str = "s0"
    site: str = ""
    split: str = "train"
    label: str | None = None
    labels: list[str] | None = None
    age: float | None = None
    sex: str = ""
    text: str = ""
    boxes: list[list[Any]] = field(default_factory=list)
    turns: list[list[Any]] = field(default_factory=list)
    mask: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    fate: str = "kept"
    step: str = ""
    reason: str = ""
    twin: int | None = None
    exact: int = 0
    cluster: int | None = None
    client: str = ""


def write_catalog(path: Path, items: Iterable[Kept]) -> Catalog:
    """A catalog with these items, numbered in their order."""
    catalog = Catalog(path)
    columns = COLUMNS.split()
    catalog.insert("items", columns, (_row(number, item) for number, item in enumerate(items)))
    catalog.index("items")
    return catalog


def _row(number: int, item: Kept) -> tuple[Any, ...]:
    array = item.content.array
    height, width, channels = _sides(item.content)
    sha = content_sha(item.content)
    return (
        number, item.block, number, number, 0, 0, "", f"file-{number}", f"{number:064x}", sha,
        item.content.kind, height, width, channels, json.dumps(list(array.shape)), "[]", "{}",
        json.dumps(item.content.meta), item.subject, 1, "", item.site, item.modality, item.anatomy,
        "", item.age, item.sex, item.label, json.dumps(item.labels) if item.labels is not None
        else None, "", item.text, json.dumps(item.turns) if item.turns else "",
        json.dumps(item.boxes) if item.boxes else "", json.dumps(list(item.notes)), item.fate,
        item.step, item.reason, item.twin, item.exact, item.cluster, item.split, item.client,
    )  # fmt: skip


def _sides(content: Content) -> tuple[int, int, int]:
    shape = content.array.shape
    if content.kind == "image":
        return shape[0], shape[1], shape[2] if len(shape) > 2 else 1
    if content.kind in ("volume", "video"):
        return shape[1], shape[2], shape[3] if len(shape) > 3 else 1
    return 0, 0, 0


def write_mixed(
    root: Path, items: Iterable[Kept], *, quarantine: Iterable[Quarantined] = (), **card: Any
) -> DatasetCard:
    """The kept ones of these items as a dataset."""
    rows: list[Sample] = []
    names: dict[str, None] = {}
    with ShardWriter(root / "shards", max_bytes=1 << 22) as writer:
        for number, item in enumerate(items):
            if item.fate != "kept":
                continue
            sha = content_sha(item.content)
            members = encode(item.content, mask=item.mask)
            place = writer.add(sha[:16], members | {"json": b"{}"})
            height, width, channels = _sides(item.content)
            names |= dict.fromkeys([item.label] if item.label else item.labels or [])
            lengths = {name: len(data) for name, data in members.items()}
            rows.append(
                Sample(
                    sample_id=sha[:16], image_id=sha[:16], subject_id=item.subject, site=item.site,
                    split=item.split, client=item.client, origin=BLOCKS[item.block],
                    kind=item.content.kind, modality=item.modality, anatomy=item.anatomy,
                    label=item.label, labels=item.labels, text=item.text or None,
                    turns=json.dumps(item.turns) if item.turns else None,
                    boxes=json.dumps(item.boxes) if item.boxes else None, age=item.age,
                    sex=item.sex, cluster="" if item.cluster is None else str(item.cluster),
                    shape=list(item.content.array.shape), height=height, width=width,
                    channels=channels, meta=json.dumps(item.content.meta),
                    source=f"file-{number}", source_sha256=f"{number:064x}",
                    members=json.dumps(member_places(place, lengths)), **place._asdict(),
                )
            )  # fmt: skip
            assert extension(item.content.kind) in members
    several = any(row.labels is not None for row in rows)
    kind = "multi" if several else "single" if names else "none"
    schema = LabelSchema(kind=kind, classes=sorted(names))
    return write_manifest(
        root, rows, name="toy", label_schema=schema, shards=writer.finished,
        quarantine=quarantine, **card,
    )  # fmt: skip


def shape_picture(seed: int, *, ill: bool = False, size: int = 64) -> Image2D:
    """A disc on a dim ground; the ill ones have a bright spot in it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    pixels = 60 + 90 * ((x**2 + y**2) < 0.16) + 8 * random.standard_normal((size, size))
    if ill:
        cx, cy = random.uniform(-0.1, 0.1, 2)
        pixels += 90 * (((x - cx) ** 2 + (y - cy) ** 2) < 0.01)
    return Image2D(np.clip(pixels, 0, 255).astype(np.uint8))


def ball(seed: int, *, spacing: tuple[float, float, float] = (3.0, 1.0, 1.0)) -> Volume:
    """A ball with a core, 20 slices of 3 mm: round only where spacing is respected."""
    random = np.random.default_rng(seed)
    z, y, x = np.mgrid[:20, :60, :60]
    r = np.sqrt(((z - 10) * spacing[0]) ** 2 + (y - 30) ** 2 + (x - 30) ** 2)
    voxels = np.where(r < 27, 300, -900) + 400 * (r < 9) + random.normal(0, 20, r.shape)
    return Volume(voxels.astype(np.int16), spacing, "HU")


def clip(seed: int) -> Video:
    random = np.random.default_rng(seed)
    frames = random.integers(0, 30, (12, 48, 64), dtype=np.uint8)
    for number, frame in enumerate(frames):
        frame[10:30, 4 * number : 4 * number + 12] = 200
    return Video(frames, 12.0)


def beats(seed: int, *, rate: float = 100, leads: int = 12) -> Signal:
    """P, QRS and T waves at 72 a minute, in mV."""
    random = np.random.default_rng(seed)
    t = np.arange(int(10 * rate)) / rate
    phase = (t + random.uniform(0, 0.8)) % (60 / 72)
    wave = sum(
        a * np.exp(-(((phase - c) / w) ** 2))
        for a, c, w in ((0.12, 0.2, 0.03), (-0.1, 0.34, 0.01), (1.1, 0.36, 0.012),
                        (-0.25, 0.39, 0.012), (0.3, 0.6, 0.05))
    )  # fmt: skip
    scale = np.array([0.6, 1, 0.4, -0.8, 0.2, 0.7, -0.6, -0.3, 0.4, 1.1, 1.2, 0.9])[:leads]
    noise = 0.012 * random.standard_normal((leads, len(t)))
    drift = 0.05 * np.sin(2 * np.pi * 0.2 * t)
    return Signal(np.float32(scale[:, None] * wave + noise + drift), rate, LEADS[:leads],
                  ("mV",) * leads)  # fmt: skip


def sound(seed: int) -> Audio:
    rate = 4000
    t = np.arange(5 * rate) / rate
    lub = np.sin(2 * np.pi * 60 * t) * np.exp(-((((t % 0.8) - 0.1) / 0.03) ** 2))
    dub = np.sin(2 * np.pi * 90 * t) * np.exp(-((((t % 0.8) - 0.4) / 0.02) ** 2))
    hiss = 0.01 * np.random.default_rng(seed).standard_normal(len(t))
    return Audio(np.float32(0.6 * lub + 0.4 * dub + hiss)[None], rate)


def stay(seed: int) -> Series:
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(0, 48, 40))
    names = ("HR", "Temp", "SysABP", "Glucose", "Lactate", "Urine", "FiO2")
    groups = ("vitals", "vitals", "vitals", "labs", "labs", "outputs", "inputs")
    units = ("bpm", "°C", "mmHg", "mg/dL", "mmol/L", "mL", "")
    means = np.array([85, 37, 120, 140, 1.8, 90, 0.5])
    values = means[:, None] * (1 + 0.08 * random.standard_normal((7, 40)))
    values[random.random(values.shape) < 0.4] = np.nan
    static: dict[str, float | str] = {"Age": 40.0 + seed, "ICUType": 2.0}
    return Series(np.float32(values), times, names, units, groups, static)


def everything(pictures: int = 24) -> list[Kept]:
    """Samples of every kind from three sources, with labels, ages, sexes and sites."""
    items: list[Kept] = []
    sides = ("train", "train", "train", "val", "test")
    for i in range(pictures):
        ill = i % 3 == 0
        items.append(
            Kept(
                shape_picture(i, ill=ill), modality="XR", anatomy="chest" if i % 4 else "",
                subject=f"p{i // 2}", site=("north", "south")[i % 2], split=sides[i // 2 % 5],
                label="ill" if ill else "well", age=20.0 + 3 * i, sex="FM"[i % 2],
            )
        )  # fmt: skip
    for i in range(3):
        items.append(Kept(ball(i), modality="CT", anatomy="head", subject=f"v{i}", split=sides[i]))
        items.append(Kept(clip(i), modality="US", subject=f"u{i}", split=sides[i + 1]))
        items.append(Kept(beats(i), block=1, modality="ECG", subject=f"e{i}", split=sides[i + 2]))
        items.append(Kept(sound(i), block=1, modality="Audio", subject=f"a{i}", split=sides[i]))
        items.append(Kept(stay(i), block=2, modality="EHR", subject=f"i{i}", split=sides[i]))
        row = Row({"age": 40.0 + i, "smoker": "yes" if i else None})
        items.append(Kept(row, block=2, modality="EHR", subject=f"t{i}", split=sides[i]))
        report = Text(f"Findings {i}: lungs are clear, heart size is normal. No effusion.")
        items.append(Kept(report, block=2, modality="Text", subject=f"x{i}", split=sides[i]))
    return items
