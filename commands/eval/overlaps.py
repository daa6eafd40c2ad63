"""Refuse to score a classifier on subjects it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.errors import DataError
from medfm_cli.scoring.lineage import Overlap, overlap

if TYPE_CHECKING:
    from medfm_cli.commands.eval.candidates import Candidate
    from medfm_cli.data import Dataset
    from medfm_cli.scoring.images import LabelledImages


def check_overlaps(
    candidates: list[Candidate], dataset: Dataset, images: LabelledImages
) -> dict[str, Overlap]:
    """How each classifier's training relates to the test split, by the classifier's name.

    Raises:
        DataError: a classifier was trained on subjects of the test split.
    """
    test = images.of_split("test")
    overlaps = {
        candidate.name: overlap(
            candidate.loaded.config.lineage, images, test, version=dataset.version
        )
        for candidate in candidates
        if not candidate.is_encoder
    }
    for name, each in overlaps.items():
        if each.images:
            raise DataError(
                f"the classifier '{name}' was trained on {each.subjects} of the "
                f"{images.n_subjects(test)} subjects in the test split: its score would be "
                "too good",
                hint="evaluate it on subjects that it was not trained on",
            )
    return overlaps
