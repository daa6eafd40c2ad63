"""Burned-in text: how much is found, and how often nothing is taken for text.

Run: python benchmarks/burned_in.py [--data FOLDER] [--images 40]

Lines as consoles write them (name, birth date, number, hospital, time) are drawn near the borders
of real images, in heights of 8 to 24 pixels of font size and in several styles; a line is found
when a region covers at least half of it. Clean are the images themselves; folders in which some
carry text of their own are not counted as clean. The detector runs with the thresholds of the step.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from medfm_cli.commands.curate.deidentify.burned_in import find_text
from medfm_cli.commands.curate.deidentify.step import LEAST, LEAST_EXPECTED

Pixels = NDArray[np.uint8]
CLEAN = {
    "chest X-ray": "cxr_pediatric_pneumonia",
    "dermoscopy": "skin_ham10000_sample",
    "blood smear": "blood_bccd",
    "fundus": "fundus_odir_sample",
    "histology": "histology_lc25000_lung",
    "ultrasound": "lung_ultrasound_pocus",
}
OWN_TEXT = {"brain MR from the web": "brain_mri_tumor"}
"""Folders of which some images carry text: planted text is counted, clean images are not."""
LINES = (
    "SMITH JOHN A", "DOB: 17-Mar-1942", "ID 00482913", "St. Anne Hospital", "2011-03-04 10:15:22",
    "Dr. Meredith Grey", "F 093Y Acc 5550017", "GENERAL HOSPITAL CT2", "Kowalski, Maria",
)  # fmt: skip
SIZES = (8, 10, 12, 14, 18, 24)
FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "DejaVuSansMono.ttf", "")


def main() -> None:
    """Print a table of recalls and false alarms, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, default=40, help="of each kind")
    chosen = parser.parse_args()
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    alarms: dict[str, list[bool]] = defaultdict(list)
    seconds = pixels = 0.0
    for kind, images in sources(chosen.data, chosen.images):
        for number, image in enumerate(images):
            started = time.process_time()
            found = find_text(image, least=LEAST)
            seconds += time.process_time() - started
            pixels += image.shape[0] * image.shape[1]
            if kind not in OWN_TEXT:
                alarms[kind].append(bool(found))
                alarms[f"{kind} (expected)"].append(bool(find_text(image, least=LEAST_EXPECTED)))
            draw = random.Random(f"{kind} {number}")
            for style, plant in STYLES.items():
                size = draw.choice(SIZES)
                planted, box = plant(image, draw, size)
                if planted is None:
                    continue
                hit = covered(find_text(planted, least=LEAST), box)
                for key in (("kind", kind), ("style", style), ("size", str(size))):
                    hits[key].append(hit)
    table(hits, alarms)
    print(f"{1000 * seconds / pixels * 512 * 512:.2f} ms of CPU for 512 x 512")
    print(json.dumps({"recall": {" ".join(k): rate(v) for k, v in hits.items()},
                      "false alarms": {k: rate(v) for k, v in alarms.items()},
                      "ms_512": round(1000 * seconds / pixels * 512 * 512, 3)}))  # fmt: skip


def sources(data: Path, count: int) -> Iterator[tuple[str, list[Pixels]]]:
    """Images of each kind, at random but always the same."""
    for kind, folder in {**CLEAN, **OWN_TEXT}.items():
        paths = [p for p in sorted((data / folder).rglob("*"))
                 if p.suffix.lower() in (".jpg", ".jpeg", ".png")]  # fmt: skip
        random.Random(kind).shuffle(paths)
        yield kind, [opened(path) for path in paths[:count]]
    paths = sorted((data / "mri3d_hippocampus").rglob("*.nii*"))
    paths = [path for path in paths if "label" not in str(path).lower()][:count]
    yield "MR slices", [middle(path) for path in paths]


