"""Real recordings, curated by the executable and loaded, beside readers that know no medfm."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from executable import Executable
from scan_files import series
from scipy.io import wavfile

from medfm_cli.commands.curate.options.plausible import range_of
from medfm_cli.commands.pretrain.inputs.options import (
    AudioChoice,
    SeriesChoice,
    SignalChoice,
    VolumeChoice,
)
from medfm_cli.commands.pretrain.inputs.resolve import kinds_of, resolve_input
from medfm_cli.data import Dataset, Loader, LoaderOptions
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.inputs.signal import STANDARD

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # wfdb uses what pandas gives up
    import wfdb

pytestmark = pytest.mark.realdata
Curate = Callable[..., Dataset]


@pytest.fixture(scope="module")
def curate(medfm: Executable, tmp_path_factory: pytest.TempPathFactory) -> Curate:
    """Curate a few files; their names stay in the manifest."""

    def curated(recipe: str, files: list[Path], root: Path | None, *more: str) -> Dataset:
        source = tmp_path_factory.mktemp("source") if root else files[0]
        for path in files if root else []:
            target = source / path.relative_to(root)  # type: ignore[arg-type]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        out = tmp_path_factory.mktemp("out")
        keep = "deidentify.source_paths=keep"
        done = medfm("curate", recipe, f"source={source}", keep, *more, "--out", out)
        return Dataset.open(done.run_dir)

    return curated


def settled(dataset: Dataset, choice: Any) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """The input that suits the training samples, their rows, and what was chosen."""
    rows = dataset.rows("train", kind=kinds_of(choice, dataset))
    chosen: dict[str, Any] = {}
    wanted = resolve_input(choice, dataset, rows, lambda key, value, _: chosen.update({key: value}))
    return wanted, rows, chosen


def loaded(dataset: Dataset, wanted: Any, *, kind: Any, workers: int = 2) -> dict[str, np.ndarray]:
    """Every sample as it comes out of the loader, by the name of its file."""
    rows = dataset.rows(kind=kind)
    found = {}
    for count in {0, workers}:
        loader = Loader(
            dataset,
            rows,
            ArrayCollator.of(dataset, rows, wanted),
            LoaderOptions(
                global_batch=4,
                seed=0,
                workers=count,
                shuffle=False,
                drop_last=False,
                cache=False,
            ),
        )
        here = {
            dataset.column("source")[row]: values
            for batch in loader.batches(0)
            for row, values in zip(batch.rows.tolist(), batch.values.numpy().copy(), strict=True)
        }
        loader.close()
        for name, values in found.items():
            np.testing.assert_array_equal(values, here[name])
        found = here
    assert len(found) == len(rows)
    return found


def test_ecg_as_wfdb_reads_it(curate: Curate, shared_data: Path) -> None:
    root = shared_data / "ecg_ptbxl"
    heads = sorted(root.rglob("*.hea"))[:10]
    files = [root / "ptbxl_database.csv", *heads, *(path.with_suffix(".dat") for path in heads)]
    dataset = curate("wfdb-ecg", files, root)
    wanted, _, chosen = settled(dataset, SignalChoice())
    assert chosen == {"input.leads": list(STANDARD), "input.rate": 100, "input.seconds": 10}
    for name, values in loaded(dataset, wanted, kind="signal").items():
        record = wfdb.rdrecord(str((root / name).with_suffix("")))
        names = [channel.upper() for channel in record.sig_name]
        expected = record.p_signal[:, [names.index(lead.upper()) for lead in STANDARD]].T
        expected = (expected - expected.mean()) / expected.std()
        np.testing.assert_allclose(values, expected, atol=2e-5)


def test_stays_as_pandas_reads_them(curate: Curate, shared_data: Path) -> None:
    root = shared_data / "icu_physionet2012_a"
    stays = sorted((root / "set-a").glob("*.txt"))[:30]
    dataset = curate("physionet2012-icu", [root / "Outcomes-a.csv", *stays], root)
    wanted, rows, chosen = settled(dataset, SeriesChoice())
    assert chosen["input.hours"] == 48
    grids = {path.name: hourly(path) for path in stays}
    train = {Path(dataset.column("source")[row]).name for row in rows}
    together = pd.concat(grids[name] for name in sorted(train))
    for name in ("HR", "Temp", "Urine", "pH"):
        place = wanted.variables.index(name)
        assert wanted.mean[place] == pytest.approx(together[name].mean(), rel=1e-5)
        assert wanted.std[place] == pytest.approx(together[name].std(ddof=0), rel=1e-5)
    for name, values in loaded(dataset, wanted, kind="series").items():
        grid = grids[Path(name).name].reindex(columns=wanted.variables).to_numpy().T
        count = len(wanted.variables)
        np.testing.assert_array_equal(values[count:], np.isfinite(grid))
        scaled = (grid - np.c_[wanted.mean]) / np.c_[wanted.std]
        expected = np.nan_to_num(scaled.clip(-wanted.limit, wanted.limit))
        np.testing.assert_allclose(values[:count], expected, atol=1e-4)


def lives(name: str, value: float) -> bool:
    """Whether curation keeps such a value."""
    limits = range_of(name, "", {})
    return limits is None or limits.low - 1e-4 <= value <= limits.high + 1e-4


def hourly(path: Path) -> pd.DataFrame:
    """The mean of every parameter in each of 48 hours; what is measured at 48:00 is in the last.

    As curation has it: of values of one minute the mean is taken first, a weight at 00:00 is known
    once, not measured, and what no living patient has is left out.
    """
    table = pd.read_csv(path)
    table = table[(table["Value"] != -1) & table["Parameter"].notna()]
    table = table[(table["Parameter"] != "Weight") | (table["Time"] != "00:00")]
    table = table.groupby(["Time", "Parameter"], as_index=False)["Value"].mean()
    table = table[[lives(*each) for each in zip(table["Parameter"], table["Value"], strict=True)]]
    hours = table["Time"].str.split(":").str[0].astype(int).clip(upper=47)
    return table.pivot_table(
        index=hours, columns="Parameter", values="Value", aggfunc="mean"
    ).reindex(range(48))


def test_heart_sounds_as_scipy_reads_them(curate: Curate, shared_data: Path) -> None:
    root = shared_data / "audio_heart_pascal"
    sounds = sorted(root.rglob("*.wav"))[::12]
    dataset = curate("audio", [root / "labels.csv", *sounds], root)
    wanted, rows, _ = settled(dataset, AudioChoice())
    assert (wanted.rate, wanted.hop, wanted.n_fft) == (4000, 40, 256)
    assert wanted.shape[2] % 16 == 0
    found = loaded(dataset, wanted, kind="audio")
    train = [found[dataset.column("source")[row]] for row in rows]
    assert np.mean(train) == pytest.approx(0, abs=1e-4)
    assert np.std(train) == pytest.approx(1, abs=1e-4)
    for name, values in found.items():
        rate, sound = wavfile.read(root / name)
        assert rate == 4000
        count = round(wanted.seconds * rate)
        first = max(0, len(sound) - count) // 2
        middle = sound[first : first + count]
        whole = np.tile(middle, -(-count // len(middle)))[:count]
        energy = [
            float((whole[k : k + 400].astype(float) ** 2).mean()) for k in range(0, count, 400)
        ]
        loudness = values[0].mean(axis=0).reshape(-1)[: len(energy) * 10]
        parts = [float(loudness[k : k + 10].mean()) for k in range(0, len(loudness), 10)]
        size = min(len(parts), len(energy))
        ranks = [pd.Series(each[:size]).rank() for each in (energy, parts)]
        assert ranks[0].corr(ranks[1]) > 0.5, "loud where the wave is large"


def test_scans_as_nibabel_reads_them(curate: Curate, shared_data: Path) -> None:
    root = shared_data / "mri3d_hippocampus"
    scans = sorted((root / "images").glob("*.nii.gz"))[:8]
    dataset = curate("nifti-segmentation", scans, root, "modality=MR")
    choice = VolumeChoice(size=64, depths=[32, 36, 40])
    wanted, _, _ = settled(dataset, choice)
    assert (wanted.window, wanted.channels) == (None, 1)
    for name, values in loaded(dataset, wanted, kind="volume").items():
        image = nibabel.as_closest_canonical(nibabel.load(root / name))
        voxels = np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]
        assert values.shape[1] == min((32, 36, 40), key=lambda depth: abs(depth - len(voxels)))
        low, high = np.percentile(voxels, (0.5, 99.5))
        greys = (255 * (voxels - low) / (high - low)).clip(0, 255)
        blurred = [block_means(each.astype(float)) for each in (inner(values[0], greys), greys)]
        assert np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1] > 0.97


def inner(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """What is not padding of a scan fitted into a square."""
    height, width = like.shape[1:]
    scale = values.shape[1] / max(height, width)
    sides = [round(side * scale) for side in (height, width)]
    top, left = ((values.shape[1] - side) // 2 for side in sides)
    return values[:, top : top + sides[0], left : left + sides[1]]


def block_means(voxels: np.ndarray) -> np.ndarray:
    """Means over 4 × 4 × 4 blocks of the whole."""
    for axis in range(3):
        parts = np.array_split(voxels, 4, axis=axis)
        voxels = np.stack([part.mean(axis=axis) for part in parts], axis=axis)
    return voxels


def test_ct_keeps_its_hounsfield_units_and_pictures_lie_flat_beside_it(
    curate: Curate, shared_data: Path, tmp_path: Path
) -> None:
    planes = [np.full((32, 40), 1024 + 10 * k, np.uint16) for k in range(9)]
    for plane in planes:
        plane[8:16] += 200
    places = [(0.0, 0.0, 3.0 * k) for k in range(9)]
    extra = {"Modality": "CT", "PixelSpacing": [1.0, 1.0]}
    series(tmp_path / "ct", planes, places, **extra)
    some = ("693_J2KR.dcm", "CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm")
    for path in (shared_data / "dicom_mixed").rglob("*.dcm"):
        if path.name in some:
            shutil.copy2(path, tmp_path / path.name)
    dataset = curate(
        "dicom-archive", [tmp_path], None, "split.train=1", "split.val=0", "split.test=0"
    )
    wanted, rows, chosen = settled(dataset, VolumeChoice(size=40, depths=[4, 8]))
    assert chosen["input.window"] == [-1000, 1000]
    found = loaded(dataset, wanted, kind=("volume", "image"))
    deep = [values for values in found.values() if values.shape[1] == 8]
    flat = [values for values in found.values() if values.shape[1] == 4]
    assert len(deep) == 1 and len(flat) == len(rows) - 1 > 0
    assert deep[0].dtype == np.int16
    scan = deep[0][0]
    assert (scan.min(), scan.max()) == pytest.approx((0, 280), abs=5)
    assert scan[:, 30, 20] == pytest.approx(np.linspace(0, 80, 8), abs=5), "from feet to head"
    for values in flat:
        assert (values == values[:, :1]).all()
        assert values.min() >= -1000 and values.max() <= 1000
