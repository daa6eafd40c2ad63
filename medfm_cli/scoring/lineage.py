"""Whether a model was trained on the people it is now scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.models.lineage import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.models.lineage import Lineage
    from medfm_cli.scoring.images import LabelledImages

LIMIT = 20_000
"""Images up to which a model lists what it was trained on: about 260 kB."""
DIGITS = 12


def seen_images(
    images: LabelledImages, used: Sequence[int], *, dataset: str, splits: list[str]
) -> Seen:
    """What a model's lineage keeps about the labelled images it was trained and chosen on.

    The ids are hashes of pixels and tell nothing about patients; by them the images are
    recognised in any other dataset. Beyond `LIMIT` images they are left out.
    """
    ids = sorted({images.ids[index][:DIGITS] for index in used})
    listed = " ".join(ids) if len(ids) <= LIMIT else None
    return Seen(dataset=dataset, splits=splits, labels=True, count=len(ids), images=listed)


@dataclass(frozen=True)
class Overlap:
    """How the images of an evaluation relate to a model's training.

    Attributes:
        known: whether the lineage tells at all.
        images: how many scored images belong to subjects that were trained on.
        subjects: how many such subjects.
        why: one sentence.
    """

    known: bool
    images: int
    subjects: int
    why: str

    @property
    def clean(self) -> bool:
        """Known to be apart."""
        return self.known and self.images == 0


def overlap(
    lineage: Lineage, images: LabelledImages, scored: NDArray[np.int64], *, version: str
) -> Overlap:
    """Compare what a classifier was trained on with the images to be scored.

    The same dataset version is compared by the splits that were used, another one by the images;
    a subject counts as trained on when any of its images in this dataset was.
    """
    seen = [each for step in lineage.steps for each in step.seen if each.labels]
    if not seen:
        return Overlap(False, 0, 0, "the lineage does not say which images were learnt from")
    if any(each.images is None and each.dataset != version for each in seen):
        return Overlap(False, 0, 0, "there were too many training images to list them")
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
