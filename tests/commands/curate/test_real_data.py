"""Real sets, with nothing said but where they are and where their labels are."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from curate_types import Curate, Curated

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


def check(done: Curated) -> dict[str, int]:
    """What holds for every dataset."""
    counts = done.counts
    done.dataset.verify()
    sides: defaultdict[str, set[str]] = defaultdict(set)
    pictures = set()
    for row in done.rows:
        sides[row["subject_id"]].add(row["split"])
        pictures.add(row["image_id"])
    assert all(len(found) == 1 for found in sides.values())
    assert len(pictures) == counts["kept"]
    assert {row["split"] for row in done.rows} == {"train", "val", "test"}
    return counts


@pytest.mark.parametrize(
    ("folder", "classes", "subject"),
    [
        ("skin_ham10000_sample", 7, "lesion_id"),
        ("fundus_odir_sample", 2, "patient_id"),
        ("brain_mri_tumor", 2, None),
        ("cxr_pediatric_pneumonia", 2, None),
        ("histology_lc25000_lung", 3, None),
        ("lung_ultrasound_pocus", 4, None),
    ],
)
def test_images_with_a_table(
    shared_data: Path, curate: Curate, folder: str, classes: int, subject: str | None
) -> None:
    done = curate(shared_data / folder, labels="labels.csv", workers=2)
    counts = check(done)
    assert counts["labelled"] == counts["kept"]
    assert len(done.dataset.classes) == classes
    assert (done.run.resolved.get("subject") or {"value": None})["value"] == subject
    found = Counter(row["label"] for row in done.rows)
    for split in ("train", "test"):
        here = Counter(row["label"] for row in done.rows if row["split"] == split)
        share = {"train": 0.7, "test": 0.15}[split]
        for label, count in found.items():
            assert abs(here[label] - share * count) <= 3


def test_copies_that_are_known_to_be_there(shared_data: Path, curate: Curate) -> None:
    done = curate(shared_data / "brain_mri_tumor", labels="labels.csv", workers=2)
    copies = [row for row in done.quarantine if row["step"] == "duplicates"]
    assert len({row["image_id"] for row in copies}) == 22


@pytest.mark.parametrize(
    ("folder", "keys"),
    [
        ("dicom_mixed", {"labels": "modality"}),
        ("blood_bccd", {}),
        ("mri3d_hippocampus", {"modality": "MR", "slices": 2}),
        ("vqa_rad", {}),
        ("pneumoniamnist_subset", {}),
    ],
)
def test_other_sets(shared_data: Path, curate: Curate, folder: str, keys: dict[str, Any]) -> None:
    check(curate(shared_data / folder, workers=2, **keys))


def test_the_packages_of_the_quickstart(curate: Curate) -> None:
    keys = {"CT": "CT", "MR": "MR", "US": "US", "XR": "XR"}
    done = curate("packages:pydicom", labels={"field": "modality", "classes": keys}, workers=2)
    counts = check(done)
    assert counts["duplicates"] > 60
    assert counts["quarantined"] > 100
    patients: defaultdict[str, set[str]] = defaultdict(set)
    for row in done.rows:
        patients[str(row["label"])].add(row["subject_id"])
    found = {label: len(patients[label]) for label in keys}
    assert found == {"CT": 6, "MR": 4, "US": 7, "XR": 2}
    assert {row["source"].partition("/")[0] for row in done.rows} == {"pydicom", "pydicom-data"}
