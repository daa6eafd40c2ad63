"""Every kind of content is cut into the parts that are asked for, with their masks and boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medfm_cli.data import Cutting
from medfm_cli.data.card import Unify
from medfm_cli.data.cutting import PartOf, cut_content
from medfm_cli.data.tiling import tiles
from medfm_cli.readers.item import Box
from medfm_cli.samples.content import Audio, Image2D, Row, Signal, Text, Video, Volume
from medfm_cli.samples.pixels import resize

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (200, 300), dtype=np.uint8)
VOXELS = RNG.integers(-500, 500, (20, 24, 28), dtype=np.int16)
ECG = Signal(RNG.normal(size=(12, 1000)).astype(np.float32), 100.0, ("I",) * 12, ("mV",) * 12)


def suffixes(parts: list[PartOf]) -> list[str]:
    return [part.suffix for part in parts]


@pytest.mark.parametrize(
    "content",
    [
        Image2D(NOISE),
        Volume(VOXELS),
        Video(NOISE[None]),
        ECG,
        Row({"age": 1.0}),
        Text("well"),
    ],
    ids=lambda content: content.kind,
)
def test_by_default_everything_stays_whole(content: Any) -> None:
    (part,) = cut_content(content, Cutting())
    assert part.content.array is content.array or content.kind in ("table", "text")
    assert (part.suffix, part.place) == ("", {})


def test_tiles_are_those_of_preprocessing_with_their_masks() -> None:
    cutting = Cutting(tile=100, tile_limit=4, tiling="sample", max_side=50)
    mask = (NOISE // 16).astype(np.uint8)
    parts = cut_content(Image2D(NOISE), cutting, mask=mask)
    assert suffixes(parts) == ["-t00", "-t01", "-t02", "-t03"]
    expected = tiles(NOISE, tile=100, limit=4, tiling="sample")
    for part, (y, x, pixels) in zip(parts, expected, strict=True):
        assert part.place == {"tile": [y, x], "reduced_from": [100, 100]}
        assert (part.content.array == resize(pixels, (50, 50))).all()
        assert part.mask is not None and part.mask.shape == (50, 50)
        assert (part.mask == mask[y + 1 : y + 100 : 2, x + 1 : x + 100 : 2]).all()


def test_masks_and_boxes_follow_an_image_that_is_made_smaller_before_it_is_cut() -> None:
    """400 × 400 in four tiles of 100: one of two pixels is left, and of the mask and box too."""
    image = np.kron(np.random.default_rng(1).integers(0, 256, (200, 200)), np.ones((2, 2)))
    mask = (image > 128).astype(np.uint8)
    box = Box("cell", 220, 20, 260, 60)
    cutting = Cutting(tile=100, tile_limit=4)
    parts = cut_content(Image2D(image.astype(np.uint8)), cutting, mask=mask, boxes=[box])
    places = [part.place for part in parts]
    assert places[1] == {"tile": [0, 200], "reduced_from": [200, 200]}
    assert [place["tile"] for place in places] == [[0, 0], [0, 200], [200, 0], [200, 200]]
    assert parts[1].boxes == (Box("cell", 10, 10, 30, 30),)
    for part in parts:
        (y, x), values = part.place["tile"], part.mask
        assert values is not None
        np.testing.assert_array_equal(values, mask[y : y + 200 : 2, x : x + 200 : 2])


def test_boxes_move_with_their_tile() -> None:
    box = Box("cell", 110, 20, 130, 60)
    edge = Box("cell", 90, 0, 130, 10)  # a quarter of it in the left tile
    parts = cut_content(Image2D(NOISE), Cutting(tile=100, max_side=50), boxes=[box, edge])
    assert parts[0].boxes == (Box("cell", 45, 0, 50, 5),)
    assert parts[1].boxes == (Box("cell", 5, 10, 15, 30), Box("cell", 0, 0, 15, 5))
    assert parts[2].boxes == ()
    unified = Cutting(unify=Unify(size=150))
    (part,) = cut_content(Image2D(NOISE), unified, boxes=[box])
    assert part.boxes == (Box("cell", 55, 35, 65, 55),)


def test_slices_of_every_plane_stand_head_up() -> None:
    """The volume grows brighter to the head, to the back and to the patient's left."""
    d, h, w = np.meshgrid(*(np.linspace(0, 1, n) for n in VOXELS.shape), indexing="ij")
    volume = Volume((100 * d + 10 * h + w).astype(np.float32), (2.0, 1.0, 1.0))
    mask = (d > 0.5).astype(np.uint8)
    planes = Cutting(planes=["axial", "coronal", "sagittal"], slices=2)
    parts = cut_content(volume, planes, mask=mask)
    assert suffixes(parts) == [
        "-axial005", "-axial014", "-coronal006", "-coronal017", "-sagittal007", "-sagittal020",
    ]  # fmt: skip
    axial, _, coronal, _, sagittal, _ = (part.content.array.astype(int) for part in parts)
    assert axial.shape == (24, 28)
    assert coronal.shape == (40, 28)  # two millimetres between axial slices: pixels are square
    assert sagittal.shape == (40, 24)
    assert axial[0, 0] < axial[-1, 0] and axial[0, 0] < axial[-1, -1]
    assert coronal[0, 0] > coronal[-1, 0] and sagittal[0, 0] > sagittal[-1, 0]
    assert sagittal[0, 0] < sagittal[0, -1]
    assert parts[2].mask is not None
    assert (parts[2].mask[:20] == 1).all() and (parts[2].mask[20:] == 0).all()
    assert parts[2].place == {"plane": "coronal", "slice": 6}


