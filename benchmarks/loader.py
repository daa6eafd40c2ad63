"""Loading: samples/s of medfm's loader beside webdataset and a plain folder of images.

Run: python benchmarks/loader.py [--source FOLDER] [--workers 0 2] [--repeats 9]

All read the very same PNGs, shuffled, decode them with Pillow and fit them with medfm's `fit`, so
that only the loading differs: medfm by offset from its shards, webdataset streaming the same
shards (shard shuffle, a buffer of 1000), and torchvision's ImageFolder through torch's DataLoader.
An epoch of each is timed in turn, round after round in changing order, after an epoch to warm up;
ratios are taken within a round, so that a busy moment hits all alike. The CPU time of the process
and its workers stands beside it: a busy machine hardly changes that. The files lie in the page
cache. `medfm, in memory` is what `cache: auto` does with sets this small, from its second epoch.
Without --source the pictures are drawn; with it the images under FOLDER are taken.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
import webdataset as wds
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from medfm_cli.data import (
    Dataset,
    LabelSchema,
    Loader,
    LoaderOptions,
    Sample,
    ShardWriter,
    write_manifest,
)
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.preprocess import Preprocessing, fit

OURS, MEMORY, STREAM, FOLDER = "medfm", "medfm, in memory", "webdataset", "plain folder"
HEAD = "samples/s, µs of CPU a sample, medfm faster by, medfm cheaper by: medians (quartiles)"
CLASSES = ["even", "odd"]
SHARDS = 8
Epoch = Callable[[], Iterator[Any]]


class Fit:
    """Encoded or decoded image → uint8 tensor `[C, S, S]`; picklable for workers."""

    def __init__(self, size: int, channels: int) -> None:
        self.size, self.channels = size, channels

    def bytes(self, data: bytes) -> torch.Tensor:
        """What webdataset hands over."""
        return self.file(io.BytesIO(data))

    def file(self, source: Any) -> torch.Tensor:
        """A path or an open file."""
        with Image.open(source) as image:
            return torch.from_numpy(fit(np.asarray(image), self.size, self.channels))

    def label(self, data: bytes) -> int:
        """The label in a sample's JSON."""
        return CLASSES.index(json.loads(data)["label"])


def pictures(arguments: argparse.Namespace) -> Iterator[np.ndarray]:
    """Give `samples` images, uint8, as a curated set would hold them."""
    mode = "L" if arguments.channels == 1 else "RGB"
    files = sorted(p for p in Path(arguments.source or "/nowhere").rglob("*") if _is_image(p))
    if arguments.source and not files:
        raise SystemExit(f"no images under {arguments.source}")
    generator = np.random.default_rng(0)
    for number in range(arguments.samples):
        if files:
            image = Image.open(files[number % len(files)]).convert(mode)
        else:
            image = drawn(generator, arguments.stored or arguments.size, mode)
        if arguments.stored:
            image = image.resize((arguments.stored, arguments.stored))
        yield np.asarray(image)


