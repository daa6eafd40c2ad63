"""Derived samples in a whole curation of real files: what is written is what was asked for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from curate_types import Curate

from medfm_cli.data.common_shape import to_channels_first
from medfm_cli.samples.content import Volume

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


def test_scans_of_one_shape(shared_data: Path, curate: Curate) -> None:
    done = curate(
        shared_data / "mri3d_hippocampus" / "images",
        whole=True,
        derive={"unify": {"size": 32, "depths": [4, 8, 16, 32, 64]}},
    )
    assert done.counts["kept"] == 70
    for place, row in enumerate(done.rows):
        assert row["kind"] == "volume"
        content = done.dataset.content(place)
        assert isinstance(content, Volume) and content.voxels.dtype == np.uint8
        assert row["shape"] == list(content.voxels.shape) == [32, 32, 32]
        assert to_channels_first(content.voxels, channels=1).shape == (1, 32, 32, 32)
        facts = json.loads(row["facts"])
        assert facts["unified_from"][0] in range(24, 49)
        low, high = facts.get("greys", (0, 1))  # some are stored in 8 bits
        assert low < high
    assert done.dataset.card.cutting.unify is not None


def test_scans_in_slices_of_two_planes(shared_data: Path, curate: Curate) -> None:
    done = curate(
        shared_data / "mri3d_hippocampus" / "images",
        whole=True,
        slices=3,
        derive={"planes": ["axial", "sagittal"]},
    )
    slices = Counter(row["image_id"] for row in done.rows)
    assert set(slices.values()) == {6}
    assert {row["kind"] for row in done.rows} == {"image"}
    planes = Counter(json.loads(row["facts"])["plane"] for row in done.rows)
    assert planes == {"axial": 210, "sagittal": 210}
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for row in done.rows:
        sides[row["image_id"]].add(row["split"])
    assert all(len(found) == 1 for found in sides.values())


def test_clients_and_instructions_of_photographs(shared_data: Path, curate: Curate) -> None:
    done = curate(
        shared_data / "skin_ham10000_sample",
        labels="labels.csv",
        modality="dermoscopy",
        split={"train": 0.8, "val": 0.1, "test": 0.1},
        derive={
            "instructions": {"names": {"nv": "a melanocytic nevus"}},
            "clients": {"count": 3, "public": 0.1},
        },
        workers=2,
    )
    rows = {row["sample_id"]: row for row in done.rows}
    clients = Counter(row["client"] for row in rows.values())
    assert set(clients) == {"client-01", "client-02", "client-03", "public", ""}
    assert abs(clients["public"] / len(rows) - 0.1) < 0.02
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows.values():
        owners[row["subject_id"]].add(row["client"])
    assert all(len(found) == 1 for found in owners.values())
    path = done.run.path("dataset", "instructions.jsonl")
    answers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        row = rows[record["sample_id"]]
        question, answer = (turn["value"] for turn in record["conversations"])
        assert question.startswith("<image>\n")
        assert (record["split"], record["client"]) == (row["split"], row["client"])
        facts = record["facts"]
        if facts["kind"] == "binary":
            assert (answer == "Answer: Yes") == (row["label"] == facts["label"])
            assert "dermoscopic image" in question
            answers[facts["label"], row["split"]][answer] += 1
    assert len(answers) == 21
    assert all(found["Answer: Yes"] == found["Answer: No"] for found in answers.values())
    assert any("a melanocytic nevus" in line for line in path.read_text("utf-8").splitlines())
