"""predictions.parquet: every probability of a report, so that it can be recomputed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.runs.atomic import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medfm_cli.scoring.images import LabelledImages

FILE = "predictions.parquet"


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of one method for some images.

    Attributes:
        method: its name in the report.
        part: "val", "test" or "cross-validation".
        images: int64 [m], which of the dataset's labelled images.
        probabilities: float64 [m,K].
        folds: int64 [m], the fold that tested each image; −1 without folds.
    """

    method: str
    part: str
    images: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    folds: NDArray[np.int64] | None = None


def write_predictions(path: Path, images: LabelledImages, parts: list[Predictions]) -> None:
    """Write one row per image and method: ids, pseudonymous subject, truth and probabilities.

    Columns: method, part, image_id, subject_id, split, fold, label, predicted, and
    probability_<class> for every class, in the order of the label schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pa.table(_columns(images, part)) for part in parts]
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), sink, compression="zstd")
    write_bytes(path, sink.getvalue())


def _columns(images: LabelledImages, part: Predictions) -> dict[str, object]:
    classes, count = images.classes, len(part.images)
    folds = np.full(count, -1) if part.folds is None else part.folds
    return {
        "method": [part.method] * count,
        "part": [part.part] * count,
        "image_id": [images.ids[index] for index in part.images],
        "subject_id": [images.subjects[index] for index in part.images],
        "split": [images.splits[index] for index in part.images],
        "fold": folds.astype(np.int64),
        "label": [classes[index] for index in images.truth[part.images]],
        "predicted": [classes[index] for index in part.probabilities.argmax(axis=1)],
        **{
            f"probability_{name}": part.probabilities[:, index]
            for index, name in enumerate(classes)
        },
    }
