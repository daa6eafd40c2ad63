"""Charts and image sheets: calm, deterministic, readable in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from medfm_cli.runs import figures
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.runs.fonts import Letters

HOSTILE = "a <b> & $x^2$ \udcff 🫁"
CHARTS: dict[str, Callable[[], Any]] = {
    "line": lambda: figures.line_chart(
        {"train": (range(100), np.linspace(2, 1, 100)), HOSTILE: ([0, 50], [2.0, 1.1])},
        x="Step",
        y=HOSTILE,
        smooth=10,
    ),
    "log line": lambda: figures.line_chart({"a": ([1, 2], [1e-4, 1.0])}, x="x", y="y", log_y=True),
    "bars": lambda: figures.bar_chart(
        {"ours": (2.1, 1.9, 2.6), HOSTILE: 5.4, "none": (1.0, None, None)}, x="ms", strong="ours"
    ),
    "forest": lambda: figures.forest(
        {
            "model": {"AUC": (0.9, 0.8, 0.97), "MCC": (0.5, float("nan"), float("nan"))},
            HOSTILE: {"AUC": (0.5, None, None)},
        },
        strong="model",
        reference={"AUC": 0.5},
    ),
    "confusion": lambda: figures.confusion(
        np.array([[9, 1, 0], [2, 8, 0], [0, 0, 0]]), ["CT", "a very long class name", HOSTILE]
    ),
    "reliability": lambda: figures.reliability(
        [0.2, 0.9, float("nan")], [0.1, 0.95, float("nan")], [10, 90, 0]
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_charts_are_small_svgs_with_the_same_bytes_each_time(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    save(CHARTS[name](), first)
    save(CHARTS[name](), second)
    content = first.read_bytes()
    assert content == second.read_bytes()
    assert len(content) < 120_000
    assert ElementTree.fromstring(content).tag.endswith("svg")  # noqa: S314


@pytest.mark.parametrize("name", CHARTS)
def test_charts_turn_dark_and_use_the_fonts_of_the_page(tmp_path: Path, name: str) -> None:
    save(CHARTS[name](), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert "prefers-color-scheme: dark" in text
    assert "DejaVu" not in text
    assert "#000000" not in text.split("</style>", 1)[1]


def test_charts_leave_matplotlib_as_it_was(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")  # otherwise looking at the setting chooses one
    before = dict(matplotlib.rcParams)
    save(CHARTS["bars"](), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before


def test_a_chart_as_png_has_an_opaque_ground(tmp_path: Path) -> None:
    save(CHARTS["line"](), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)


def test_engines_can_draw_their_own(tmp_path: Path) -> None:
    drawing, axes = figures.figure(4, 3)
    axes.scatter([1, 2], [3, 4])
    axes.set_title("own")
    save(drawing, tmp_path / "deep" / "own.svg")
    assert "own" in (tmp_path / "deep" / "own.svg").read_text("utf-8")


@pytest.mark.parametrize("name", ["a.gif", "a", "a.pdf"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.png or \.jpg"):
        save(Image.new("L", (2, 2)), tmp_path / name)
    assert not (tmp_path / name).exists()


def pictures() -> list[np.ndarray[Any, Any]]:
    grey = np.tile(np.arange(256, dtype=np.uint8), (100, 1))
    return [grey, grey[..., None], np.stack([grey] * 3, axis=-1), grey[:1, :1], grey[:3, :3]]


def test_sheets_take_every_shape_of_image(tmp_path: Path) -> None:
    sheet = image_sheet(pictures(), ["a", HOSTILE, "b\nc\nd", "", "long " * 40], 3, tile=64)
    assert sheet.mode == "RGB"
    for name in ("a.png", "a.jpg"):
        save(sheet, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.size == sheet.size


def test_sheets_of_grey_images_are_grey_and_keep_their_pixels() -> None:
    image = np.full((10, 10), 200, dtype=np.uint8)
    sheet = image_sheet([image], [""], 4, tile=100)
    assert sheet.mode == "L"
    assert sheet.size == (136, 136)
    middle = np.asarray(sheet)[20:116, 20:116]
    assert middle.min() == middle.max() == 200


def test_a_place_may_stay_empty() -> None:
    image = np.full((8, 8), 255, dtype=np.uint8)
    full, part = (image_sheet([image, other], ["", ""], 2) for other in (image, None))
    assert full.size == part.size
    assert np.asarray(part)[:, part.width // 2 + 10 :].std() == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [("224 × 224 – a·b", "224 x 224 - a·b"), ("plain", "plain"), ("naïve Überraschung", None)],
)
def test_captions_have_letters_for_every_language(text: str, shown: str | None) -> None:
    letters = Letters([text], 16)
    assert letters.text(text) == (shown or text)


def test_without_another_font_letters_lose_their_accents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medfm_cli.runs.fonts._fonts", lambda _: iter(()))
    text = "naïve 肺 × lung"
    assert Letters([text], 16).text(text) == "naive ? x lung"


def test_sheets_are_as_wide_as_their_columns() -> None:
    image = np.zeros((8, 8), dtype=np.uint8)
    three = image_sheet([image] * 3, ["x"] * 3, 3, headings=["image", "seen", "restored"])
    six = image_sheet([image] * 6, ["x"] * 6, 3, headings=["image", "seen", "restored"])
    assert three.width == six.width
    assert six.height > three.height


@pytest.mark.parametrize(
    ("images", "captions", "headings", "message"),
    [
        ([], [], [], "0 images"),
        ([np.zeros((2, 2), np.uint8)], [], [], "1 images have 0 captions"),
        ([np.zeros((2, 2), np.uint8)], ["a"], ["h"], "2 columns have 1 headings"),
        ([np.zeros((2, 2), np.float32)], ["a"], [], "uint8 images, not float32"),
    ],
)
def test_wrong_sheets_are_refused(
    images: list[Any], captions: list[str], headings: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        image_sheet(images, captions, 2, headings=headings)


def test_a_layout_in_pixels_is_true_to_scale(tmp_path: Path) -> None:
    @figures.styled
    def draw() -> Any:
        drawing = figures.blank(400, 200)
        axes = figures.place(drawing, (40, 20), (300, 100), xlim=(0, 300), ylim=(100, 0))
        figures.label(drawing, (0, 12), HOSTILE * 40, length=20)
        return drawing, axes

    drawing, axes = draw()
    save(drawing, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert 'width="300pt" height="150pt"' in text
    corner = axes.transData.transform((0, 0)) / drawing.dpi * 96
    assert corner.tolist() == pytest.approx([40, 180])
    assert "…" in text


@pytest.mark.realdata
def test_a_sheet_of_real_radiographs_is_light_enough(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "cxr_pediatric_pneumonia"
    files = sorted(folder.rglob("*.jpeg"))[:12]
    images = [np.asarray(Image.open(file).convert("L")) for file in files]
    save(image_sheet(images, [file.name for file in files], 6), tmp_path / "sheet.jpg")
    assert (tmp_path / "sheet.jpg").stat().st_size < 250_000
