"""Masks and boxes turn with the image that EXIF turns: tested by a landmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from medfm_cli.commands.curate.annotations.apply import apply_annotations
from medfm_cli.commands.curate.annotations.orientation import NOTE, turned_boxes
from medfm_cli.commands.curate.annotations.refs import Ref
from medfm_cli.readers import read_images
from medfm_cli.readers.item import Box

HEIGHT, WIDTH = 20, 32
REGION = (slice(3, 7), slice(20, 29))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_of_the_stored_pixels_follows(tmp_path: Path, orientation: int) -> None:
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[REGION] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "i.png", exif=exif)
    Image.fromarray(stored).save(tmp_path / "m.png")
    item = next(iter(read_images(tmp_path / "i.png")))
    found = apply_annotations(item, [Ref("mask", str(tmp_path / "m.png"))])
    assert found.mask is not None
    assert ((found.mask > 0) == (found.pixels > 128)).all()
    assert (NOTE in found.notes) == (orientation > 1)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_boxes_of_the_stored_pixels_follow(orientation: int) -> None:
    stored = Image.new("L", (WIDTH, HEIGHT))
    stored.paste(255, (20, 3, 29, 7))
    stored.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(stored))
    (box,) = turned_boxes([Box("x", 20, 3, 29, 7)], orientation, (WIDTH, HEIGHT))
    rows, columns = np.nonzero(upright)
    assert (box.x0, box.y0) == (columns.min(), rows.min())
    assert (box.x1, box.y1) == (columns.max() + 1, rows.max() + 1)


def test_a_mask_of_the_upright_image_stays(tmp_path: Path) -> None:
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[REGION] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "i.png", exif=exif)
    upright = np.rot90(stored, -1)
    Image.fromarray(upright).save(tmp_path / "m.png")
    item = next(iter(read_images(tmp_path / "i.png")))
    found = apply_annotations(item, [Ref("mask", str(tmp_path / "m.png"))])
    assert found.mask is not None and ((found.mask > 0) == (upright > 0)).all()
