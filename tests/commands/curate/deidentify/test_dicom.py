"""De-identified DICOM: nothing that identifies is left, references hold, pixels are the same."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import DataElement, Dataset, Sequence
from pydicom.datadict import dictionary_has_tag, keyword_for_tag

from medfm_cli.commands.curate.deidentify.dicom.copy import write_copy
from medfm_cli.commands.curate.deidentify.dicom.profile import deidentify_dataset
from medfm_cli.commands.curate.deidentify.dicom.table import rule_of, rules
from medfm_cli.commands.curate.deidentify.dicom.values import values
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.options.deidentify import Deidentify, DicomProfile
from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom.file import stream

NAMES = Pseudonyms(b"k" * 32)
BASIC = Deidentify(dicom=DicomProfile())
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
TEXTS = {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "UI", "DA", "DT", "AE", "UR"}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Odd files make pydicom warn; the copies are looked at, not its remarks."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def options(dates: str = "shift", **profile: bool) -> Deidentify:
    """The basic profile with some of its switches on."""
    block = {"dates": dates, "dicom": {"export": True} | profile}
    return Deidentify.model_validate(block)


def ct() -> Dataset:
    """A real CT slice with identifiers planted wherever they may hide."""
    from pydicom.data import get_testdata_file

    ds = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    ds.PatientName = "Publicson^Johanna^Q"
    ds.PatientID = "MRN-77341902"
    ds.PatientBirthDate = "19420317"
    ds.PatientAge = "093Y"
    ds.StudyDate, ds.SeriesDate = "20110304", "20110318"
    ds.AcquisitionDateTime = "20110304101500.5+0100"
    ds.AccessionNumber = "ACC5550017"
    ds.InstitutionName = "Saint Elsewhere"
    ds.ReferringPhysicianName = "Greyson^Meredith"
    ds.StudyDescription = "Thorax for Publicson, MRN-77341902, on 03/04/2011"
    ds.ManufacturerModelName = "scanner of Johanna Publicson"
    inner = Dataset()
    inner.PatientID, inner.ReferencedSOPInstanceUID = "MRN-77341902", ds.SOPInstanceUID
    inner.ReferencedSOPClassUID = ds.SOPClassUID
    inner.add_new(0x00091010, "LO", "Publicson private")
    outer = Dataset()
    outer.RequestedProcedureDescription = "call Publicson"
    outer.ReferencedStudySequence = Sequence([inner])
    outer.ScheduledProcedureStepStartDate = "20110304"
    ds.RequestAttributesSequence = Sequence([outer])
    ds.ReferencedImageSequence = Sequence([inner])
    block = ds.private_block(0x0029, "ACME", create=True)
    block.add_new(0x01, "LO", "Publicson^Johanna")
    ds.add_new(0x60000010, "US", 8)
    ds.add_new(0x60003000, "OW", b"Publicson overla")
    ds.add_new(0x60024000, "LT", "Publicson comment")
    ds.add_new(0x50002500, "LO", "Publicson curve")
    ds.add_new(0xFFFCFFFC, "OB", b"Publicson")
    ds.preamble = b"Publicson".ljust(128, b"\0")
    ds.file_meta.SourceApplicationEntityTitle = "PUBLICSON"
    return ds


def copied(ds: Dataset, tmp_path: Path, chosen: Deidentify = BASIC) -> tuple[Dataset, bytes]:
    """A data set through a file, a copy, and back; and the bytes of the copy."""
    ds.save_as(tmp_path / "in.dcm")
    copy = write_copy(tmp_path / "in.dcm", tmp_path / "out", chosen, NAMES)
    path = tmp_path / "out" / copy.name
    return pydicom.dcmread(path), path.read_bytes()


def everything(ds: Dataset) -> Iterator[DataElement]:
    """Every element of all levels; what cannot be parsed is left out."""
    for tag in list(ds.keys()):
        try:
            element = ds[tag]
        except Exception:  # noqa: S112
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from everything(item)


def test_nothing_planted_is_left_in_any_byte(tmp_path: Path) -> None:
    _, data = copied(ct(), tmp_path)
    lower = data.lower()
    planted = ("publicson", "johanna", "77341902", "greyson", "meredith", "elsewhere", "acc5550017")
    for secret in (*planted, "19420317", "20110304", "20110318", "093y", "acme"):
        assert secret.encode() not in lower, secret


def test_pixels_are_the_same_and_the_file_says_what_was_done(tmp_path: Path) -> None:
    before = ct()
    after, _ = copied(before, tmp_path)
    assert after.PixelData == before.PixelData
    assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    assert after.PatientIdentityRemoved == "YES"
    assert [c.CodeValue for c in after.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert after.PatientID == after.PatientName == NAMES.of_person("MRN-77341902")
    assert after.PatientBirthDate == "" and "PatientAge" not in after
    assert all(not e.tag.is_private and e.tag.group >> 8 not in (0x50, 0x60) for e in after)


def test_uids_are_new_valid_and_hold_together(tmp_path: Path) -> None:
    before = ct()
    after, data = copied(before, tmp_path)
    assert after.SOPInstanceUID == NAMES.uid(before.SOPInstanceUID)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID
    assert after.SOPClassUID == before.SOPClassUID
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"):
        assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", after[name].value)
        assert len(after[name].value) <= 64 and pydicom.uid.UID(after[name].value).is_valid
        assert before[name].value.encode() not in data
    other = ct()
    other.SOPInstanceUID += ".1"
    again = deidentify_dataset(other, BASIC, NAMES)
    assert again.StudyInstanceUID == after.StudyInstanceUID
    assert again.SOPInstanceUID != after.SOPInstanceUID
    assert deidentify_dataset(ct(), BASIC, Pseudonyms(b"x")).SOPInstanceUID != after.SOPInstanceUID


def test_dates_move_together_and_times_of_day_stay(tmp_path: Path) -> None:
    from datetime import date, timedelta

    after, _ = copied(ct(), tmp_path)
    days = timedelta(days=NAMES.shift(after.PatientID, 365))
    assert after.StudyDate == (date(2011, 3, 4) + days).strftime("%Y%m%d")
    assert after.SeriesDate == (date(2011, 3, 18) + days).strftime("%Y%m%d")
    assert after.AcquisitionDateTime == f"{after.StudyDate}101500.5+0100"
    assert after.StudyTime == ct().StudyTime


def test_dates_may_be_dropped_or_kept(tmp_path: Path) -> None:
    dropped, _ = copied(ct(), tmp_path, options(dates="drop"))
    assert dropped.StudyDate == "" and dropped.SeriesDate == "19000101"
    assert dropped.LongitudinalTemporalInformationModified == "REMOVED"
    kept, _ = copied(ct(), tmp_path, options(dates="keep"))
    assert (kept.StudyDate, kept.SeriesDate) == ("20110304", "20110318")
    assert kept.PatientBirthDate == ""


def test_switches_keep_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    ds = ct()
    ds.PatientSex, ds.PatientWeight, ds.StationName = "F", "61", "CT01 North"
    kept, data = copied(
        ds, tmp_path,
        options(clean_descriptors=True, keep_patient=True, keep_device=True, keep_institution=True),
    )  # fmt: skip
    assert (kept.PatientSex, kept.PatientWeight, kept.PatientAge) == ("F", 61, "090Y")
    assert kept.StationName == "CT01 North"
    assert kept.InstitutionName == "Saint Elsewhere"
    assert kept.StudyDescription.startswith("Thorax for ")
    assert "RequestedProcedureDescription" in kept.RequestAttributesSequence[0]
    codes = [code.CodeValue for code in kept.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113107", "113108", "113109", "113112"]
    for secret in (b"ublicson", b"77341902", b"03/04/2011", b"20110304"):
        assert secret not in data
    same, _ = copied(ct(), tmp_path, options(keep_uids=True))
    assert same.StudyInstanceUID == ct().StudyInstanceUID


def test_private_elements_stay_only_if_listed_as_safe(tmp_path: Path) -> None:
    ds = ct()
    block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x08, "LO", "Publicson")
    kept, data = copied(ds, tmp_path, options(keep_private=True))
    assert kept.private_block(0x0019, "SIEMENS MR HEADER")[0x0C].value == 1000
    assert b"ublicson" not in data and b"ACME" not in data
    assert not any(e.tag.is_private for e in copied(ds, tmp_path)[0])


def test_a_report_loses_its_contents_or_has_them_cleaned(tmp_path: Path) -> None:
    from pydicom.data import get_testdata_file

    ds = pydicom.dcmread(str(get_testdata_file("reportsi.dcm", download=False)))
    ds.ContentSequence[0].TextValue = "seen by Dr. Greyson on 03/04/2011, tumor of 3 cm"
    gone, _ = copied(ds, tmp_path)
    assert len(gone.ContentSequence) == 1
    texts = [e.value for e in everything(gone) if e.keyword == "TextValue"]
    assert set(texts) <= {"REMOVED"}
    cleaned, _ = copied(ds, tmp_path, options(clean_content=True))
    found = cleaned.ContentSequence[0].TextValue
    assert found == "seen by Dr. [NAME] on [DATE], tumor of 3 cm"


def test_the_given_data_set_stays_as_it_is() -> None:
    ds, same = ct(), ct()
    deidentify_dataset(ds, BASIC, NAMES)
    assert ds == same


@pytest.mark.parametrize(
    "tag", [t for t in rules() if "X" not in t and dictionary_has_tag(int(t, 16))]
)
def test_every_attribute_of_the_table_loses_its_value(tag: str) -> None:
    """The whole table, one attribute at a time, with a value that can be recognised."""
    from pydicom.datadict import dictionary_VR

    vr = dictionary_VR(int(tag, 16)).split(" or ")[0]
    secret: Any = {
        "SQ": Sequence([_secret_item()]), "DA": "20110304", "DT": "20110304101500", "TM": "101500",
        "UI": "1.2.3.4.5.77341902", "DS": "77341902", "IS": "77341902", "AS": "033Y",
        "FD": 77341902.0, "FL": 77341902.0, "SL": 77341902, "UL": 77341902, "US": 7734, "SS": 7734,
        "OB": b"Publicson.", "OW": b"Publicson.", "UN": b"Publicson.", "OF": b"Publicson...",
        "AT": 0x00100010, "UV": 77341902, "SV": 77341902,
    }.get(vr, "Publicson77341902")  # fmt: skip
    ds = Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.add_new(int(tag, 16), vr, secret)
    result = deidentify_dataset(ds, options(dates="drop"), NAMES)
    assert keyword_for_tag(int(tag, 16)) == rules()[tag].keyword
    for element in everything(result):
        if element.tag == ds[int(tag, 16)].tag:
            assert element.value != ds[element.tag].value
            action = rules()[tag].action.rpartition("/")[2]
            assert action != "X"
            if action == "Z" and element.keyword not in ("PatientID", "PatientName"):
                assert element.is_empty
        for value in values(element):
            assert "77341902" not in value and "Publicson" not in value
    if rules()[tag].action == "X":
        assert int(tag, 16) not in result


def _secret_item() -> Dataset:
    item = Dataset()
    item.PatientName = "Publicson77341902"
    item.CodeMeaning = "Publicson77341902"
    item.PersonName = "Publicson77341902"
    return item


def test_the_table_is_whole() -> None:
    """As many attributes as the standard's table has, repeating groups and oddities included."""
    assert len(rules()) == 654
    assert rule_of(0x6002, 0x3000) == rule_of(0x601E, 0x3000) == rules()["60XX3000"]
    assert rule_of(0x5002, 0x0103) == rules()["50XXXXXX"]
    assert rule_of(0x0028, 0x0010) is None