def test_frames_of_a_video() -> None:
    frames = RNG.integers(0, 256, (50, 40, 60, 3), dtype=np.uint8)
    parts = cut_content(Video(frames, 25.0), Cutting(stills=True, frames=3, max_side=30))
    assert [part.place for part in parts] == [
        {"frame": 0, "seconds": 0.0},
        {"frame": 24, "seconds": 0.96},
        {"frame": 49, "seconds": 1.96},
    ]
    assert {part.content.array.shape for part in parts} == {(20, 30, 3)}
    assert {part.content.kind for part in parts} == {"image"}


def test_windows_of_a_signal_hold_its_values_and_are_capped() -> None:
    parts = cut_content(ECG, Cutting(window_seconds=2.5))
    assert suffixes(parts) == ["-w0000", "-w0001", "-w0002", "-w0003"]
    assert (np.concatenate([p.content.array for p in parts], axis=1) == ECG.values).all()
    assert parts[1].place == {"window": [2.5, 5.0]}
    assert parts[1].content.meta == ECG.meta
    capped = cut_content(ECG, Cutting(window_seconds=1.5, windows=2))
    assert [part.place["window"] for part in capped] == [[0.0, 1.5], [7.5, 9.0]]
    assert suffixes(cut_content(ECG, Cutting(window_seconds=10))) == [""]
    sound = Audio(np.zeros((1, 4100), dtype=np.float32), 4000.0)
    (part,) = cut_content(sound, Cutting(window_seconds=1.0))
    assert part.content.array.shape == (1, 4000)


def test_pictures_and_volumes_get_one_shape_and_say_what_they_were() -> None:
    cutting = Cutting(unify=Unify(size=32))
    (scan,) = cut_content(Volume(VOXELS, unit="HU"), cutting)
    assert scan.content.array.shape == (20, 32, 32)
    low, high = np.percentile(VOXELS, (0.5, 99.5))
    assert scan.place == {"unified_from": [20, 24, 28], "greys": [low, high], "unit": "HU"}
    (picture,) = cut_content(Image2D(NOISE), cutting)
    assert picture.content.array.shape == (4, 32, 32)
    assert picture.content.kind == "volume"
    assert picture.place == {"unified_from": [200, 300]}
    (ecg,) = cut_content(ECG, cutting)
    assert ecg.content is ECG


def test_a_card_without_the_newer_keys_is_read() -> None:
    old = {"frames": 4, "slices": 8, "tile": None, "tile_limit": 16, "max_side": None}
    assert Cutting.model_validate(old) == Cutting()


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, float("nan"), 1.0), (1e-9, 1.0, 1.0)])
def test_a_spacing_that_makes_no_sense_is_not_believed(spacing: Any) -> None:
    cutting = Cutting(planes=["coronal"], slices=1, unify=Unify(size=16))
    (part,) = cut_content(Volume(VOXELS, spacing), cutting)
    assert part.content.array.shape == (4, 16, 16)
