"""Damaged, cut and lying scans: items or a reason, soon, within bounds of memory; never else."""

from __future__ import annotations

import gzip
import io
import random
import resource
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.filewriter import dcmwrite
from pydicom.uid import DeflatedExplicitVRLittleEndian
from scan_files import phantom, series

from medfm_cli.commands.curate.reading.grouping import group
from medfm_cli.commands.curate.sources.folder import FolderSource
from medfm_cli.readers import ReadOptions, Unreadable, find_reader, read_images
from medfm_cli.samples.content import content_sha

DICOM = (
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_2frame.dcm",
    "JPEG2000.dcm",
    "JPGExtended.dcm",
    "image_dfl.dcm",
    "emri_small_RLE.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
    "liver_1frame.dcm",
    "rtdose.dcm",
    "no_meta_group_length.dcm",
    "DICOMDIR",
)
LONGEST = 20.0
"""Seconds for one damaged file of a few kilobytes, on a machine that is busy with other things."""
MEMORY = 2 << 30
"""Growth of the process over all of them, in bytes."""


def damaged(data: bytes, draw: random.Random) -> bytes:
    """The bytes with something wrong: a bit, many bits, its header, a stretch, or its end."""
    broken = bytearray(data)
    how = draw.randrange(6)
    if how == 0:
        return data[: draw.randrange(len(data))]
    if how == 1:
        at = draw.randrange(len(data))
        stretch = draw.randbytes(draw.randrange(1, 200))
        return data[:at] + stretch + data[at + len(stretch) :]
    if how == 2:
        at = draw.randrange(len(data))
        return data[:at] + b"\xff" * draw.randrange(1, 9) + data[at + 8 :]
    count, reach = {3: (1, len(data)), 4: (40, len(data)), 5: (4, min(len(data), 1500))}[how]
    for _ in range(count):
        broken[draw.randrange(reach)] ^= 1 << draw.randrange(8)
    return bytes(broken)


def outcome(path: Path, *, whole: bool) -> str:
    started = time.monotonic()
    try:
        for item in read_images(path, ReadOptions(whole=whole)):
            content_sha(item.content)
    except Unreadable as error:
        assert 0 < len(error.reason) < 200
        return "refused"
    finally:
        assert time.monotonic() - started < LONGEST
    return "read"


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def volumes(folder: Path) -> Iterator[bytes]:
    """Small files of the other formats."""
    array = phantom()
    for kind, name in (
        (nibabel.Nifti1Image, "a.nii"),
        (nibabel.Nifti1Image, "b.nii.gz"),
        (nibabel.Nifti2Image, "c.nii"),
        (nibabel.AnalyzeImage, "d.hdr"),
    ):
        nibabel.save(kind(array, np.diag([2.0, 1, 3, 1])), folder / name)
        yield (folder / name).read_bytes()
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(
            buffer,
            train_images=np.stack([array.astype(np.uint8)] * 3),
            train_labels=np.arange(3)[:, None],
        )
        yield buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, array)
    yield buffer.getvalue()


def test_damaged_files_give_items_or_a_reason(tmp_path: Path) -> None:
    draw = random.Random(20)
    sources = [Path(str(get_testdata_file(name))).read_bytes() for name in DICOM]
    sources += list(volumes(tmp_path))
    outcomes: Counter[str] = Counter()
    before = peak()
    path = tmp_path / "x"
    for data in sources:
        for _ in range(22):
            path.write_bytes(damaged(data, draw))
            outcomes.update(outcome(path, whole=whole) for whole in (False, True))
    assert outcomes.total() == len(sources) * 44 >= 1000
    assert outcomes["refused"] > 300
    assert outcomes["read"] > 100
    assert peak() - before < MEMORY


def test_damaged_waveforms_give_items_or_a_reason(tmp_path: Path) -> None:
    draw = random.Random(21)
    data = Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes()
    path = tmp_path / "x"
    outcomes: Counter[str] = Counter()
    for _ in range(40):
        path.write_bytes(damaged(data, draw))
        outcomes[outcome(path, whole=True)] += 1
    assert outcomes["refused"] > 5


def test_damaged_series_add_up(tmp_path: Path) -> None:
    """Every file of a series with damaged ones is in a group, and every group is read or told."""
    draw = random.Random(22)
    read = find_reader("dicom").read_group
    assert read is not None
    for number in range(12):
        folder = tmp_path / str(number)
        positions = [(0, 0, 2.0 * i) for i in range(6)]
        for path in draw.sample(series(folder, list(phantom()), positions), 3):
            path.write_bytes(damaged(path.read_bytes(), draw))
        files = FolderSource(folder).survey().files
        found = list(group(files, whole=True))
        assert sorted(n for one in found for n in one.numbers) == list(range(6))
        for one in found:
            paths = [Path(files[n].path) for n in one.numbers]
            if one.kind == "series":
                with suppress(Unreadable):
                    assert all(item.content.array.ndim == 3 for item in read(paths, ReadOptions()))
            else:
                outcome(paths[0], whole=True)


