"""What the modalities are called: one short name each, whatever the source calls them."""

from __future__ import annotations

_CODES: dict[str, tuple[str, ...]] = {
    "CT": ("CT",),
    "MR": ("MR", "MA", "MS"),
    "US": ("US", "IVUS", "EC", "DD"),
    "XR": ("CR", "DX", "DR", "RG", "MG", "PX", "IO", "XA", "RF", "BI", "BTO"),
    "NM": ("NM", "ST"),
    "PT": ("PT", "PET"),
    "Endoscopy": ("ES",),
    "Dermoscopy": ("DMS",),
    "Microscopy": ("SM", "GM", "CSP"),
    "Fundus": ("OP", "FA"),
    "OCT": ("OPT", "OCT", "IVOCT"),
    "Photography": ("XC",),
    "ECG": ("ECG",),
    "EEG": ("EEG",),
    "Audio": ("AU",),
}
"""DICOM modality codes (PS3.3 C.7.3.1.1.1) by the name that medfm gives them."""
_WORDS: dict[str, tuple[str, ...]] = {
    "CT": ("computed tomography",),
    "MR": ("mri", "magnetic resonance"),
    "US": ("ultrasound", "sonography"),
    "XR": ("x-ray", "xray", "x ray", "radiograph", "radiography", "chest x-ray", "mammography"),
    "NM": ("nuclear medicine",),
    "PT": ("positron emission tomography",),
    "Endoscopy": ("endoscopy",),
    "Dermoscopy": ("dermoscopy", "dermatoscopy", "dermascopy"),
    "Microscopy": ("microscopy", "histology", "pathology"),
    "Fundus": ("fundus",),
    "OCT": ("octa",),
    "ECG": ("ekg", "electrocardiogram", "electrocardiography"),
    "EEG": ("electroencephalogram", "electroencephalography"),
    "Audio": ("sound", "heart sound", "auscultation"),
}
_NAMES = {word.lower(): name for name, codes in _CODES.items() for word in (name, *codes)}
_NAMES |= {word: name for name, words in _WORDS.items() for word in words}
_STORAGE = (
    ("CTImage", "CT"),
    ("MRImage", "MR"),
    ("MRColor", "MR"),
    ("Ultrasound", "US"),
    ("XRay", "XR"),
    ("Mammography", "XR"),
    ("ComputedRadiography", "XR"),
    ("NuclearMedicine", "NM"),
    ("PositronEmission", "PT"),
    ("PETImage", "PT"),
    ("Endoscopic", "Endoscopy"),
    ("Microscop", "Microscopy"),
    ("Ophthalmic", "Fundus"),
)
"""Parts of the keywords of DICOM storage classes, for objects whose modality says nothing."""

MODALITIES = tuple(_CODES)
"""The names in use, those of BioVFM-21M's list and a few more."""


def modality_name(value: str, *, storage: str = "") -> str:
    """The name for a DICOM code or a common word, empty when it is none of them.

    Args:
        value: `CR`, `mri`, `X-Ray`, …
        storage: keyword of a DICOM storage class, used where the value says nothing.
    """
    name = _NAMES.get(value.strip().lower(), "")
    if name:
        return name
    return next((name for part, name in _STORAGE if part in storage), "")
