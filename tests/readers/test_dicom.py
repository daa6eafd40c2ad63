"""The DICOM reader: greys and colours as a workstation shows them, and what is no image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from curate_files import dicom, noise
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images, sniff

RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def read(path: Path, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**options)))


def one(path: Path) -> Item:
    (item,) = read(path)
    return item


def test_without_a_window_percentiles_become_black_and_white(tmp_path: Path) -> None:
    item = one(dicom(tmp_path / "x", RAMP))
    low, high = np.percentile(RAMP, (0.5, 99.5))
    expected = np.rint(np.clip((RAMP - low) / (high - low) * 255, 0, 255))
    assert np.abs(item.pixels - expected).max() <= 1
    assert item.facts["display"] == "percentiles"


def test_the_window_of_the_file_is_used_after_its_rescale(tmp_path: Path) -> None:
    path = dicom(
        tmp_path / "x", RAMP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=40,
        WindowWidth=400,
    )  # fmt: skip
    item = one(path)
    units = RAMP.astype(float) * 2 - 1000
    assert (item.pixels[units <= 40 - 0.5 - 199.5] == 0).all()
    assert (item.pixels[units > 40 - 0.5 + 199.5] == 255).all()
    middle = item.pixels[units == 40]
    assert abs(int(middle[0]) - 128) <= 1
    assert item.facts["display"] == "window 40/400"


def test_a_window_that_shows_nothing_is_not_used(tmp_path: Path) -> None:
    item = one(dicom(tmp_path / "x", RAMP, WindowCenter=60000, WindowWidth=10))
    assert item.facts["display"] == "percentiles"
    assert item.pixels.std() > 50


def test_the_first_of_several_windows_counts(tmp_path: Path) -> None:
    item = one(dicom(tmp_path / "x", RAMP, WindowCenter=[2000, 9], WindowWidth=[3000, 9]))
    assert item.facts["display"] == "window 2000/3000"


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    plain = one(dicom(tmp_path / "a", RAMP)).pixels
    turned = one(dicom(tmp_path / "b", RAMP, PhotometricInterpretation="MONOCHROME1")).pixels
    np.testing.assert_array_equal(turned, 255 - plain)


def test_bytes_without_a_window_stay_as_they_are(tmp_path: Path) -> None:
    item = one(dicom(tmp_path / "x", noise(3)))
    np.testing.assert_array_equal(item.pixels, noise(3))
    assert item.facts["display"] == "as stored"


def test_padding_does_not_set_the_greys(tmp_path: Path) -> None:
    values = (1000 + RAMP % 100).astype(np.int16)
    values[:32] = -30000
    item = one(dicom(tmp_path / "x", values, PixelPaddingValue=-30000))
    assert (item.pixels[:32] == 0).all()
    assert item.pixels[32:].std() > 50


def test_a_voi_table_is_used(tmp_path: Path) -> None:
    entry = Dataset()
    entry.LUTDescriptor = [4096, 0, 16]
    entry.add_new("LUTData", "OW", np.arange(65535, -1, -16).astype("<u2").tobytes())
    path = dicom(tmp_path / "x", RAMP, VOILUTSequence=Sequence([entry]))
    item = one(path)
    assert item.facts["display"] == "VOI LUT"
    assert item.pixels[0, 0] == 255
    assert item.pixels[-1, -1] == 0


def test_colour_stays_colour_and_grey_in_colour_becomes_grey(tmp_path: Path) -> None:
    colour = noise(1, colour=True)
    np.testing.assert_array_equal(one(dicom(tmp_path / "c", colour)).pixels, colour)
    grey = np.repeat(noise(1)[:, :, None], 3, axis=2)
    assert one(dicom(tmp_path / "g", grey)).pixels.shape == noise(1).shape


def test_deep_colour_is_brought_to_bytes(tmp_path: Path) -> None:
    deep = noise(1, colour=True).astype(np.uint16) * 257
    np.testing.assert_array_equal(one(dicom(tmp_path / "c", deep)).pixels, noise(1, colour=True))


def test_frames_are_taken_evenly(tmp_path: Path) -> None:
    stack = np.stack([noise(seed) for seed in range(10)])
    items = read(dicom(tmp_path / "x", stack), frames=4)
    assert [item.frame for item in items] == [0, 3, 6, 9]
    np.testing.assert_array_equal(items[2].pixels, stack[6])
    assert items[0].facts["frames"] == 10


def test_frames_of_enhanced_objects_have_windows_of_their_own(tmp_path: Path) -> None:
    frames = []
    for centre in (500, 3000):
        window, group = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 800
        group.FrameVOILUTSequence = Sequence([window])
        frames.append(group)
    path = dicom(
        tmp_path / "x", np.stack([RAMP, RAMP]), PerFrameFunctionalGroupsSequence=Sequence(frames)
    )
    shown = [item.facts["display"] for item in read(path)]
    assert shown == ["window 500/800", "window 3000/800"]


def test_facts_name_nobody(tmp_path: Path) -> None:
    path = dicom(
        tmp_path / "x", RAMP, Manufacturer="Maker", InstitutionName="St. Elsewhere",
        ReferringPhysicianName="Doctor^Who", BodyPartExamined="CHEST", BurnedInAnnotation="YES",
        PatientBirthDate="19700101",
    )  # fmt: skip
    item = one(path)
    assert (item.subject, item.site, item.anatomy) == ("P1", "St. Elsewhere", "chest")
    assert item.notes == ("burned-in annotation declared",)
    told = repr(item.facts)
    assert "Maker" in told
    for secret in ("P1", "Secret", "Elsewhere", "Who", "1970"):
        assert secret not in told


@pytest.mark.parametrize(
    ("code", "storage", "name"),
    [
        ("CR", "", "XR"),
        ("DX", "", "XR"),
        ("MR", "", "MR"),
        ("PT", "", "PT"),
        ("OT", "1.2.840.10008.5.1.4.1.1.6.1", "US"),
        ("OT", "1.2.840.10008.5.1.4.1.1.7", ""),
    ],
)
def test_modalities_have_one_name(tmp_path: Path, code: str, storage: str, name: str) -> None:
    path = dicom(tmp_path / "x", RAMP, Modality=code, SOPClassUID=storage or "1.2.3")
    assert one(path).modality == name


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "RTDOSE"}, "a radiotherapy dose grid"),
        ({"Modality": "SEG"}, "a segmentation"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.30"}, "a parametric map"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}, "a presentation state"),
        ({"PixelData": None}, "without pixel data"),
        ({"Rows": None}, "without pixel data"),
    ],
)
def test_what_is_no_image_says_what_it_is(
    tmp_path: Path, elements: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        one(dicom(tmp_path / "x", RAMP, **elements))
    assert caught.value.step == "quality"


def test_pixel_data_that_is_too_short_is_told(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x", RAMP, PixelData=RAMP.tobytes()[:-100])
    with pytest.raises(Unreadable, match="shorter than its header says"):
        one(path)


def test_a_file_cut_short_anywhere_is_unreadable_or_still_an_image(tmp_path: Path) -> None:
    whole = dicom(tmp_path / "x", RAMP).read_bytes()
    for size in range(132, len(whole), 391):
        path = tmp_path / "cut"
        path.write_bytes(whole[:size])
        with pytest.raises(Unreadable):
            one(path)


def test_a_data_set_without_its_file_header_is_read(tmp_path: Path) -> None:
    whole = dicom(tmp_path / "x", RAMP, PatientID="P7")
    dataset = pydicom.dcmread(whole)
    del dataset.file_meta
    dataset.preamble = None
    for implicit in (True, False):
        bare = tmp_path / f"bare{implicit}"
        dataset.save_as(bare, implicit_vr=implicit, little_endian=True)
        assert bare.read_bytes()[128:132] != b"DICM"
        assert sniff(bare).name == "dicom"
        np.testing.assert_array_equal(one(bare).pixels, one(whole).pixels)
        assert one(bare).subject == "P7"


def test_noise_that_begins_like_dicom_is_no_dicom(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x08\x00\x05\x00CS\x0a\x00" + noise(1).tobytes())
    with pytest.raises(Unreadable):
        one(path)


def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x", noise(0), Rows=65535, Columns=65535)
    with pytest.raises(Unreadable, match="megapixels"):
        read(path, max_pixels=10**6)


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x", RAMP)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"  # MPEG-4
    dataset.PixelData = pydicom.encaps.encapsulate([b"\x00" * 100])
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(Unreadable, match=r"MPEG-4"):
        one(path)


def test_implicit_little_endian_is_told(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x", RAMP)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    assert one(path).facts["transfer_syntax"] == "Implicit VR Little Endian"
