"""Samples drawn: true proportions, the scales that are written on them, the same bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from curate_mixed import ball, beats, clip, shape_picture, sound, stay

from medfm_cli.commands.curate.report.drawings import ecg as paper
from medfm_cli.commands.curate.report.drawings.audio import BANDS, log_mel, recordings
from medfm_cli.commands.curate.report.drawings.channels import channels
from medfm_cli.commands.curate.report.drawings.ecg import ecg, is_twelve_lead, millivolts
from medfm_cli.commands.curate.report.drawings.long_tails import tails
from medfm_cli.commands.curate.report.drawings.planes import about, planes, window
from medfm_cli.commands.curate.report.drawings.series import stays
from medfm_cli.commands.curate.report.drawings.tiles import COLOURS, boxed, fitted, strip
from medfm_cli.runs.figures import save
from medfm_cli.samples.content import Audio, Signal, Video, Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

HOSTILE = 'a <b> & "c" \udcff \x1b[1m 🫁'
DRAWINGS = {
    "ecg": lambda: ecg(beats(0), HOSTILE, HOSTILE),
    "channels": lambda: channels(replace(beats(1, leads=3), channels=(HOSTILE,) * 3), HOSTILE),
    "audio": lambda: recordings([(sound(0), HOSTILE), (sound(1), "b"), (sound(2), "c")]),
    "stays": lambda: stays([(stay(0), HOSTILE), (stay(1), "b")]),
    "tails": lambda: tails({HOSTILE: {HOSTILE: 12345, "b": 1}, "site": {"UNKNOWN": 3}}),
}


@pytest.fixture
def svg(tmp_path: Path) -> Any:
    """The text of a figure as it is written to disk."""

    def write(drawing: Figure) -> str:
        save(drawing, tmp_path / "drawing.svg")
        return (tmp_path / "drawing.svg").read_text("utf-8")

    return write


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_valid_svg_and_the_same_every_time(name: str, svg: Any) -> None:
    text = svg(DRAWINGS[name]())
    assert text == svg(DRAWINGS[name]())
    root = ElementTree.fromstring(text)  # noqa: S314
    assert root.tag.endswith("svg")
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)
    assert "\ufffd" in text
    assert "DejaVu" not in text
    text.encode()


def traces(drawing: Figure, colour: str) -> list[NDArray[Any]]:
    """The points `[T, 2]` of every line of this colour, in CSS pixels from the bottom left."""
    (axes,) = drawing.axes
    return [
        axes.transData.transform(np.asarray(line.get_xydata(), float)) / drawing.dpi * 96
        for line in axes.lines
        if line.get_color() == colour
    ]


def test_a_millivolt_is_ten_millimetres_and_a_second_twenty_five(svg: Any) -> None:
    flat = np.zeros((12, 1000), np.float32)
    flat[:, 200] = 1.0
    drawing = ecg(replace(beats(0), values=flat), "t")
    curves = [p for p in traces(drawing, "#1b1b22") if len(p) > 20]
    assert len(curves) == 13, "twelve leads and the rhythm strip"
    rhythm = curves[-1]
    top = rhythm[rhythm[:, 1].argmax()]
    assert top[1] - rhythm[0, 1] == pytest.approx(10 * paper.MM, abs=0.2)
    assert top[0] - rhythm[0, 0] == pytest.approx(2.0 * 25 * paper.MM, abs=0.2)
    pulses = [p for p in traces(drawing, "#1b1b22") if len(p) == 6]
    assert len(pulses) == 4
    assert pulses[0][2, 1] - pulses[0][1, 1] == pytest.approx(10 * paper.MM, abs=0.2)
    text = svg(drawing)
    assert "25 mm/s · 10 mm/mV · 100 Hz" in text
    width = float(re.findall(r'width="([\d.]+)pt"', text)[0])
    assert width == pytest.approx(267 * paper.MM * 0.75, abs=0.1), "a point is 4/3 CSS pixels"


def test_leads_are_known_by_name_and_brought_to_millivolts() -> None:
    loud = replace(
        beats(0),
        values=beats(0).values * 1000,
        units=("uV",) * 12,
        channels=tuple(name.lower() for name in beats(0).channels),
    )
    leads, others = millivolts(loud)
    assert (set(leads), others) == (set(beats(0).channels), [])
    np.testing.assert_allclose(leads["V6"], beats(0).values[11], rtol=1e-5)
    assert is_twelve_lead(loud)
    assert not is_twelve_lead(replace(loud, units=("mmHg",) * 12))
    assert not is_twelve_lead(beats(0, leads=3))


def test_short_and_long_ecgs_and_missing_samples_are_drawn(svg: Any) -> None:
    values = beats(0).values.copy()
    values[3:5, 300:600] = np.nan
    values[7] = np.nan
    svg(ecg(replace(beats(0), values=values), "t"))
    svg(ecg(replace(beats(0), values=values[:, :300]), "t"))
    tiny = ecg(replace(beats(0), values=values[:, :120]), "t")
    assert "1.2 s, all leads from the beginning" in svg(tiny)
    starts = [c[0, 0] for c in traces(tiny, "#1b1b22") if len(c) > 20 and np.isfinite(c).all()]
    assert len({round(x) for x in starts}) == 4, "four columns, though they are short"
    long = replace(beats(0), values=np.tile(values, 4))
    assert "first 10 of 40 s" in svg(ecg(long, "t"))


def test_a_long_waveform_keeps_its_peaks(svg: Any) -> None:
    values = np.zeros((1, 500_000), np.float32)
    values[0, 123_456] = 0.9
    drawing = recordings([(Audio(values, 50_000), "long")])
    (outline,) = drawing.axes[0].collections[0].get_paths()
    assert outline.get_extents().ymax == pytest.approx(0.9)
    assert len(outline.vertices) < 2000


def test_planes_have_true_proportions() -> None:
    for plane in planes(ball(0), 240):
        bright = np.argwhere(plane.max(axis=2)[20:-20, 30:-30] > 200)
        height, width = np.ptp(bright, axis=0)
        assert height / width == pytest.approx(1, abs=0.12), "a ball is round in every plane"


def test_the_patient_stands_upright_and_faces_left() -> None:
    voxels = np.zeros((10, 20, 20), np.uint8)
    voxels[8:, :5, :5] = 255  # head, front, right
    axial, coronal, sagittal = planes(Volume(voxels, (2.0, 1.0, 1.0)), 200, None)
    assert not (axial > 250).any(), "the middle slice is below"
    head, front = planes(Volume(voxels[::, :5, :5], (2.0, 1.0, 1.0)), 200)[1:]
    assert head[: len(head) // 4].mean() > head[-len(head) // 4 :].mean() * 2
    assert front[: len(front) // 4].mean() > front[-len(front) // 4 :].mean() * 2
    assert coronal.shape == sagittal.shape == (200, 200, 3)


def test_masks_are_outlined_where_they_are() -> None:
    mask = np.zeros((20, 60, 60), np.uint8)
    mask[8:12, 25:35, 25:35] = 2
    rgb = tuple(int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5))
    for plane in planes(ball(0), 240, mask):
        marked = np.argwhere((plane == rgb).all(axis=2))
        assert len(marked) > 40
        assert abs(marked.mean(axis=0) - 120).max() < 12


def test_windows() -> None:
    assert window(ball(0)) == (-160, 240)
    assert window(Volume(np.zeros((4, 4, 4, 3), np.uint8))) == (0, 255)
    low, high = window(Volume(np.arange(1000.0).reshape(10, 10, 10).astype(np.float32)))
    assert (low, high) == pytest.approx((10, 994), abs=1)
    nothing = Volume(np.full((4, 4, 4), np.nan, np.float32))
    assert window(nothing) == (0, 1)
    assert len(planes(nothing, 60)) == 3
    assert about(ball(0)) == "60 × 60 × 20 voxels of 1 × 1 × 3 mm"
    assert "UNKNOWN" in about(nothing)


def test_a_strip_shows_first_and_last_frame() -> None:
    frames = np.stack([np.full((48, 64), 10 * i, np.uint8) for i in range(20)])
    tiles = strip(Video(frames, 10.0), 100)
    assert [int(tile[50, 50, 0]) for tile in tiles] == [0, 40, 80, 110, 150, 190]
    assert len(strip(Video(frames[:3]), 100)) == 3
    assert strip(clip(0), 90)[0].shape == (90, 90, 3)


def test_pictures_keep_their_proportions_on_a_tile() -> None:
    tile = np.asarray(fitted(np.full((20, 80), 255, np.uint8), 160))
    assert np.ptp(np.argwhere(tile[..., 0] > 128), axis=0).tolist() == [39, 159]


def test_boxes_are_drawn_in_the_colour_of_their_label() -> None:
    picture = shape_picture(0).pixels
    boxes = [("a", 4.0, 6.0, 30.0, 40.0), ("b", 9.0, 9.0, 2.0, 20.0)]
    drawn = boxed(picture, boxes, ["b", "a"])
    assert tuple(drawn[6, 10]) == tuple(int(COLOURS[1][i : i + 2], 16) for i in (1, 3, 5))


@pytest.mark.parametrize("hertz", [120.0, 440.0, 1500.0])
def test_the_spectrogram_knows_a_tone(hertz: float) -> None:
    rate = 4000.0
    tone = np.sin(2 * np.pi * hertz * np.arange(8000) / rate)
    decibels, centres = log_mel(tone, rate)
    assert decibels.shape[0] == BANDS
    assert decibels.max() == 0
    loudest = centres[decibels.mean(axis=1).argmax()]
    assert loudest == pytest.approx(hertz, rel=0.12)


def test_silence_and_single_samples_are_drawn_too(svg: Any) -> None:
    nothing = Audio(np.zeros((2, 4000), np.float32), 4000)
    assert svg(recordings([(nothing, "silence")]))
    assert svg(recordings([(Audio(np.ones((1, 2), np.float32), 100), "two samples")]))
    short = Signal(np.ones((1, 2), np.float32), 100)
    assert svg(channels(short, "two samples"))
    empty = replace(stay(0), values=np.full((7, 40), np.nan, np.float32))
    assert svg(stays([(empty, "empty")]))


def test_the_stays_of_one_sheet_share_its_panels(svg: Any) -> None:
    text = svg(stays([(stay(0), "one"), (stay(3), "two")]))
    for word in ("Vitals", "Labs", "Inputs", "Outputs", "HR", "mmHg", "Hours since admission"):
        assert f">{word}<" in text


def test_a_tail_is_drawn_by_its_logarithm_and_nothing_is_hidden(svg: Any) -> None:
    counts = {f"v{i}": n for i, n in enumerate([10_000, 100, 1, *[1] * 20])}
    drawing = tails({"Label": counts})
    bars: Any = drawing.axes[0].patches
    lengths = [bar.get_window_extent().width / drawing.dpi * 96 for bar in bars]
    assert lengths[0] == pytest.approx(2 * lengths[1], rel=0.02)
    assert lengths[2] == pytest.approx(2.0), "a single sample is visible too"
    assert ">12 rarer ones<" in svg(drawing)
