"""What a DICOM header says of an image: what it is, whose, and the facts that name nobody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from medfm_cli.errors import Unreadable
from medfm_cli.samples.attributes import laterality_of, scanner_of
from medfm_cli.samples.modalities import modality_name

if TYPE_CHECKING:
    from pydicom import Dataset

_NO_IMAGE = {
    "RTDOSE": "a radiotherapy dose grid",
    "RTSTRUCT": "radiotherapy contours",
    "RTPLAN": "a radiotherapy plan",
    "RTRECORD": "a radiotherapy record",
    "SEG": "a segmentation",
    "PR": "a presentation state",
    "KO": "a selection of key objects",
    "SR": "a structured report",
    "REG": "a registration",
    "DOC": "a document",
    "ECG": "a waveform",
    "HD": "a waveform",
    "EEG": "a waveform",
    "AU": "sound",
}
_NO_IMAGE_STORAGE = {
    "RTDose": "a radiotherapy dose grid",
    "Segmentation": "a segmentation",
    "PresentationState": "a presentation state",
    "ParametricMap": "a parametric map",
    "Waveform": "a waveform",
    "MediaStorageDirectory": "a DICOMDIR index",
    "ColorPalette": "a colour palette",
    "EncapsulatedPDF": "a PDF document",
    "RawData": "raw data",
    "Deformable": "a registration",
    "SpatialRegistration": "a registration",
}


_SCANNED = ("1", "2", "3", "4")
"""Values of RegionSpatialFormat: two-dimensional, M-mode, spectral, a wave; 5 is graphics."""
_PAGES = frozenset({"DOSEREPORT", "RESULT_PAGE", "REPORT"})
"""Values of ImageType, beside those that begin with DOSE or end with PROT (`CT_SOM5 PROT`)."""


def refuse_what_is_no_image(dataset: Dataset) -> None:
    """Raise Unreadable for objects without pixels, and for pixels that are no image."""
    modality = text(dataset, "Modality").upper()
    storage = storage_class(dataset)
    what = _NO_IMAGE.get(modality) or next(
        (name for part, name in _NO_IMAGE_STORAGE.items() if part in storage), ""
    )
    if what:
        raise Unreadable(f"not an image: {what}", step="quality")
    if why := _page(dataset):
        raise Unreadable(f"not an image: {why}", step="quality")
    pixels = ("Rows", "Columns", "BitsAllocated")
    if not all(_whole(dataset, name) for name in pixels):
        raise Unreadable("a DICOM object without pixel data", step="quality")
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise Unreadable("not an image: a parametric map", step="quality")


def _page(dataset: Dataset) -> str:
    """What ImageType says of pixels that are no image of a body; empty for others."""
    try:
        kinds = {str(value).strip().upper() for value in dataset.get("ImageType") or ()}
    except Exception:  # a damaged element is as good as none
        return ""
    for kind in sorted(kinds):
        words = re.split("[ _]", kind)
        if kind in _PAGES or words[0] == "DOSE" or words[-1] == "PROT":
            return "a page with dose or results"
    return ""


def storage_class(dataset: Dataset) -> str:
    """The keyword of the storage class, such as `CTImageStorage`, or empty."""
    from pydicom.uid import UID

    meta = getattr(dataset, "file_meta", None) or {}
    uid = text(dataset, "SOPClassUID") or str(meta.get("MediaStorageSOPClassUID", ""))
    return str(UID(uid).keyword) if uid else ""


def patient_id(dataset: Dataset) -> str:
    """The PatientID as it stands; `HOSP\\0001`, which pydicom splits in two, is one identifier."""
    try:
        value = dataset.get("PatientID")
    except Exception:  # a damaged element is as good as none
        return ""
    several = not isinstance(value, str) and hasattr(value, "__iter__")
    joined = "\\".join(map(str, value)) if several else str(value or "")
    return joined.strip(" \0")


def text(dataset: Dataset, name: str) -> str:
    """An element's first value as text without padding; empty when absent or damaged."""
    try:
        value = dataset.get(name)
        if value is not None and not isinstance(value, str) and hasattr(value, "__iter__"):
            value = next(iter(value), None)
    except Exception:  # a damaged element is as good as none
        return ""
    return "" if value is None else str(value).strip(" \0")


def _whole(dataset: Dataset, name: str) -> int:
    value = text(dataset, name)
    return int(value) if value.isdigit() else 0


def common(dataset: Dataset) -> dict[str, Any]:
    """What all frames share: identifiers, modality, body part and its side, scanner."""
    modality = modality_name(text(dataset, "Modality"), storage=storage_class(dataset))
    return {
        "subject": patient_id(dataset) or None,
        "study": text(dataset, "StudyInstanceUID") or None,
        "site": text(dataset, "InstitutionName") or None,
        "modality": modality,
        "anatomy": code(text(dataset, "BodyPartExamined")).lower(),
        "laterality": laterality_of(
            text(dataset, "ImageLaterality") or text(dataset, "Laterality")
        ),
        "scanner": scanner_of(
            text(dataset, "Manufacturer"), text(dataset, "ManufacturerModelName")
        ),
    }


def facts(dataset: Dataset) -> dict[str, Any]:
    """Technical facts; free text that could name someone is left out."""
    found: dict[str, Any] = {
        "modality": code(text(dataset, "Modality")),
        "manufacturer": code(text(dataset, "Manufacturer")),
        "view": code(text(dataset, "ViewPosition")),
        "laterality": code(text(dataset, "ImageLaterality") or text(dataset, "Laterality")),
        "burned_in": code(text(dataset, "BurnedInAnnotation")),
    }
    regions = {"scan_regions": count} if (count := _scan_regions(dataset)) else {}
    return {name: value for name, value in found.items() if value} | regions


def _scan_regions(dataset: Dataset) -> int:
    """In how many places of an ultrasound screen the device shows a scan (PS3.3 C.8.5.5)."""
    try:
        regions = dataset.get("SequenceOfUltrasoundRegions") or ()
        return sum(text(region, "RegionSpatialFormat") in _SCANNED for region in regions)
    except Exception:  # a damaged element is as good as none
        return 0


def code(value: str) -> str:
    """A short technical term; anything with other characters, or long, is left out."""
    value = value.strip()
    return value if re.fullmatch(r"[\w .,&()/+-]{1,48}", value) else ""


def notes(dataset: Dataset) -> tuple[str, ...]:
    """Remarks for the report."""
    if text(dataset, "BurnedInAnnotation").upper() == "YES":
        return ("burned-in annotation declared",)
    return ()
