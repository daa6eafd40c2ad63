"""Predictions for files: preprocessing as in training, then the bundle's graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError
from medfm_cli.inference.session import OnnxSession
from medfm_cli.readers import ReadOptions, Unreadable, read_images

if TYPE_CHECKING:
    from medfm_cli.inference.bundle import Bundle

Pixels = NDArray[np.uint8]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one file.

    Attributes:
        file: the path as given.
        label: the most probable class; None if the file could not be read.
        probability: of `label`.
        probabilities: of every class, in the model's order.
        called: the classes whose probability reaches their operating point (0.5 without one).
        images: number of images (frames, slices) in the file.
        inputs: number of tiles of these images.
        note: why the prediction is uncertain, or "".
        error: why there is no prediction, or None.
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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A file's inputs, [t,C,S,S] for each of its images, or the error."""

    file: str
    images: list[Pixels] = field(default_factory=list)
    error: str | None = None

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
        cutting = bundle.card.preprocessing
        self._options = ReadOptions(frames=cutting.frames, slices=cutting.slices)

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
        try:
            return _Prepared(file, [self.card.preprocessing.inputs(i) for i in self._read(file)])
        except Unreadable as error:
            return _Prepared(file, error=error.reason)
        except OSError as error:
            return _Prepared(file, error=(error.strerror or type(error).__name__).lower())

    def _read(self, file: str) -> Iterator[Pixels]:
        for item in read_images(file, self._options):
            if item.part:
                raise Unreadable("a collection of many images, where one image is expected")
            yield item.pixels

    def _answer(self, prepared: list[_Prepared]) -> Iterator[Prediction]:
        inputs = [image for item in prepared for image in item.images]
        scores = iter(self._scores(inputs))
        for item in prepared:
            if item.error is not None:
                yield Prediction(item.file, error=item.error)
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
        classes = self.card.label_schema.classes
        probabilities = dict(zip(classes, scores.tolist(), strict=True))
        label = max(probabilities, key=lambda name: probabilities[name])
        called = [name for name, p in probabilities.items() if p >= self._threshold(name)]
        return Prediction(
            file=item.file,
            label=label,
            probability=probabilities[label],
            probabilities=probabilities,
            called=called,
            images=len(item.images),
            inputs=item.count,
            note=self._uncertainty(label, probabilities[label]),
        )

    def _threshold(self, label: str) -> float:
        threshold = self.card.threshold(label)
        return 0.5 if threshold is None else threshold

    def _uncertainty(self, label: str, probability: float) -> str:
        threshold = self.card.threshold(label)
        if threshold is None or probability >= threshold:
            return ""
        return f"low confidence: below the operating point {threshold:.2f} of {label}"
