"""The second look: copies pass however they were changed, other pictures do not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from medfm_cli.commands.curate.similarity.hamming import near_pairs
from medfm_cli.commands.curate.similarity.likeness import BATCH, alike
from medfm_cli.commands.curate.similarity.perceptual import perceptual_hash, small, turn_images

Pixels = NDArray[np.uint8]


def cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = int(image.width * share / 2), int(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return Image.open(sink)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "28 pixels": lambda image: image.resize((28, 28), Image.Resampling.BICUBIC),
    "strongly compressed": lambda image: recompressed(image, 50),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "stretched greys": lambda image: ImageOps.autocontrast(image, cutoff=1),
    "cropped by 2 %": lambda image: cropped(image, 0.02),
    "cropped by 5 %": lambda image: cropped(image, 0.05),
}


def looks(images: list[Image.Image]) -> Pixels:
    return np.stack([small(np.asarray(image)) for image in images])


def drawn(count: int, seed: int = 0) -> list[Image.Image]:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 20, 20), dtype=np.uint8)
    return [Image.fromarray(c).resize((240, 300), Image.Resampling.BICUBIC) for c in coarse]


@pytest.mark.parametrize("name", CHANGES)
def test_copies_pass(name: str) -> None:
    images = drawn(20)
    copies = looks([CHANGES[name](image) for image in images])
    assert alike(looks(images), copies).all()


def test_others_do_not_pass() -> None:
    left, right = looks(drawn(40, 1)), looks(drawn(40, 2))
    assert not alike(left, right).any()


def test_a_turned_copy_passes_when_it_is_turned_back() -> None:
    pictures = looks(drawn(9))
    turned = looks([image.rotate(90, expand=True) for image in drawn(9)])
    assert not alike(pictures, turned).any()
    assert alike(turn_images(pictures, 1), turned).all()


def test_each_pair_is_judged_by_itself() -> None:
    pictures = looks(drawn(BATCH + 30))
    order = np.arange(len(pictures))
    order[::3] = np.roll(order[::3], 1)
    assert (alike(pictures, pictures[order]) == (order == np.arange(len(order)))).all()


@pytest.mark.filterwarnings("error")
def test_pictures_of_one_grey_do_no_harm() -> None:
    grey = np.full((2, 32, 32), 9, np.uint8)
    assert not alike(grey, looks(drawn(2))).any()
    assert len(alike(grey[:0], grey[:0])) == 0


@pytest.mark.realdata
def test_radiographs_of_different_children_do_not_pass(shared_data: Path) -> None:
    """Their hashes are near; of 624 only those that are there twice pass."""
    paths = sorted((shared_data / "cxr_pediatric_pneumonia" / "img").iterdir())
    images = [Image.open(path).convert("L") for path in paths]
    pictures = looks(images)
    hashes = np.array([perceptual_hash(picture) for picture in pictures], dtype=np.uint64)
    found = list(near_pairs(hashes, 8))
    left, right = (np.concatenate([pairs[side] for pairs in found]) for side in (0, 1))
    passed = alike(pictures[left], pictures[right])
    same = [images[i].tobytes() == images[j].tobytes() for i, j in zip(left, right, strict=True)]
    assert len(passed) > 100
    assert passed.tolist() == same


@pytest.mark.realdata
@pytest.mark.parametrize("folder", ["cxr_pediatric_pneumonia", "brain_mri_tumor"])
@pytest.mark.parametrize("name", CHANGES)
def test_real_copies_pass(folder: str, name: str, shared_data: Path) -> None:
    paths = sorted(p for p in (shared_data / folder).rglob("*") if p.suffix.lower() != ".md")
    paths = [path for path in paths if path.suffix.lower() in {".jpg", ".jpeg", ".png"}][::6]
    images = [Image.open(path).convert("RGB") for path in paths]
    pictures, copies = looks(images), looks([CHANGES[name](image) for image in images])
    pairs = zip(map(perceptual_hash, pictures), map(perceptual_hash, copies), strict=True)
    near = np.array([(a ^ b).bit_count() <= 8 for a, b in pairs if a and b])
    assert near.mean() >= (0.7 if name == "cropped by 5 %" else 0.97)
    assert alike(pictures[near], copies[near]).all()
