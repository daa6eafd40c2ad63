"""A source of real files of every kind, some of each, to which more can be added."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

SOME = 3
LARGEST = 400_000
"""Larger videos and recordings are left out, in bytes."""


def mix(shared: Path, folder: Path, *, start: int = 0, count: int = SOME) -> Path:
    """Copy `count` files of each kind from number `start` on: with masks, boxes and companions."""
    for kind, files in _kinds(shared).items():
        for number, together in enumerate(files):
            if start <= number < start + count:
                for path in together:
                    target = folder / kind / path.relative_to(_root(path, shared))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, target)
    return folder


def _root(path: Path, shared: Path) -> Path:
    return shared / path.relative_to(shared).parts[0]


def _kinds(shared: Path) -> dict[str, Iterator[list[Path]]]:
    """Kind → files that belong together."""
    scans = sorted((shared / "mri3d_hippocampus" / "images").glob("*.nii.gz"))
    leads = sorted((shared / "ecg_ptbxl").rglob("*.hea"))
    cells = sorted((shared / "blood_bccd").rglob("*.jpg"))
    films = sorted((shared / "lung_ultrasound_pocus").rglob("*.mp4"))
    stays = sorted((shared / "icu_physionet2012_a").rglob("1*.txt"))
    return {
        "scans": ([p, p.parent.parent / "labels" / p.name] for p in scans),
        "ecg": ([p, p.with_suffix(".dat")] for p in leads),
        "cells": ([p, *_boxes(p)] for p in cells),
        "films": ([p] for p in films if p.stat().st_size < LARGEST),
        "hearts": ([p] for p in sorted((shared / "audio_heart_pascal").rglob("*.wav"))),
        "stays": ([p] for p in stays),
        "dicom": (
            [p]
            for p in sorted((shared / "dicom_mixed").rglob("*.dcm"))
            if p.stat().st_size < LARGEST
        ),
    }


def _boxes(picture: Path) -> list[Path]:
    return sorted(picture.parent.parent.rglob(f"{picture.stem}.xml"))