def opened(path: Path) -> Pixels:
    """An image as a reader hands it over."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))


def middle(path: Path) -> Pixels:
    """A slice of a volume, four times as large and stretched to 0–255."""
    volume = np.asanyarray(nibabel.load(path).dataobj).astype(np.float32)
    plane = volume[:, :, volume.shape[2] // 2]
    scaled = (plane - plane.min()) * (255 / max(float(np.ptp(plane)), 1e-6))
    image = Image.fromarray(scaled.astype(np.uint8))
    return np.asarray(image.resize((image.width * 4, image.height * 4), Image.Resampling.BICUBIC))


def font(draw: random.Random, size: int) -> ImageFont.FreeTypeFont:
    """One of the fonts that are here."""
    for name in draw.sample(FONTS, len(FONTS)):
        try:
            return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
        except OSError:
            continue
    raise OSError("no font")


Box = tuple[int, int, int, int]


def planted(
    image: Pixels, draw: random.Random, size: int, *,
    fill: Callable[[int], int], stroke: int | None = None, box: int | None = None,
    smooth: bool = True,
) -> tuple[Pixels | None, Box]:  # fmt: skip
    """The image with a line near a border; None where it does not fit or could not be read."""
    picture = Image.fromarray(image).convert("RGB")
    face, text = font(draw, size), draw.choice(LINES)
    pen = ImageDraw.Draw(picture)
    pen.fontmode = "L" if smooth else "1"
    x0, y0, x1, y1 = map(int, pen.textbbox((0, 0), text, font=face, stroke_width=bool(stroke)))
    width, height = x1 - x0, y1 - y0
    if width + 8 > picture.width or height + 8 > picture.height:
        return None, (0, 0, 0, 0)
    left = draw.choice((4, picture.width - width - 4))
    top = draw.choice((4, picture.height - height - 4))
    under = int(np.median(np.asarray(picture)[top : top + height, left : left + width]))
    colour = fill(under)
    if box is not None:
        pen.rectangle((left - 3, top - 3, left + width + 2, top + height + 2), fill=(box,) * 3)
    pen.text((left - x0, top - y0), text, font=face, fill=(colour,) * 3,
             stroke_width=1 if stroke is not None else 0,
             stroke_fill=(stroke,) * 3 if stroke is not None else None)  # fmt: skip
    return np.asarray(picture), (top, left, top + height, left + width)


def contrasting(under: int) -> int:
    """White on dark, black on light."""
    return 255 if under < 140 else 0


STYLES: dict[str, Callable[[Pixels, random.Random, int], tuple[Pixels | None, Box]]] = {
    "white or black": lambda i, d, s: planted(i, d, s, fill=contrasting),
    "not smoothed": lambda i, d, s: planted(i, d, s, fill=contrasting, smooth=False),
    "outlined": lambda i, d, s: planted(i, d, s, fill=lambda _: 255, stroke=0),
    "dark on a light box": lambda i, d, s: planted(i, d, s, fill=lambda _: 0, box=235),
    "light on a dark box": lambda i, d, s: planted(i, d, s, fill=lambda _: 255, box=0),
    "faint (60 grey values)": lambda i, d, s: planted(
        i, d, s, fill=lambda under: under + 60 if under < 140 else under - 60
    ),
}


def covered(regions: list[object], box: Box) -> bool:
    """Whether regions cover at least half of a line."""
    top, left, bottom, right = box
    mask = np.zeros((bottom - top, right - left), dtype=bool)
    for r in regions:
        y0, y1 = max(r.y0 - top, 0), max(r.y1 - top, 0)  # type: ignore[attr-defined]
        x0, x1 = max(r.x0 - left, 0), max(r.x1 - left, 0)  # type: ignore[attr-defined]
        mask[y0:y1, x0:x1] = True
    return bool(mask.mean() >= 0.5)


def rate(values: list[bool]) -> float:
    """The share of true ones."""
    return round(float(np.mean(values)), 3) if values else 0.0


def table(hits: dict[tuple[str, str], list[bool]], alarms: dict[str, list[bool]]) -> None:
    """For people."""
    for (what, name), values in sorted(hits.items()):
        print(f"recall  {what:5} {name:26} {rate(values):5.3f}  of {len(values)}")
    for name, values in alarms.items():
        print(f"alarms  {name:32} {rate(values):5.3f}  of {len(values)}")


if __name__ == "__main__":
    main()
