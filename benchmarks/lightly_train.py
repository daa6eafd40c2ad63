"""Pretraining beside lightly-train: images/s of DINO and SimCLR on the same network and images.

Run: python benchmarks/lightly_train.py --source FOLDER [--images 768] [--batch 64] [--repeats 3]

lightly-train (AGPL, run as a process in an environment of its own under .peers/, made on the first
run, telemetry off) and `medfm pretrain` train the same ViT-Ti/8 at 64 pixels on the same colour
PNGs of 128 pixels, in fp32, batch for batch, with the same operations on the views at the same
chances, the same heads and the same number of crops (DINO: 2 of 64 and 4 of 32 pixels). Each is run
for few and for many epochs, in turn, round after round, and the difference is what counts:
start-up, set-up and the end cancel. Both are given the processors of the machine and settle their
loading themselves. Processor seconds are those of the whole process with its children.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ROOT = Path(__file__).parent.parent
PEER = ROOT / ".peers" / "lightly-train"
VERSION = "0.18.0"
SIDE, SMALL, STORED = 64, 32, 128
NETWORK = {"img_size": SIDE, "patch_size": 8}
PEER_SCRIPT = """
import json, sys
import lightly_train
lightly_train.pretrain(**json.loads(sys.argv[1]))
"""
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1}


class Cost(NamedTuple):
    """Seconds on the clock and of processor time."""

    clock: float
    processor: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of colour pictures")
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, nargs=2, default=(1, 4))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=["dino", "simclr"])
    arguments = parser.parse_args()
    peer = peer_python()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_pictures(arguments.source, root / "images", count=arguments.images)
        curate(root)
        for method in arguments.methods:
            print(json.dumps(compare(method, root, peer, arguments)))


def compare(method: str, root: Path, peer: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both tools in turn; medians of images/s and of processor seconds an image."""
    found: dict[str, list[Cost]] = {"medfm": [], "lightly-train": []}
    few, many = arguments.epochs
    steps = arguments.images // arguments.batch
    images = (many - few) * steps * arguments.batch
    for repeat in range(arguments.repeats):
        for tool in found:
            runs = []
            for epochs in (few, many):
                place = root / f"{tool}-{method}-{repeat}-{epochs}"
                if tool == "medfm":
                    runs.append(run(medfm(method, root, place, epochs, arguments.batch)))
                else:
                    words = json.dumps(lightly(method, root, place, epochs, arguments.batch))
                    runs.append(run([str(peer), "-c", PEER_SCRIPT, words]))
            found[tool].append(Cost(*(b - a for a, b in zip(*runs, strict=True))))
    told: dict[str, Any] = {"method": method, "load": round(os.getloadavg()[0], 1)}
    for tool, costs in found.items():
        told[f"{tool} images/s"] = round(statistics.median(images / c.clock for c in costs), 1)
        each = statistics.median(1000 * c.processor / images for c in costs)
        told[f"{tool} cpu ms/image"] = round(each, 2)
    told["ratio images/s"] = round(
        statistics.median(
            theirs.clock / ours.clock for ours, theirs in zip(*found.values(), strict=True)
        ),
        2,
    )
    told["ratio cpu"] = round(told["lightly-train cpu ms/image"] / told["medfm cpu ms/image"], 2)
    return told


def medfm(method: str, root: Path, out: Path, epochs: int, batch: int) -> list[str]:
    """The command of `medfm pretrain`."""
    views = JITTER | {"flip": True, "jitter": 0.8, "greyscale": 0.2, "blur": 1.0}
    heads: dict[str, Any] = {"hidden": 2048, "out": 128, "layers": 2}
    objective: dict[str, Any] = {"name": "simclr", "head": heads}
    if method == "dino":
        views |= {"second": {"blur": 0.1, "solarise": 0.2}, "local": {"blur": 0.5}}
        heads = {"layers": 3, "hidden": 2048, "bottleneck": 256, "prototypes": 1024}
        crops = {
            "global_area": [0.14, 1.0],
            "local_area": [0.05, 0.14],
            "local_count": 4,
            "local_size": SMALL,
        }
        objective = {"name": "dino", "head": heads, "crops": crops}
    else:
        views |= {"crop": [0.08, 1.0], "blur": 0.5}
    recipe = {
        "data": str(root / "data" / "curate-folders"),
        "split": "all",
        "backbone": {"name": "vit_tiny", "image_size": SIDE, "patch_size": 8, "channels": 3},
        "objective": objective,
        "augment": views,
        "batch": batch,
        "epochs": epochs,
        "precision": "fp32",
        "monitor": {"every": 1e9},
    }
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(recipe))
    return [sys.executable, "-m", "medfm_cli", "pretrain", str(file), "--out", str(out), "-q"]


def lightly(method: str, root: Path, out: Path, epochs: int, batch: int) -> dict[str, Any]:
    """The arguments of `lightly_train.pretrain`."""
    transform: dict[str, Any] = {"image_size": [SIDE, SIDE]}
    if method == "dino":
        transform["local_view"] = {"num_views": 4, "view_size": [SMALL, SMALL]}
    return {
        "out": str(out),
        "data": str(root / "images"),
        "model": "timm/vit_tiny_patch16_224",
        "model_args": NETWORK,
        "method": method,
        "method_args": {"output_dim": 1024} if method == "dino" else {},
        "epochs": epochs,
        "batch_size": batch,
        "accelerator": "cpu",
        "devices": 1,
        "precision": "32-true",
        "transform_args": transform,
        "loggers": {"tensorboard": None},
    }


def run(command: list[str]) -> Cost:
    """Run a process to its end."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {
        "LIGHTLY_TRAIN_EVENTS_DISABLED": "1",
        "LIGHTLY_TRAIN_POSTHOG_KEY": "",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    clock = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def copy_pictures(source: Path, folder: Path, *, count: int) -> None:
    """Write `count` squares of the pictures; where there are fewer, turned ones too."""
    folder.mkdir(parents=True)
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    for number in range(count):
        with Image.open(files[number % len(files)]) as image:
            square = image.convert("RGB").resize((STORED, STORED), Image.Resampling.BICUBIC)
        square.rotate(90 * (number // len(files) % 4)).save(folder / f"{number:05}.png")


def curate(root: Path) -> None:
    """Make a dataset of the pictures, near copies and all."""
    words = [f"source={root / 'images'}", "labels=none", "deduplicate.near=off"]
    out = ["--out", str(root / "data"), "-q"]
    run([sys.executable, "-m", "medfm_cli", "curate", "folders", *words, *out])


def peer_python() -> Path:
    """The interpreter of lightly-train's environment, made when it is not there."""
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", f"lightly-train=={VERSION}"], check=True
        )
    return python


if __name__ == "__main__":
    main()
