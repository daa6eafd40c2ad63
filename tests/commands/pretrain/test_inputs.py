"""What a recipe leaves open of the input is settled from the training samples, and written down."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from content_dataset import content_dataset
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.commands.pretrain.inputs.series import RunningMoments
from medfm_cli.commands.pretrain.patching import choose_patch, nearest_divisor
from medfm_cli.commands.pretrain.plan import plan
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.commands.pretrain.resolve import inspect_dataset, resolve_network
from medfm_cli.commands.pretrain.sampling import (
    UNKNOWN,
    Sampling,
    repeated_samples,
    strata_of,
    stratum_shares,
)
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.inputs import AudioInput, SeriesInput, SignalInput, VolumeInput
from medfm_cli.data.loader import Loader, LoaderOptions
from medfm_cli.data.mixture import MixturePlan
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Audio, Content, Image2D, Series, Signal, Volume


def recipe(root: Path, **keys: Any) -> PretrainRecipe:
    return PretrainRecipe.model_validate({"data": str(root), **keys})


def settled(root: Path, contents: list[Content], choice: dict[str, Any], **more: Any) -> Any:
    """The input, the encoder, and why each was chosen."""
    dataset = content_dataset(root, contents, **more)
    wanted = recipe(root, input=choice)
    why: dict[str, Any] = {}
    found = inspect_dataset(wanted, dataset)
    given_, spec = resolve_network(
        wanted, dataset, found, lambda key, value, _: why.update({key: value})
    )
    assert plan(wanted).memory_bytes > 0
    return given_, spec, why


def record(number: int, rate: float, seconds: float, names: tuple[str, ...]) -> Signal:
    values = np.random.default_rng(number).normal(0, 1, (len(names), round(rate * seconds)))
    return Signal(values.astype(np.float32), rate, names)


def test_signals(tmp_path: Path) -> None:
    leads = ("AVR", "V1", "I", "extra")
    records = [record(n, 500, 10, leads) for n in range(3)] + [record(3, 100, 4, ("V1", "once"))]
    wanted, spec, why = settled(tmp_path, records, {"kind": "signal"})
    assert wanted == SignalInput(leads=["I", "aVR", "V1", "EXTRA"], rate=250, seconds=10)
    assert (spec.kind, spec.channels, spec.shape) == ("signal", 4, [2500])
    assert spec.patch == [why["backbone.patch_sides"][0]] == [50]
    assert why["input.rate"] == 250


def test_what_the_recipe_says_stays(tmp_path: Path) -> None:
    said = {"kind": "signal", "leads": ["V1"], "rate": 50.0, "seconds": 2.0}
    records = [record(n, 100, 10, ("V1", "I")) for n in range(4)]
    wanted, _, why = settled(tmp_path, records, said)
    assert wanted == SignalInput(leads=["V1"], rate=50, seconds=2)
    assert list(why) == ["backbone.patch_sides"]


def test_records_without_a_lead_in_common_are_refused(tmp_path: Path) -> None:
    records: list[Content] = [record(n, 100, 2, (f"x{n}",)) for n in range(4)]
    with pytest.raises(DataError, match="no lead name is in half of the records"):
        settled(tmp_path, records, {"kind": "signal"})


def test_series_are_measured_over_the_training_samples_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    stays: list[Content] = []
    for number in range(12):
        values = generator.normal([[80], [7.4]], [[10], [0.1]], (2, 24)).astype(np.float32)
        values += 1000 * (number >= 8)
        stays.append(Series(values, np.arange(24) + 0.5, ("HR", "pH")))
    splits = ["train"] * 8 + ["val"] * 4
    wanted, spec, _ = settled(tmp_path, stays, {"kind": "series"}, splits=splits)
    learned = np.concatenate([stay.array for stay in stays[:8]], axis=1)
    assert wanted.variables == ["HR", "pH"]
    assert wanted.hours == 24
    assert wanted.mean == pytest.approx(learned.mean(axis=1), rel=1e-5)
    assert wanted.std == pytest.approx(learned.std(axis=1), rel=1e-5)
    assert (spec.channels, spec.shape, spec.patch) == (4, [24], [1])


def test_a_variable_that_was_never_measured_is_refused(tmp_path: Path) -> None:
    stays: list[Content] = [
        Series(np.float32([[80 + n]]), np.array([1.0]), ("HR",)) for n in range(3)
    ]
    with pytest.raises(DataError, match="Lactate was measured in none") as caught:
        settled(tmp_path, stays, {"kind": "series", "variables": ["HR", "Lactate"]})
    assert caught.value.hint == "measured variables: HR"


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), min_size=1, max_size=9))
def test_moments_that_come_in_parts_are_those_of_the_whole(parts: list[list[float]]) -> None:
    measured = RunningMoments()
    for part in parts:
        measured.add(np.asarray(part))
    whole = np.concatenate([np.asarray(part) for part in parts])
    assert measured.mean == pytest.approx(whole.mean(), abs=1e-8)
    assert measured.std == pytest.approx(whole.std(), abs=1e-6)


def test_sounds(tmp_path: Path) -> None:
    sounds: list[Content] = [
        Audio(
            np.random.default_rng(n).normal(0, 0.1, (1, 4000 + 1000 * n)).astype(np.float32), 2000
        )
        for n in range(5)
    ]
    wanted, spec, why = settled(tmp_path, sounds, {"kind": "audio"})
    assert (wanted.rate, wanted.hop, wanted.n_fft, wanted.seconds) == (2000, 20, 256, 2.88)
    fitted = np.concatenate([wanted.fit(sound).ravel() for sound in sounds])
    assert (fitted.mean(), fitted.std()) == pytest.approx((0, 1), abs=1e-3)
    assert spec.shape == [wanted.mels, 288] == [why["input.mels"], 288]
    assert spec.patch == [16, 16]


def test_volumes_and_images_beside_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    scans: list[Content] = [
        Volume(generator.integers(-1000, 1000, (n + 18, 40, 50)).astype(np.int16), None, "HU")
        for n in range(5)
    ]
    images: list[Content] = [
        Image2D(generator.integers(0, 256, (64, 64), dtype=np.uint8)) for _ in range(3)
    ]
    wanted, spec, _ = settled(tmp_path / "both", scans + images, {"kind": "volume"})
    assert wanted == VolumeInput(size=48, depths=[4, 20], window=[-1000.0, 1000.0])
    assert (spec.shape, spec.patch) == ([20, 48, 48], [4, 8, 8])
    alone, _, _ = settled(tmp_path / "alone", scans + images, {"kind": "volume", "images": False})
    assert alone.depths == [20]


def test_a_dataset_without_that_kind_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no audio: its samples are 3 of kind signal"):
        settled(tmp_path, [record(n, 100, 2, ("I",)) for n in range(3)], {"kind": "audio"})


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"input": {"kind": "signal"}, "backbone": {"image_size": 64}}, "backbone.image_size"),
        ({"input": {"kind": "audio"}, "backbone": {"name": "resnet18"}}, "takes images"),
        ({"backbone": {"patch_sides": [8]}}, "backbone.patch_sides is not for input.kind image"),
    ],
)
def test_an_encoder_of_another_kind_is_refused(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        recipe(Path("data"), **keys)


@given(st.integers(1, 3000), st.floats(0.1, 400))
def test_patches_divide_the_input(length: int, wanted: float) -> None:
    found = nearest_divisor(length, wanted)
    assert length % found == 0
    others = [n for n in range(1, length + 1) if length % n == 0]
    assert abs(found - wanted) == min(abs(n - wanted) for n in others)


@pytest.mark.parametrize(
    "wanted",
    [
        VolumeInput(size=96, depths=[4, 32, 64]),
        VolumeInput(size=24, depths=[5]),
        AudioInput(rate=16000, seconds=10.24, mels=128, n_fft=1024, hop=160),
        SignalInput(leads=["I"], rate=100, seconds=10),
        SeriesInput(variables=["a"], hours=48, mean=[0], std=[1]),
    ],
)
def test_patches_are_enough_to_hide_most_of_them(wanted: Any) -> None:
    patch = choose_patch(wanted, 16)
    sides = wanted.shape[1:]
    assert all(side % part == 0 for side, part in zip(sides, patch, strict=True))
    assert math.prod(sides) // math.prod(patch) >= 36


def test_strata_are_named_and_their_shares_counted(tmp_path: Path) -> None:
    images: list[Content] = [Image2D(np.full((8, 8), n, np.uint8)) for n in range(20)]
    dataset = content_dataset(
        tmp_path,
        images,
        modality=["CT"] * 16 + ["MR"] * 3 + [""],
        origin=["a"] * 8 + ["b"] * 11 + [""],
    )
    rows = dataset.rows()
    by_both = strata_of(Sampling(temperature=0.0), dataset, rows)
    assert by_both.names == ("CT · a", "CT · b", "MR · b", UNKNOWN)
    mixed = MixturePlan(groups=np.zeros(20, dtype=np.int64), strata=by_both, global_batch=4)
    shares = {each.name: each for each in stratum_shares(by_both, mixed)}
    assert {name: each.samples for name, each in shares.items()} == {
        "CT · a": 8,
        "CT · b": 8,
        "MR · b": 3,
        UNKNOWN: 1,
    }
    assert {each.draw_share for each in shares.values()} == {0.25}
    one = strata_of(Sampling(by=["site"]), dataset, rows)
    assert stratum_shares(one, mixed) == []


def test_a_rare_depth_that_fills_batches_with_copies_is_reported(tmp_path: Path) -> None:
    def volume(depth: int, number: int) -> Content:
        return Volume(np.full((depth, 16, 16), number, dtype=np.uint8), None, None)

    dataset = content_dataset(tmp_path, [*(volume(8, n) for n in range(15)), volume(32, 15)])
    rows, options = dataset.rows(kind="volume"), LoaderOptions(global_batch=4, seed=0, workers=0)
    collators = [
        ArrayCollator.of(dataset, rows, VolumeInput(size=16, depths=depths))
        for depths in ([8, 32], [8])
    ]
    loaders = [Loader(dataset, rows, collator, options) for collator in collators]
    (warning,) = repeated_samples(loaders[0])
    assert "depth 32 has 1 of 16 volumes and fills whole batches of 4" in warning
    assert "4.0 times as often" in warning and repeated_samples(loaders[1]) == []
