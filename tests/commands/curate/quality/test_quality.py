"""Quality: planted defects are found and named, and real data passes."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_files import noise
from PIL import Image, ImageDraw, ImageFont

from medfm_cli.commands.curate.options.plausible import Range, plausible_ranges, range_of
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality.step import mend, rejection_reason
from medfm_cli.commands.curate.quality.text_pages import text_share
from medfm_cli.readers import ReadOptions, Unreadable, sniff
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

LIMITS = Quality()
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
WORDS = ("the", "patient", "was", "seen", "today", "with", "chest", "pain", "and", "breathlessness")


def page(height: int = 1100, width: int = 850, *, points: int = 16, seed: int = 0) -> Any:
    """A typed letter, uint8 `[height, width]`."""
    random = np.random.default_rng(seed)
    paper = Image.new("L", (width, height), 255)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(points)
    for top in range(2 * points, height - 2 * points, round(1.5 * points)):
        line, wanted = "", (width - 4 * points) * random.uniform(0.6, 0.95)
        while pen.textlength(line, font=font) < wanted:
            line += f" {random.choice(WORDS)}"
        pen.text((2 * points, top), line, font=font, fill=20)
    return np.asarray(paper)


def ecg(*, seconds: float = 10, rate: float = 100, leads: int = 12) -> Signal:
    """Something like a heart: a spike a second on a wandering line, in mV."""
    times = np.arange(int(seconds * rate)) / rate
    beat = np.exp(-((((times % 1) - 0.4) / 0.02) ** 2))
    random = np.random.default_rng(1)
    values = [
        (0.3 + i / leads) * beat + 0.05 * random.standard_normal(len(times)) for i in range(leads)
    ]
    return Signal(np.float32(values), rate, LEADS[:leads], ("mV",) * leads)


def with_values(signal: Signal, change: Any) -> Signal:
    values = signal.values.copy()
    change(values)
    return replace(signal, values=values)


def stay(**rows: list[float]) -> Series:
    values = np.float32(list(rows.values()))
    return Series(values, np.arange(values.shape[1], dtype=float), tuple(rows))


def test_a_good_sample_of_every_kind_passes() -> None:
    good: list[Content] = [
        Image2D(noise(1)),
        Image2D(noise(1, colour=True)),
        Volume(np.random.default_rng(0).normal(0, 200, (6, 20, 20)).astype(np.int16)),
        Video(np.stack([noise(i) for i in range(3)])),
        ecg(),
        Audio(np.float32(0.1 * np.random.default_rng(0).standard_normal((1, 8000))), 4000),
        stay(HR=[70, 80], Temp=[36.5, np.nan]),
        Row({"age": 4.0, "name": None}),
        Text("Normal chest."),
        Text("両肺野に明らかな浸潤影を認めない。心拡大なし。"),
    ]
    assert [rejection_reason(content, LIMITS) for content in good] == [""] * len(good)
    assert all(mend(content, LIMITS) == (content, ()) for content in good)


def half_grey(value: int = 128) -> Any:
    pixels = noise(2, height=100, width=80)
    pixels[60:] = value
    return pixels


PICTURES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "tiny": (noise(1, height=8), "tiny: a side of less than 24 pixels", {"min_side": 4}),
    "blank": (np.full((50, 50), 7, np.uint8), "blank: all pixels are alike", {"blank": False}),
    "mask": (
        np.where(noise(3) > 9, 255, 0).astype(np.uint8),
        "only two grey levels: a mask or a drawing",
        {"two_levels": False},
    ),
    "colour mask": (
        np.where(noise(3)[..., None] > 99, [200, 0, 0], [0, 0, 90]).astype(np.uint8),
        "only two grey levels: a mask or a drawing",
        {"two_levels": False},
    ),
    "long": (
        noise(4, height=30, width=400),
        "longer than 8 times its width",
        {"max_aspect": None},
    ),
    "cut off": (half_grey(), "cut off: the lower 40% are one grey", {"truncated": None}),
    "page": (page(), "a page of text", {"text_share": None}),
    "screen": (255 - page(512, 512, points=12), "a page of text", {"text_share": None}),
    "lying page": (np.rot90(page()), "a page of text", {"text_share": None}),
    "large page": (page(2200, 1700, points=30), "a page of text", {"text_share": None}),
    "page in RGB": (np.stack([page()] * 3, axis=2), "a page of text", {"text_share": None}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_bad_picture_is_refused_and_each_check_can_be_off(name: str) -> None:
    pixels, reason, off = PICTURES[name]
    assert rejection_reason(Image2D(pixels), LIMITS) == reason
    assert rejection_reason(Image2D(pixels), Quality(**off)) == ""
    assert rejection_reason(Image2D(pixels), Quality(on=False)) == ""


def test_a_truncated_jpeg_that_was_decoded_anyway(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(noise(5, height=12, width=12)).resize((256, 256)))
    for colour in (False, True):
        path = tmp_path / "whole.jpg"
        Image.fromarray(smooth).convert("RGB" if colour else "L").save(path, quality=90)
        decoded = _decode_start(path.read_bytes(), 0.6)
        assert rejection_reason(Image2D(decoded), LIMITS).startswith("cut off: the lower ")


def _decode_start(jpeg: bytes, share: float) -> Any:
    from PIL import ImageFile

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        return np.asarray(Image.open(io.BytesIO(jpeg[: int(len(jpeg) * share)])))


def test_pages_of_many_sizes_are_pages() -> None:
    pages = [
        page(seed=s, points=p, height=h, width=w)
        for s, (p, h, w) in enumerate(
            [(16, 1100, 850), (50, 3300, 2550), (10, 400, 300), (22, 2200, 1700), (11, 224, 224)]
        )
    ]
    random = np.random.default_rng(0)
    scans = [np.uint8(np.clip(p + random.normal(0, 6, p.shape), 0, 255)) for p in pages]
    tilted = np.asarray(Image.fromarray(pages[0]).rotate(1, fillcolor=255, expand=True))
    assert min(map(text_share, [*pages, *scans, tilted])) > 0.6


def test_borders_are_no_missing_tail() -> None:
    for value in (0, 255):
        assert rejection_reason(Image2D(half_grey(value)), LIMITS) == ""
    framed = half_grey()
    framed[:30] = 128
    assert rejection_reason(Image2D(framed), LIMITS) == "", "a frame of the same grey on both sides"


VOLUMES: dict[str, tuple[Any, dict[str, Any]]] = {
    "blank: all voxels are alike": (np.full((9, 30, 30), -1024, np.int16), {"blank": False}),
    "fewer than 4 slices": (np.arange(3 * 900).reshape(3, 30, 30), {"min_slices": 1}),
    "tiny: slices with a side of less than 8 voxels": (
        np.arange(9 * 7 * 30).reshape(9, 7, 30),
        {"min_volume_side": None},
    ),
    "more than 50% of the voxels have no value": (
        np.where(np.arange(9000) % 3, np.nan, np.arange(9000)).reshape(10, 30, 30),
        {"max_missing": 0.7},
    ),
}


@pytest.mark.parametrize("reason", VOLUMES)
def test_a_bad_volume_is_refused(reason: str) -> None:
    voxels, off = VOLUMES[reason]
    kind = np.float32 if voxels.dtype.kind == "f" else np.int16
    assert rejection_reason(Volume(voxels.astype(kind)), LIMITS) == reason
    assert rejection_reason(Volume(voxels.astype(kind)), Quality(**off)) == ""


def test_a_volume_without_any_value() -> None:
    assert rejection_reason(Volume(np.full((9, 9, 9), np.nan, np.float32)), LIMITS) == (
        "no voxel has a value"
    )


def test_a_bad_video_is_refused() -> None:
    frame = noise(1)
    moving = np.stack([noise(i) for i in range(4)])
    cases: list[tuple[Any, str, dict[str, Any]]] = [
        (frame[None], "fewer than 2 frames", {"min_frames": 1}),
        (np.stack([frame] * 5), "nothing moves: all frames are alike", {"still": False}),
        (np.full((4, 40, 40), 9, np.uint8), "blank: all frames are of one grey",
         {"blank": False, "still": False}),
        (moving[:, :10], "tiny: frames with a side of less than 24 pixels", {"min_side": 4}),
    ]  # fmt: skip
    for frames, reason, off in cases:
        assert rejection_reason(Video(frames, 10.0), LIMITS) == reason
        assert rejection_reason(Video(frames, 10.0), Quality(**off)) == ""
    last = np.stack([frame] * 5)
    last[-1, :20] ^= 255
    assert rejection_reason(Video(last, 10.0), LIMITS) == "", "it moves at the very end"


def test_a_bad_ecg_is_refused() -> None:
    def part(rows: Any, value: float) -> Any:
        return lambda v: v.__setitem__(rows, value)

    good = ecg()
    cases: list[tuple[Signal, str, dict[str, Any]]] = [
        (with_values(good, part(slice(None), np.nan)), "no sample has a value", {"on": False}),
        (with_values(good, part((slice(None), slice(0, 600)), np.nan)),
         "more than 50% of the samples have no value", {"max_missing": 0.7}),
        (with_values(good, part((slice(7, 9),), 0.0)), "2 flat leads (V2, V3)", {"flat_leads": 2}),
        (with_values(good, part(3, np.nan)), "1 flat lead (aVR)", {"flat_leads": None}),
        (with_values(good, lambda v: v.__imul__(1000)), "implausible: more than 20 mV",
         {"max_millivolt": None}),
        (with_values(good, lambda v: np.clip(v[6:8], -0.05, 0.05, out=v[6:8])),
         "2 clipped leads (V1, V2)", {"clipped": None}),
        (ecg(seconds=0.3), "shorter than 0.5 s", {"min_seconds": None}),
    ]  # fmt: skip
    for signal, reason, off in cases:
        assert rejection_reason(signal, LIMITS) == reason
        assert rejection_reason(signal, Quality(**off)) == ""


def test_microvolts_are_not_ten_thousand_millivolts() -> None:
    loud = with_values(ecg(), lambda v: v.__imul__(1000))
    assert rejection_reason(replace(loud, units=("uV",) * 12), LIMITS) == ""
    pressure = replace(loud, units=("mmHg",) * 12)
    assert rejection_reason(pressure, LIMITS) == ""


def test_other_signals_may_have_a_channel_without_contact() -> None:
    names = ("Fpz-Cz", "Pz-Oz", "EMG", "Jane Roe")
    quiet = replace(ecg(leads=4), channels=names, units=("uV",) * 4)
    one = with_values(quiet, lambda v: v.__setitem__(3, 0))
    assert rejection_reason(one, LIMITS) == ""
    three = with_values(quiet, lambda v: v.__setitem__(slice(1, 4), 0))
    assert rejection_reason(three, LIMITS) == "3 of 4 channels are flat", "names may be anything"


def test_bad_sound_is_refused() -> None:
    random = np.random.default_rng(0)
    sound = np.float32(0.2 * random.standard_normal((1, 8000)))
    cases: list[tuple[Any, str, dict[str, Any]]] = [
        (sound * 0 + 0.5, "silence", {"silence": None}),
        (sound * 0.001, "silence", {"silence": 0.0}),
        (sound[:, :1000], "shorter than 0.5 s", {"min_seconds": 0.1}),
        (np.clip(sound * 10, -1, 1), "overdriven: the sound rests at its limits",
         {"clipped": None}),
        (sound * np.nan, "some of the sound has no value", {"on": False}),
    ]  # fmt: skip
    for values, reason, off in cases:
        assert rejection_reason(Audio(np.float32(values), 4000), LIMITS) == reason
        assert rejection_reason(Audio(np.float32(values), 4000), Quality(**off)) == ""


def test_implausible_values_are_set_aside_and_counted() -> None:
    series = replace(
        stay(
            HR=[80, 0, 351, 90, 90, 90],
            Temp=[36.6, -17.8, 45.0, 15, 37, 37],
            pH=[7.4, 7.4, 7.3, 7.4, 7.4, np.nan],
            Mystery=[1e9, 0, 0, 0, 0, 0],
        ),
        static={"Height": -1.0, "Age": 67.0, "Gender": 1.0, "Unit": "surgical"},
    )
    assert rejection_reason(series, LIMITS) == ""
    mended, notes = mend(series, LIMITS)
    assert isinstance(mended, Series)
    assert notes == ("1 implausible: HR", "1 implausible: Height", "1 implausible: Temp")
    changed = ~np.isclose(mended.values, series.values, equal_nan=True)
    assert np.argwhere(changed).tolist() == [[0, 2], [1, 1]]
    assert np.isnan(mended.values[changed]).all()
    assert mended.static == {"Age": 67.0, "Gender": 1.0, "Unit": "surgical"}
    assert mend(mended, LIMITS) == (mended, ())


def test_a_stay_of_nonsense_or_nothing_is_refused() -> None:
    nothing = stay(HR=[np.nan, np.nan])
    assert rejection_reason(nothing, LIMITS) == "no measurement"
    assert rejection_reason(nothing, Quality(min_measurements=None)) == ""
    swapped = stay(HR=[80, 81, 82, 83], Temp=[98.6, 99.0, 99.1, 37.0])
    assert rejection_reason(swapped, LIMITS) == "implausible: more than 20% of the values"
    assert rejection_reason(swapped, Quality(max_implausible=0.5)) == ""


def test_units_and_the_recipe_decide_what_is_plausible() -> None:
    fahrenheit = replace(stay(Temp=[98.6, 99.0]), units=("°F",))
    assert mend(fahrenheit, LIMITS) == (fahrenheit, ()), "another unit is not judged"
    own = Quality(plausible={"Temp": Range(low=90, high=110, unit="°F"), "heart rate": None})
    assert range_of("temp", "°F", own.plausible) == Range(low=90, high=110, unit="°F")
    assert range_of("Heart Rate", "bpm", own.plausible) is None
    assert range_of("heart_rate", "beats/min", {}) == plausible_ranges()["HR"]
    assert range_of("HR", "/min", {}) == plausible_ranges()["HR"]
    assert range_of("FiO2", "", {}) == plausible_ranges()["FiO2"]


@pytest.mark.parametrize(
    ("text", "reason", "off"),
    [
        ("  \n", "an empty text", {"on": False}),
        ("n.", "fewer than 4 letters", {"min_letters": None}),
        (
            "3.2 44 / 17.9 12 mmol 44 90 81 2 77 12",
            "no language: figures only",
            {"language": False},
        ),
        ("-- == ## ++ || ~~ abcd", "no language: signs instead of letters", {"language": False}),
        ("aGVsbG8gd29ybGQ" * 9, "no language: one long code", {"language": False}),
        ("Gro\ufffde Ver\ufffdnderung", "no language: damaged signs", {"language": False}),
        ("test " * 30, "no language: one word over and over", {"language": False}),
    ],
)
def test_a_bad_text_is_refused(text: str, reason: str, off: dict[str, Any]) -> None:
    assert rejection_reason(Text(text), LIMITS) == reason
    assert rejection_reason(Text(text), Quality(**off)) == ""


def test_an_empty_row_is_refused() -> None:
    assert rejection_reason(Row({"a": None, "b": ""}), LIMITS) == "an empty row"
    assert rejection_reason(Row({"a": 0.0, "b": ""}), LIMITS) == ""
    assert rejection_reason(Row({"a": 0.0, "b": ""}), Quality(min_measurements=2)) == (
        "fewer than 2 filled cells"
    )


def refused(contents: Iterator[Content]) -> tuple[int, Counter[str]]:
    reasons = Counter(rejection_reason(content, LIMITS) for content in contents)
    return reasons.pop("", 0), reasons


def pictures_of(folder: Path) -> Iterator[Content]:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and path.suffix not in (".csv", ".md", ".xml", ".json"):
                for item in sniff(path).read(path, ReadOptions()):
                    yield item.content
        except Unreadable:
            continue


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("folder", "fewest"),
    [
        ("cxr_pediatric_pneumonia", 624),
        ("skin_ham10000_sample", 490),
        ("blood_bccd", 364),
        ("fundus_odir_sample", 120),
        ("brain_mri_tumor", 253),
        ("histology_lc25000_lung", 600),
        ("vqa_rad", 250),
        ("pneumoniamnist_subset", 5030),
    ],
)
def test_no_real_picture_is_refused(shared_data: Path, folder: str, fewest: int) -> None:
    kept, reasons = refused(pictures_of(shared_data / folder))
    assert not reasons
    assert kept >= fewest


@pytest.mark.realdata
def test_of_real_dicom_only_the_thumbnails_are_refused(shared_data: Path) -> None:
    kept, reasons = refused(pictures_of(shared_data / "dicom_mixed"))
    assert set(reasons) <= {"tiny: a side of less than 24 pixels"}
    assert kept >= 100
    assert reasons.total() <= 3


@pytest.mark.realdata
def test_real_pictures_are_far_from_pages_of_text(shared_data: Path) -> None:
    shares = [
        text_share(content.pixels)
        for folder in ("vqa_rad", "lung_ultrasound_pocus", "blood_bccd")
        for content in pictures_of(shared_data / folder)
        if isinstance(content, Image2D)
    ]
    assert max(shares) < 0.3, "pages reach 0.6 and more"


@pytest.mark.realdata
def test_real_heart_sounds_pass(shared_data: Path) -> None:
    soundfile = pytest.importorskip("soundfile")

    def sounds() -> Iterator[Content]:
        for path in sorted((shared_data / "audio_heart_pascal").rglob("*.wav")):
            values, rate = soundfile.read(path, dtype="float32", always_2d=True)
            yield Audio(np.ascontiguousarray(values.T), rate)

    assert refused(sounds()) == (178, Counter())


@pytest.mark.realdata
def test_real_ecgs_pass(shared_data: Path) -> None:
    wfdb = pytest.importorskip("wfdb")

    def signals() -> Iterator[Content]:
        for path in sorted((shared_data / "ecg_ptbxl").rglob("*.hea")):
            record = wfdb.rdrecord(str(path.with_suffix("")))
            values = np.float32(record.p_signal.T)
            yield Signal(values, record.fs, tuple(record.sig_name), tuple(record.units))

    assert refused(signals()) == (309, Counter())


@pytest.mark.realdata
def test_real_reports_pass_unless_there_is_nothing_in_them(shared_data: Path) -> None:
    iu, transcripts = "reports_iu_xray/indiana_reports.csv", "text_mtsamples/mtsamples_part.csv"

    def texts(name: str, *columns: str) -> Iterator[Content]:
        with (shared_data / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield Text("\n".join(row[column] or "" for column in columns))

    kept, reasons = refused(texts(iu, "findings", "impression"))
    assert set(reasons) <= {"an empty text"}
    assert kept > 2800
    kept, reasons = refused(texts(transcripts, "transcription"))
    assert set(reasons) <= {"an empty text"}
    assert kept > 300


def stays_of(folder: Path) -> Iterator[Series]:
    """ICU stays of the Time,Parameter,Value layout; −1 stands for what was not recorded."""
    for path in sorted(folder.rglob("*.txt")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["Parameter"]]
        times = sorted({row["Time"] for row in rows})
        names = sorted({row["Parameter"] for row in rows} - {"RecordID", "Height"})
        values = np.full((len(names), len(times)), np.nan, np.float32)
        for row in rows:
            if row["Parameter"] in names and float(row["Value"]) != -1:
                values[names.index(row["Parameter"]), times.index(row["Time"])] = row["Value"]
        hours = np.array([int(t[:2]) + int(t[3:]) / 60 for t in times])
        yield Series(values, hours, tuple(names))


@pytest.mark.realdata
def test_of_real_stays_few_values_are_set_aside(shared_data: Path) -> None:
    counts: Counter[str] = Counter()
    measured = refusals = 0
    for series in stays_of(shared_data / "icu_physionet2012_a"):
        measured += int(np.isfinite(series.values).sum())
        refusals += bool(rejection_reason(series, LIMITS))
        for note in mend(series, LIMITS)[1]:
            number, _, name = note.partition(" implausible: ")
            counts[name] += int(number)
    assert refusals == 0
    assert {"Temp", "pH", "DiasABP", "SysABP"} <= set(counts), "0 °F, pH 3 and 100, flushed lines"
    assert counts.total() < measured / 500


@pytest.mark.realdata
def test_real_volumes_and_videos_pass(shared_data: Path) -> None:
    nibabel, av = pytest.importorskip("nibabel"), pytest.importorskip("av")

    def volumes() -> Iterator[Content]:
        for path in sorted((shared_data / "mri3d_hippocampus").rglob("*.nii*")):
            voxels = np.asarray(nibabel.load(path).dataobj)
            if len(np.unique(voxels)) > 9:
                yield Volume(voxels.astype(np.float32))

    def videos() -> Iterator[Content]:
        for path in sorted((shared_data / "lung_ultrasound_pocus").rglob("*")):
            if path.suffix in (".mp4", ".avi", ".mpeg", ".mpg", ".gif", ".mov"):
                with av.open(path) as file:
                    frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
                yield Video(np.stack(frames[:: max(1, len(frames) // 16)]))

    kept, reasons = refused(volumes())
    assert (kept >= 70, reasons) == (True, Counter())
    kept, reasons = refused(videos())
    assert (kept >= 25, reasons) == (True, Counter())
