"""Which samples have a fingerprint, and of what."""

from __future__ import annotations

import numpy as np
import pytest

from medfm_cli.commands.curate.similarity.fingerprint import fingerprint
from medfm_cli.samples.content import (
    Audio,
    Content,
    Image2D,
    Row,
    Series,
    Signal,
    Text,
    Video,
    Volume,
)

NOISE = np.random.default_rng(0).integers(0, 256, (40, 64, 64), dtype=np.uint8)
FLOATS = np.zeros((2, 4), np.float32)


def test_a_picture_has_one() -> None:
    found = fingerprint(Image2D(NOISE[0]))
    assert found is not None
    assert 0 <= found.hash < 2**63
    assert len(found.thumb) == 1024


def test_a_volume_has_that_of_its_middle_slice() -> None:
    assert fingerprint(Volume(NOISE)) == fingerprint(Image2D(NOISE[20]))


def test_hounsfield_units_are_seen_as_grey_steps() -> None:
    hu = NOISE[:3].astype(np.int16) * 8 - 1000
    found, grey = fingerprint(Volume(hu, unit="HU")), fingerprint(Image2D(NOISE[1]))
    assert found is not None and grey is not None
    assert (found.hash ^ grey.hash).bit_count() <= 2


def test_missing_voxels_do_no_harm() -> None:
    values = NOISE[:3].astype(np.float32)
    values[1, :4] = np.nan
    values[1, 5, 5] = np.inf
    assert fingerprint(Volume(values)) is not None


def test_a_video_has_that_of_its_first_frame() -> None:
    colour = np.stack([NOISE] * 3, axis=3)
    assert fingerprint(Video(colour)) == fingerprint(Image2D(NOISE[0]))


@pytest.mark.parametrize(
    "content",
    [
        Signal(FLOATS, 100.0),
        Audio(FLOATS, 8000.0),
        Series(FLOATS, np.zeros(4)),
        Row({"a": 1.0}),
        Text("no finding"),
        Image2D(np.full((64, 64), 9, np.uint8)),
        Volume(np.full((3, 64, 64), np.nan, np.float32)),
        Video(np.zeros((0, 8, 8), np.uint8)),
    ],
    ids=lambda content: content.kind,
)
def test_what_shows_nothing_has_none(content: Content) -> None:
    assert fingerprint(content) is None
