"""DICOM that is found, or refused, by what its header says: gzipped files, pages, screens."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_files import dicom, noise
from pydicom.dataset import Dataset
from scan_files import phantom, series

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality.step import rejection_reason
from medfm_cli.readers import ReadOptions, Unreadable, read_images
from medfm_cli.readers.dicom.reader import read_group, slice_in
from medfm_cli.samples.content import Image2D


def zipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def test_a_gzipped_file_is_what_it_holds(tmp_path: Path) -> None:
    plain = dicom(tmp_path / "a.dcm", noise(1), Modality="CR")
    (found,), (expected,) = read_images(zipped(plain)), read_images(plain)
    np.testing.assert_array_equal(found.content.pixels, expected.content.pixels)
    assert (found.facts, found.subject) == (expected.facts, expected.subject)


def test_gzipped_slices_are_a_series(tmp_path: Path) -> None:
    plain = series(tmp_path, phantom(4), [(0, 0, z) for z in range(4)])
    packed = [zipped(path) for path in plain]
    assert [slice_in(path) for path in packed] == [slice_in(path) for path in plain]
    found, expected = (next(iter(read_group(p, ReadOptions(whole=True)))) for p in (packed, plain))
    np.testing.assert_array_equal(found.content.array, expected.content.array)


def test_a_gzipped_file_that_breaks_off_is_unreadable(tmp_path: Path) -> None:
    packed = zipped(dicom(tmp_path / "a.dcm", noise(1)))
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(Unreadable, match="gzip"):
        list(read_images(packed))


def test_a_gzipped_file_of_anything_else_is_no_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(5000)))
    with pytest.raises(Unreadable, match="a gzip file"):
        list(read_images(tmp_path / "a.gz"))


def test_a_gzip_bomb_is_refused_at_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medfm_cli.readers.dicom.file.IN_MEMORY", 1000)
    with pytest.raises(Unreadable, match="unpack it"):
        list(read_images(zipped(dicom(tmp_path / "a.dcm", noise(1)))))


@pytest.mark.parametrize("mark", [b"II*\0", b"MM\0*", b"\0\0\0\x14ftypqt  ", b"RIFF\0\0\0\0AVI "])
def test_a_preamble_that_begins_like_another_format_is_dicom(tmp_path: Path, mark: bytes) -> None:
    path = dicom(tmp_path / "a.dcm", noise(1), Modality="CR")
    path.write_bytes(mark.ljust(128, b"\0") + path.read_bytes()[128:])
    (item,) = read_images(path)
    assert item.facts["format"] == "DICOM"


@pytest.mark.parametrize(
    "kind", ["DOSE_INFO", "DOSE REPORT", "DOSE_SUMMARY", "CT_SOM5 PROT", "CT_SOM7 PROT", "REPORT"]
)
def test_pages_of_dose_and_results_are_no_images(tmp_path: Path, kind: str) -> None:
    path = dicom(tmp_path / "a", noise(1), ImageType=["DERIVED", "SECONDARY", "OTHER", kind])
    with pytest.raises(Unreadable, match="a page with dose or results"):
        list(read_images(path))


@pytest.mark.parametrize("kind", ["AXIAL", "LOW DOSE", "CT_SOM5 SPI", "PROTON DENSITY"])
def test_scans_are_no_pages(tmp_path: Path, kind: str) -> None:
    path = dicom(tmp_path / "a", noise(1), ImageType=["ORIGINAL", "PRIMARY", kind])
    assert len(list(read_images(path))) == 1


def lines_of_words(side: int = 256) -> Any:
    """Strokes of ink in lines, as many words around an echo."""
    page = np.zeros((side, side), np.uint8)
    for top in range(8, side - 16, 16):
        page[top : top + 9, 8 : side - 8 : 4] = 220
        page[top : top + 9, 9 : side - 8 : 4] = 200
    page[:, side // 2] = 0
    return page


@pytest.mark.parametrize(("formats", "kept"), [([1, 3], True), ([5, 0], False), ([], False)])
def test_a_screen_with_a_scan_is_no_page_of_text(
    tmp_path: Path, formats: list[int], kept: bool
) -> None:
    regions = []
    for number in formats:
        region = Dataset()
        region.RegionSpatialFormat = number
        regions.append(region)
    path = dicom(tmp_path / "a", lines_of_words(), SequenceOfUltrasoundRegions=regions)
    (item,) = read_images(path)
    scanned = bool(item.facts.get("scan_regions"))
    assert scanned == kept
    reason = rejection_reason(item.content, Quality(), scanned=scanned)
    assert reason == ("" if kept else "a page of text")
    assert rejection_reason(Image2D(lines_of_words()), Quality()) == "a page of text"