def lying(name: str, change: Callable[[bytearray, int], None]) -> bytes:
    """A file whose compressed frame claims to be far larger than it is."""
    data = bytearray(Path(str(get_testdata_file(name))).read_bytes())
    change(data, data.index(pydicom.dcmread(io.BytesIO(data)).PixelData))
    return bytes(data)


def jpeg_of_many_pixels(data: bytearray, start: int) -> None:
    at = data.index(b"\xff\xd8\xff", start)
    while data[at : at + 1] != b"\xff" or data[at + 1] not in (0xC0, 0xC1, 0xC3, 0xF7):
        at += 1
    data[at + 5 : at + 9] = b"\xff" * 4


def jpeg_2000_of_many_pixels(data: bytearray, start: int) -> None:
    at = data.index(b"\xff\x4f\xff\x51", start) + 8
    for side in (0, 4, 16, 20):
        data[at + side : at + side + 4] = (60_000).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("SC_rgb_jpeg_dcmtk.dcm", jpeg_of_many_pixels),
        ("SC_rgb_jpeg_gdcm.dcm", jpeg_of_many_pixels),
        ("JPGExtended.dcm", jpeg_of_many_pixels),
        ("MR_small_jpeg_ls_lossless.dcm", jpeg_of_many_pixels),
        ("MR_small_jp2klossless.dcm", jpeg_2000_of_many_pixels),
        ("emri_small_jpeg_2k_lossless.dcm", jpeg_2000_of_many_pixels),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_a_frame_that_claims_gigabytes_is_not_decoded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[bytearray, int], None],
    large: bool,
) -> None:
    if large:  # as of files whose pixel data stays on disk
        for module in ("dicom.reader", "dicom.file"):
            monkeypatch.setattr(f"medfm_cli.readers.{module}.IN_MEMORY", 100)
    (tmp_path / "x").write_bytes(lying(name, change))
    before = peak()
    for whole in (True, False):
        with pytest.raises(Unreadable, match="does not have the size in its header"):
            list(read_images(tmp_path / "x", ReadOptions(whole=whole)))
    assert peak() - before < 1 << 29


def test_a_deflated_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("image_dfl.dcm")))
    dataset.add_new(0x00091010, "OB", bytes(40 << 20))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dcmwrite(tmp_path / "x", dataset)
    assert (tmp_path / "x").stat().st_size < 1 << 20
    assert outcome(tmp_path / "x", whole=True) == "read"
    monkeypatch.setattr("medfm_cli.readers.dicom.file.IN_MEMORY", 32 << 20)
    with pytest.raises(Unreadable, match="a deflated DICOM file of more than 32 MB"):
        list(read_images(tmp_path / "x"))


def test_a_header_of_a_million_elements_is_not_parsed(tmp_path: Path) -> None:
    start = Path(str(get_testdata_file("MR_small.dcm"))).read_bytes()[:500]
    many = b"".join(
        (0x0009).to_bytes(2, "little") + n.to_bytes(2, "little") + b"UN\0\0\0\0\0\0"
        for n in range(0x1000, 0xFFFF)
    )
    (tmp_path / "x").write_bytes(start[:132] + start[132:340] + many * 16)
    assert outcome(tmp_path / "x", whole=True) == "refused"


def test_collections_that_claim_too_much_are_not_read(tmp_path: Path) -> None:
    header = io.BytesIO()
    fake = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 512, 512, 512)}
    np.lib.format.write_array_header_1_0(header, fake)
    with zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", header.getvalue() + bytes(1 << 20))
    before = peak()
    for whole in (True, False):
        assert outcome(tmp_path / "x", whole=whole) == "refused"
    assert peak() - before < 1 << 29


def test_what_follows_a_packed_volume_is_not_unpacked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nibabel.save(nibabel.Nifti1Image(phantom(), np.eye(4)), tmp_path / "a.nii")
    packer = zlib.compressobj(wbits=31)
    data = packer.compress((tmp_path / "a.nii").read_bytes())
    data += b"".join(packer.compress(bytes(1 << 24)) for _ in range(32)) + packer.flush()
    (tmp_path / "x").write_bytes(data)
    reads: list[int] = []
    plain = gzip.GzipFile.read

    def counted(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        found = plain(self, size)
        reads.append(len(found))
        return found

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    assert outcome(tmp_path / "x", whole=True) == "read"
    assert 0 < sum(reads) < 4 << 20


@pytest.mark.realdata
def test_every_real_dicom_file_gives_items_or_a_reason_whole_and_not(shared_data: Path) -> None:
    paths = [p for p in sorted((shared_data / "dicom_mixed").rglob("*.dcm")) if p.is_file()]
    counts = {}
    for whole in (False, True):
        counts[whole] = Counter(outcome(path, whole=whole) for path in paths)
        assert counts[whole]["read"] >= 75
    assert counts[False] == counts[True]
