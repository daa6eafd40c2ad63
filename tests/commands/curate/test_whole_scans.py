"""Whole scans through a curation: series, films, waveforms and segmentations in one archive."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pytest
from curate_files import dicom, noise
from curate_types import Curate
from executable import Executable
from pydicom.data import get_testdata_file
from scan_files import phantom, series

from medfm_cli.samples.content import Video, Volume

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"


def scan(seed: int) -> list[np.ndarray]:
    return [noise(100 * seed + n).astype(np.int16) * 8 for n in range(6)]


def archive(folder: Path) -> Path:
    """Three patients' CT, one with a damaged slice; a scout, a film, an ECG, a picture."""
    places = [(0, 0, 2.0 * n) for n in range(6)]
    for number in range(3):
        patient = {"PatientID": f"P{number}", "StudyDate": "20200102", "PatientAge": "050Y"}
        paths = series(folder / str(number), scan(number), places, uid=f"1.2.{number}", **patient)
        if number == 2:
            paths[3].write_bytes(paths[3].read_bytes()[:-500])
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "PatientID": "P0"}
    series(folder / "scout", [noise(900).astype(np.int16)], [(0, 0, 0)], uid="1.2.0", **scout)
    dicom(
        folder / "cine", np.stack([noise(500 + n) for n in range(5)]), SOPClassUID=ULTRASOUND,
        Modality="US", FrameTime=50, PatientID="P4",
    )  # fmt: skip
    (folder / "ecg").write_bytes(Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes())
    dicom(folder / "x-ray", noise(901), Modality="CR", PatientID="P5")
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                packed.write(file, file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_of_dicom_becomes_volumes_films_and_signals(
    tmp_path: Path, curate: Curate, packed: bool
) -> None:
    path = archive(tmp_path / "scans")
    done = curate(path if packed else tmp_path / "scans", whole=True)
    kinds = Counter(row["kind"] for row in done.rows)
    assert kinds == {"volume": 3, "video": 1, "signal": 2, "image": 2}
    assert (done.counts["files"], done.counts["companions"]) == (7, 15)
    (lost,) = done.dataset.quarantine.to_pylist()
    assert lost["reason"].startswith("1 of 6 slices cannot be read and are missing")
    volumes = {}
    for place, row in enumerate(done.rows):
        content = done.dataset.content(place)
        if isinstance(content, Volume):
            assert (content.unit, content.spacing) == ("HU", (2.0, 0.5, 0.75))
            volumes[row["subject_id"]] = content.voxels
            assert row["age"] == 50
        if isinstance(content, Video):
            assert content.rate == 20
    expected = [np.stack(scan(number)) - 1024 for number in range(3)]
    expected[2] = np.delete(expected[2], 3, axis=0)
    assert len(volumes) == 3
    for wanted in expected:
        assert sum(np.array_equal(found, wanted) for found in volumes.values()) == 1


def test_without_whole_the_same_files_are_images(tmp_path: Path, curate: Curate) -> None:
    archive(tmp_path / "scans")
    done = curate(tmp_path / "scans")
    kinds = Counter(row["kind"] for row in done.rows)
    assert kinds == {"image": 17 + 1 + 4 + 1, "signal": 2}


@pytest.mark.parametrize("whole", [True, False])
def test_scans_keep_their_segmentations(tmp_path: Path, curate: Curate, whole: bool) -> None:
    labels = (phantom(40, 30, 24) // 4000).astype(np.uint8)
    for number in range(4):
        draw = np.random.default_rng(number)
        voxels = draw.integers(0, 900, labels.shape).astype(np.int16)
        for folder, array in (("images", voxels), ("labels", labels)):
            path = tmp_path / "s" / folder / f"{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 1, 2, 1])), path)
    done = curate(tmp_path / "s", whole=whole, modality="MR", tile={"size": None})
    assert (done.counts["files"], done.counts["companions"]) == (4, 4)
    assert len(done.dataset.quarantine) == 0
    assert done.counts["kept"] == (4 if whole else 32)
    turned = labels.transpose(2, 1, 0)[:, ::-1, ::-1]
    for place, row in enumerate(done.rows):
        mask = done.dataset.mask(place)
        facts = json.loads(row["facts"])
        expected = turned if whole else turned[facts["frame"]]
        np.testing.assert_array_equal(mask, expected)


def test_the_recipes_of_scans_run(medfm: Executable, tmp_path: Path) -> None:
    for number in range(4):
        labels = (phantom(12) // 3000).astype(np.uint8)
        for ending, array in (("", phantom(12) + number), ("_seg", labels)):
            path = tmp_path / "s" / f"{number}{ending}.nii"
            path.parent.mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    done = medfm("curate", "nifti-segmentation", "source=s", "modality=MR", "--json", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert (done.json["metrics"]["kept"], done.json["metrics"]["companions"]) == (4, 4)
    places = [(0, 0, 2.0 * n) for n in range(6)]
    for number in range(3):
        patient = {"PatientID": f"P{number}"}
        series(tmp_path / "d" / str(number), scan(number), places, uid=f"1.2.{number}", **patient)
    done = medfm("curate", "dicom-archive", "source=d", "--json", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert (done.json["metrics"]["kept"], done.json["metrics"]["companions"]) == (3, 15)


@pytest.mark.realdata
def test_real_scans_and_their_segmentations(shared_data: Path, curate: Curate) -> None:
    folder = shared_data / "mri3d_hippocampus"
    done = curate(folder, whole=True, modality="MR")
    scans = list((folder / "images").iterdir())
    assert done.counts["kept"] == len(scans)
    masked = [done.dataset.mask(place) is not None for place in range(len(done.rows))]
    assert sum(masked) == sum((folder / "labels" / scan.name).is_file() for scan in scans)