def files(shared_data: Path) -> list[Path]:
    """Every DICOM file there is: the shared ones and pydicom's own."""
    own = Path(pydicom.__file__).parent / "data"
    roots = (shared_data / "dicom_mixed", own)
    return [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]


@pytest.mark.realdata
def test_real_files_keep_their_pixels_and_none_of_their_identifiers(
    shared_data: Path, tmp_path: Path
) -> None:
    written = refused = checked = 0
    for path in files(shared_data):
        try:
            copy = write_copy(path, tmp_path, BASIC, NAMES)
        except Unreadable:
            refused += 1
            continue
        written += 1
        with stream(path) as file:  # one of them is gzipped
            before = pydicom.dcmread(file, force=True)
        after = pydicom.dcmread(tmp_path / copy.name)
        data = (tmp_path / copy.name).read_bytes()
        for name in PIXELS:
            assert before.get(name) == after.get(name), path
        innocent = "\n".join(_innocent(before))
        for secret in _secrets(before):
            checked += 1
            if secret not in innocent:
                assert secret.encode("utf-8", "replace") not in data, (path.name, secret)
    assert written > 250
    assert checked > 2500
    assert refused < 50


def _secrets(ds: Dataset) -> set[str]:
    """The values of what the table lists (and of private elements), long enough to be told."""
    found: set[str] = set()
    for element in everything(ds):
        private = element.tag.is_private and element.VR != "UI"
        if element.VR not in TEXTS or not (
            private or rule_of(element.tag.group, element.tag.element)
        ):
            continue
        for value in values(element):
            value = value.strip(" \0")
            if len(value) >= 6 and not value.startswith("1.2.840.10008."):
                found.add(value)
    return found


def _innocent(ds: Dataset) -> set[str]:
    """The values of attributes that the profile does not list, such as the manufacturer."""
    listed = (e.tag.is_private or rule_of(e.tag.group, e.tag.element) for e in everything(ds))
    return {
        value
        for element, out in zip(everything(ds), listed, strict=True)
        if not out
        for value in values(element)
    }
