"""The pictures of the report: samples of every class and modality, and what came most often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.account import Account
from medfm_cli.commands.curate.images import Image
from medfm_cli.commands.curate.split_images import labels_of
from medfm_cli.data.dataset import Dataset
from medfm_cli.runs import Figure, Run
from medfm_cli.runs.figures import image_sheet, save

COLUMNS = 6
MOST_ROWS = 12


def class_sheet(images: Sequence[Image], classes: Sequence[str], run: Run) -> Figure:
    """One row of images for every class."""
    shown = list(classes)[:MOST_ROWS]
    chosen = {name: _few(images, lambda i, name=name: name in labels_of(i)) for name in shown}  # type: ignore[misc]
    caption = "Images of every class, each row from as many subjects as there are."
    if len(classes) > MOST_ROWS:
        caption = f"Images of the first {MOST_ROWS} of {len(classes)} classes."
    return _sheet(chosen, run, name="classes", caption=caption)


def modality_sheet(images: Sequence[Image], run: Run, *, rest: bool = False) -> Figure:
    """One row of images for every modality; `rest`: these are not all the images there are."""
    counts = Counter(image.modality for image in images)
    chosen: dict[str, list[Image]] = {}
    for name, _ in counts.most_common(MOST_ROWS):
        few = _few(images, lambda image, name=name: image.modality == name)  # type: ignore[misc]
        chosen[name or "unknown modality"] = few
    caption = "Images of every modality, each row from as many subjects as there are."
    if rest:
        caption = "Images of the modalities that are no class."
    elif len(chosen) == 1:
        caption = "Some of the images, from as many subjects as there are."
    return _sheet(chosen, run, name="modalities", caption=caption)


def copies_sheet(account: Account, run: Run) -> Figure:
    """The pictures with the most copies."""
    counts = Counter(copy.kept.image_id for copy in account.duplicates)
    kept = {copy.kept.image_id: copy.kept for copy in account.duplicates}
    top = [(kept[image_id], count) for image_id, count in counts.most_common(COLUMNS)]
    captions = [f"{count} {'copy' if count == 1 else 'copies'}" for _, count in top]
    pixels = _Stored(run).pixels(image for image, _ in top)
    path = run.path("figures", "copies.png")
    save(image_sheet(pixels, captions, COLUMNS, tile=160), path)
    return Figure(
        "figures/copies.png",
        "The pictures that came most often, and how many copies were left out.",
        f"{len(top)} images with the number of their copies",
        wide=True,
    )


def _sheet(chosen: dict[str, list[Image]], run: Run, *, name: str, caption: str) -> Figure:
    stored = _Stored(run)
    pixels: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    for label, images in chosen.items():
        blank = COLUMNS - len(images)
        pixels += [*stored.pixels(images), *[None] * blank]
        captions += [f"{label}\n{_about(image)}" for image in images] + [""] * blank
    path = run.path("figures", f"{name}.png")
    save(image_sheet(pixels, captions, COLUMNS, tile=160), path)
    return Figure(
        f"figures/{name}.png",
        caption + " Large ones are shown by one tile.",
        f"Sample images of {', '.join(chosen)}",
        wide=True,
    )


def _about(image: Image) -> str:
    size = f"{image.row.width} x {image.row.height}"
    return f"{image.split} · {size}"


def _few(images: Iterable[Image], wanted: Callable[[Image], bool]) -> list[Image]:
    """Up to a row of images, of different subjects as far as there are some."""
    by_subject: defaultdict[str, list[Image]] = defaultdict(list)
    for image in images:
        if wanted(image):
            by_subject[image.subject].append(image)
    for group in by_subject.values():
        group.sort(key=lambda image: image.image_id)
    queues = [by_subject[subject] for subject in sorted(by_subject)]
    few: list[Image] = []
    turn = 0
    while len(few) < COLUMNS and any(len(queue) > turn for queue in queues):
        few += [queue[turn] for queue in queues if len(queue) > turn][: COLUMNS - len(few)]
        turn += 1
    return few


class _Stored:
    """The images as they lie in the dataset; of a tiled one its middle tile."""

    def __init__(self, run: Run) -> None:
        self._dataset = Dataset.open(run.path("dataset"))
        self._rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, image_id in enumerate(self._dataset.column("image_id")):
            self._rows[image_id].append(row)

    def pixels(self, images: Iterable[Image]) -> list[NDArray[np.uint8]]:
        """The pixels of some images."""
        found = [self._rows[image.image_id] for image in images]
        return [self._dataset.image(rows[len(rows) // 2]) for rows in found]
