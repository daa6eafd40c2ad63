"""Predictions for files: preprocessing as in training, then the bundle's graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.cutting import cut_content
from medfm_cli.data.preprocess import fit
from medfm_cli.errors import DataError
from medfm_cli.inference.decision import decide
from medfm_cli.inference.session import OnnxSession
from medfm_cli.readers import Unreadable, sniff
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.samples.content import Image2D
from medfm_cli.samples.pixels import is_blank

if TYPE_CHECKING:
    from medfm_cli.inference.bundle import Bundle

Pixels = NDArray[np.uint8]
Scores = NDArray[np.float64]

IMAGES = frozenset({"image", "dicom", "nifti", "npy", "video"})
"""Readers of files that hold images."""
MIN_SIDE = 24
"""Images with a shorter side than this are not in a training set (curate's quality.min_side)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one file.

    Attributes:
        file: the path as given.
        label: the most probable class, as `eval` scores it; of several labels the most probable of
            `called`. None if there is no such class or the file could not be read.
        probability: of `label`.
        probabilities: of every class, in the model's order.
        called: the classes that the model is sure of: their probability reaches their operating
            point (0.5 without one). Of single labels it is `label` or none.
        images: number of images (frames, slices) in the file.
        inputs: number of tiles of these images.
        note: why the prediction is uncertain, or "".
        error: why there is no prediction, or None.
        is_image: False if the file is of another kind, such as a table or a segmentation.
    """

    file: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    images: int = 0
    inputs: int = 0
    note: str = ""
    error: str | None = None
    is_image: bool = True


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A file's inputs, [t,C,S,S] for each of its images, or the error."""

    file: str
    images: list[Pixels] = field(default_factory=list)
    note: str = ""
    error: str | None = None
    is_image: bool = True

    @property
    def count(self) -> int:
        return sum(len(image) for image in self.images)


class Predictor:
    """Predicts files with one bundle.

    Args:
        bundle: a classifier's bundle.
        batch: inputs per run of the graph, at most.
        threads: threads of one run; 0 uses all cores.

    Raises:
        DataError: the bundle contains an encoder, or ONNX Runtime cannot load it.
    """

    def __init__(self, bundle: Bundle, *, batch: int = 32, threads: int = 0) -> None:
        if bundle.card.kind != "classifier":
            raise DataError(
                f"the bundle '{bundle.root}' contains an encoder: it computes features, not labels",
                hint="export the model of a finetune run",
            )
        self.card = bundle.card
        self._root = bundle.root
        self.batch = batch
        self._session = OnnxSession(bundle.model, threads=threads)
        self._cutting = bundle.card.preprocessing
        self._options = ReadOptions(
            frames=self._cutting.frames,
            slices=self._cutting.slices,
            whole=self._cutting.whole,
            clip=self._cutting.clip,
        )

    def predict(self, files: Iterable[str | Path]) -> Iterator[Prediction]:
        """Predict every file, in order; unreadable files have an error instead."""
        waiting: list[_Prepared] = []
        for file in files:
            waiting.append(self._prepare(str(file)))
            if sum(item.count for item in waiting) >= self.batch:
                yield from self._answer(waiting)
                waiting = []
        yield from self._answer(waiting)

    def _prepare(self, file: str) -> _Prepared:
        is_image = False
        try:
            if Path(file).exists() and not Path(file).is_file():
                return _Prepared(file, error="not a regular file", is_image=False)
            reader = sniff(Path(file))
            is_image = reader.name in IMAGES
            inputs, doubts = [], _Doubts()
            for item in reader.read(Path(file), self._options):
                images = self._images(item)
                inputs.append(np.stack([self._fit(pixels) for pixels in images]))
                doubts.add(item, images)
        except Unreadable as error:
            is_image = is_image and error.step == "read"
            return _Prepared(file, error=error.reason, is_image=is_image)
        except OSError as error:
            return _Prepared(file, error=(error.strerror or type(error).__name__).lower())
        except MemoryError:
            return _Prepared(file, error="it needs more memory than there is")
        return _Prepared(file, inputs, doubts.note())

    def _images(self, item: Item | Unreadable) -> list[Pixels]:
        """The parts of an item, cut as those of the training data were.

        Raises:
            Unreadable: it is damaged, not an image, or one of a collection.
        """
        if isinstance(item, Unreadable):
            raise item
        if item.part:
            raise Unreadable("a collection of many images, where one image is expected")
        parts = [part.content for part in cut_content(item.content, self._cutting)]
        images = [part.pixels for part in parts if isinstance(part, Image2D)]
        if len(images) < len(parts):
            raise Unreadable(f"not an image: {item.content.kind}", step="quality")
        return images

    def _fit(self, pixels: Pixels) -> Pixels:
        return fit(pixels, self._cutting.size, self._cutting.channels)

    def _answer(self, prepared: list[_Prepared]) -> Iterator[Prediction]:
        inputs = [image for item in prepared for image in item.images]
        scores = iter(self._scores(inputs))
        for item in prepared:
            if item.error is not None:
                yield Prediction(item.file, error=item.error, is_image=item.is_image)
            else:
                yield self._decide(item, np.mean([next(scores) for _ in item.images], axis=0))

    def _scores(self, images: list[Pixels]) -> list[Scores]:
        """Probabilities [K] of each image: the mean over its tiles."""
        if not images:
            return []
        tiles = np.concatenate(images)
        parts = [tiles[i : i + self.batch] for i in range(0, len(tiles), self.batch)]
        rows = [self._session.run(part)["probabilities"].astype(np.float64) for part in parts]
        if not all(np.isfinite(row).all() for row in rows):
            raise DataError(
                f"the model of the bundle '{self._root}' computes probabilities that are not "
                "numbers: its weights are damaged",
                hint="export another model: this one cannot be used",
            )
        ends = np.cumsum([len(image) for image in images])[:-1]
        return [part.mean(axis=0) for part in np.split(np.concatenate(rows), ends)]

    def _decide(self, item: _Prepared, scores: Scores) -> Prediction:
        card = self.card
        probabilities = dict(zip(card.label_schema.classes, scores.tolist(), strict=True))
        points = {point.label: point.threshold for point in card.operating_points}
        decision = decide(probabilities, points, several=card.label_schema.kind == "multi")
        return Prediction(
            file=item.file,
            label=decision.label,
            probability=None if decision.label is None else probabilities[decision.label],
            probabilities=probabilities,
            called=decision.called,
            images=len(item.images),
            inputs=item.count,
            note="; ".join(filter(None, (item.note, decision.note))),
        )


@dataclass(slots=True)
class _Doubts:
    """What makes predictions meaningless: curate keeps such images out of every training set."""

    sides: list[int] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)

    def add(self, item: Item | Unreadable, parts: Sequence[Pixels]) -> None:
        """Look at an image: itself, or its parts where it is none (a volume)."""
        if isinstance(item, Item) and isinstance(item.content, Image2D):
            parts = [item.content.pixels]
        self.sides.append(min(min(part.shape[:2]) for part in parts))
        self.blank.append(all(is_blank(part) for part in parts))

    def note(self) -> str:
        """Why no prediction for these images deserves trust, or ""."""
        notes = []
        if tiny := sum(side < MIN_SIDE for side in self.sides):
            notes.append(f"tiny: a side of {min(self.sides)} pixels{self._of(tiny)}")
        if blank := sum(self.blank):
            notes.append(f"blank: all pixels are alike{self._of(blank)}")
        return "; ".join(notes)

    def _of(self, count: int) -> str:
        return "" if len(self.sides) == 1 else f" ({count} of {len(self.sides)} images)"