def drawn(generator: np.random.Generator, size: int, mode: str) -> Image.Image:
    """Smooth shapes under noise, about as compressible as a radiograph."""
    coarse = generator.integers(0, 256, (8, 8, len(mode)), dtype=np.uint8).squeeze()
    smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    noisy = smooth + generator.normal(0, 4, smooth.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def write(root: Path, arguments: argparse.Namespace) -> None:
    """Write every image as a file in a folder of its class, and the same bytes into shards."""
    samples = []
    images = [(_png(pixels), pixels.shape) for pixels in pictures(arguments)]
    limit = sum(len(data) + 2048 for data, _ in images) // SHARDS
    with ShardWriter(root / "dataset" / "shards", max_bytes=limit) as writer:
        for number, (data, shape) in enumerate(images):
            key, label = f"{number:016x}", CLASSES[number % 2]
            path = root / "folder" / label / f"{key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            place = writer.add(key, {"png": data, "json": json.dumps({"label": label}).encode()})
            samples.append(
                Sample(
                    sample_id=key,
                    image_id=key,
                    subject_id=key,
                    split="train",
                    label=label,
                    height=shape[0],
                    width=shape[1],
                    channels=arguments.channels,
                    source=path.name,
                    source_sha256=hashlib.sha256(data).hexdigest(),
                    **place._asdict(),
                )
            )
    write_manifest(
        root / "dataset",
        samples,
        name="benchmark",
        label_schema=LabelSchema(kind="single", classes=CLASSES),
        shards=writer.finished,
    )


def contestants(root: Path, arguments: argparse.Namespace, workers: int) -> dict[str, Epoch]:
    """Build every loader once; each call of a value begins its next epoch."""
    dataset = Dataset.open(root / "dataset")
    shape = {"size": arguments.size, "channels": arguments.channels}
    ours = {"preprocessing": Preprocessing(**shape)}
    return {
        OURS: _medfm(dataset, arguments.batch, cache=False, workers=workers, **ours),
        MEMORY: _medfm(dataset, arguments.batch, cache=True, workers=0, **ours),
        STREAM: _webdataset(root, arguments.batch, Fit(**shape), workers),
        FOLDER: _folder(root, arguments.batch, Fit(**shape), workers),
    }


def _medfm(dataset: Dataset, batch: int, *, preprocessing: Preprocessing, **values: Any) -> Epoch:
    rows = dataset.rows("train")
    collator = ArrayCollator.of(dataset, rows, preprocessing)
    loader = Loader(dataset, rows, collator, LoaderOptions(global_batch=batch, seed=0, **values))
    epochs = iter(range(1 << 30))
    return lambda: ((batch.values, batch.labels) for batch in loader.batches(next(epochs)))


def _webdataset(root: Path, batch: int, decode: Fit, workers: int) -> Epoch:
    urls = [str(path) for path in sorted((root / "dataset" / "shards").iterdir())]
    pipeline = (
        wds.WebDataset(urls, shardshuffle=len(urls), empty_check=False)
        .shuffle(1000)
        .to_tuple("png", "json")
        .map_tuple(decode.bytes, decode.label)
        .batched(batch, partial=True)
    )
    loader = wds.WebLoader(
        pipeline, batch_size=None, num_workers=workers, persistent_workers=workers > 0
    )
    return lambda: iter(loader)


def _folder(root: Path, batch: int, decode: Fit, workers: int) -> Epoch:
    loader: DataLoader[Any] = DataLoader(
        ImageFolder(str(root / "folder"), loader=decode.file),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return lambda: iter(loader)


class Cost(NamedTuple):
    """What an epoch cost for each sample, in microseconds on the clock and of CPU time."""

    clock: float
    cpu: float


def cost(epoch: Epoch) -> Cost:
    """Run through one epoch."""
    clock, cpu = time.perf_counter(), _cpu_seconds()
    count = sum(len(batch[0]) for batch in epoch())
    clock, cpu = time.perf_counter() - clock, _cpu_seconds() - cpu
    return Cost(1e6 * clock / count, 1e6 * cpu / count)


def _cpu_seconds() -> float:
    """What this process and its living workers have used so far."""
    workers = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(used.user + used.system for used in workers)


def measure(root: Path, arguments: argparse.Namespace, workers: int) -> dict[str, list[Cost]]:
    """Time one epoch of each in turn, `repeats` times."""
    loaders = contestants(root, arguments, workers)
    names = list(loaders)
    for name in names:
        for _ in range(2 if name == MEMORY else 1):  # a dropped rest is decoded in the second
            cost(loaders[name])
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for repeat in range(arguments.repeats):
        for place in range(len(names)):
            name = names[(place + repeat) % len(names)]
            costs[name].append(cost(loaders[name]))
    return costs


def summary(costs: dict[str, list[Cost]]) -> dict[str, dict[str, Any]]:
    """Give medians and quartiles, and how much faster and cheaper our loader is than each."""
    found = {}
    for name, theirs in costs.items():
        pairs = list(zip(costs[OURS], theirs, strict=True))
        found[name] = {
            "samples_per_second": _median_and_quartiles([1e6 / one.clock for one in theirs]),
            "cpu_microseconds": _median_and_quartiles([one.cpu for one in theirs]),
            "speed_ratio": _median_and_quartiles([one.clock / ours.clock for ours, one in pairs]),
            "cpu_ratio": _median_and_quartiles([one.cpu / ours.cpu for ours, one in pairs]),
        }
    return found


def _median_and_quartiles(values: list[float]) -> list[float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return [float(f"{value:.4g}") for value in (middle, low, high)]


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Lines for people."""
    for name, row in found.items():
        cells = [
            f"{middle:>9,.6g} ({low:,.6g}–{high:,.6g})"
            for key, (middle, low, high) in row.items()
            if name not in (OURS, MEMORY) or not key.endswith("ratio")
        ]
        yield f"  {name:<18}" + "".join(f"{cell:<30}" for cell in cells)


def _png(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", compress_level=3)
    return sink.getvalue()


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in {".png", ".jpg", ".jpeg"}


def main() -> None:
    """Measure and print a table for each number of workers, and all as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", help="folder of images to take instead of drawn ones")
    parser.add_argument("--samples", type=int, default=800)
    parser.add_argument("--stored", type=int, help="edge of the stored images, as they are if not")
    parser.add_argument("--size", type=int, default=224, help="edge that they are fitted to")
    parser.add_argument("--channels", type=int, default=3, choices=[1, 3])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nobody writes
    result: dict[str, Any] = {**vars(arguments), "workers": {}}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), arguments)
        for workers in arguments.workers:
            found = summary(measure(Path(folder), arguments, workers))
            result["workers"][workers] = found
            print(f"{workers} workers, {arguments.size}² × {arguments.channels}: {HEAD}")
            print("\n".join(table(found)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
