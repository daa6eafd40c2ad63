"""Whether a model was trained on the subjects that it is scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.models.lineage import SeenImages

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.models.lineage import Lineage
    from medfm_cli.scoring.images import LabelledImages

LIMIT = 20_000
"""A model lists its training images up to this number (about 260 kB)."""
DIGITS = 12


def seen_images(
    images: LabelledImages, used: Sequence[int], *, dataset: str, splits: list[str]
) -> SeenImages:
    """The entry of a model's lineage for the labelled images it was trained and selected on.

    The ids are hashes of pixels and do not identify patients; they identify the images in any
    other dataset. Beyond `LIMIT` images they are left out.
    """
    ids = sorted({images.ids[index][:DIGITS] for index in used})
    listed = " ".join(ids) if len(ids) <= LIMIT else None
    return SeenImages(dataset=dataset, splits=splits, labels=True, count=len(ids), images=listed)


@dataclass(frozen=True)
class Overlap:
    """The overlap of an evaluation's images with a model's training images.

    Attributes:
        known: whether the lineage lists the training images.
        images: number of scored images of subjects that were trained on.
        subjects: number of such subjects.
        why: one sentence.
    """

    known: bool
    images: int
    subjects: int
    why: str

    @property
    def clean(self) -> bool:
        """Known not to overlap."""
        return self.known and self.images == 0


def overlap(
    lineage: Lineage, images: LabelledImages, scored: NDArray[np.int64], *, version: str
) -> Overlap:
    """Compare the training images of a classifier with the images to be scored.

    The same dataset version is compared by split, another version by image; a subject counts as
    trained on if any of its images in this dataset was.
    """
    seen = [each for step in lineage.steps for each in step.seen if each.labels]
    if not seen:
        return Overlap(False, 0, 0, "the lineage does not list the training images")
    if any(each.images is None and each.dataset != version for each in seen):
        return Overlap(False, 0, 0, "the training images were too many to be listed")
    known = {name for each in seen for name in (each.images or "").split()}
    used = {split for each in seen if each.dataset == version for split in each.splits}
    trained = {
        subject
        for subject, name, split in zip(images.subjects, images.ids, images.splits, strict=True)
        if name[:DIGITS] in known or split in used
    }
    hits = [owner for index in scored if (owner := images.subjects[int(index)]) in trained]
    same = "the same dataset" if used else "another dataset"
    return Overlap(True, len(hits), len(set(hits)), f"trained on {same}")
