"""De-identified DICOM by the Basic Application Level Confidentiality Profile (PS3.15 annex E).

What each attribute undergoes is data (`table`); this file does it, through all nested items.
Where the table leaves the choice to the attribute's type in its object, the last action is taken: a
dummy fits every type, and an attribute that was empty stays so. Beyond the table: private elements,
elements that no dictionary knows and group lengths go, and a name or number that was taken out of
one attribute is looked for in the texts of all others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.curate.deidentify.dicom import values as new
from medfm_cli.commands.curate.deidentify.dicom.table import Rule, rule_of, safe_private
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.text.clean import clean
from medfm_cli.commands.curate.deidentify.text.find import find
from medfm_cli.commands.curate.deidentify.text.words import NO_NAME
from medfm_cli.commands.curate.options.deidentify import Deidentify, DicomProfile
from medfm_cli.readers.dicom.header import patient_id
from medfm_cli.version import __version__

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

NOBODY = "ANONYMOUS"
_UNLISTED = Rule("X", "", {"dates": False})
"""A date of which the table says nothing."""
_CODES = {
    "profile": ("113100", "Basic Application Confidentiality Profile"),
    "content": ("113104", "Clean Structured Content Option"),
    "text": ("113105", "Clean Descriptors Option"),
    "dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "shift": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
"""PS3.16 CID 7050."""


def deidentify_dataset(
    dataset: Dataset, options: Deidentify, names: Pseudonyms, *, person: str | None = None
) -> Dataset:
    """A new data set that names nobody; the given one stays as it is.

    Args:
        dataset: a file as read by pydicom, with its `file_meta`.
        options: the recipe's block; its `dicom` says what is kept.
        names: the key of pseudonyms, UIDs and the shift of dates.
        person: whose it is; without it the patient's ID of the header.
    """
    worker = _Worker(options, names, names.of_person(person or patient_id(dataset)))
    result = worker.items(dataset)
    worker.sweep(result)
    _sign(result, worker)
    if "PatientID" in dataset:
        result.PatientID = worker.subject or NOBODY
    if "PatientName" in dataset:
        result.PatientName = worker.subject or NOBODY
    result.file_meta = _file_meta(dataset, result, names)
    result.preamble = bytes(128)
    return result


@dataclass
class _Worker:
    """One file on its way through the profile."""

    options: Deidentify
    names: Pseudonyms
    subject: str | None
    """A pseudonym."""
    words: set[str] = field(default_factory=set)
    """What was taken out and must not stand elsewhere."""

    def __post_init__(self) -> None:
        profile = self.options.dicom or DicomProfile()
        self.kept = {
            name
            for name, on in (
                ("text", profile.clean_descriptors),
                ("content", profile.clean_content),
                ("patient", profile.keep_patient),
                ("device", profile.keep_device),
                ("institution", profile.keep_institution),
                ("uids", profile.keep_uids),
                ("private", profile.keep_private),
                ("dates", self.options.dates == "keep"),
                ("shift", self.options.dates == "shift" and self.subject is not None),
            )
            if on
        }
        limit = self.options.shift_days
        self.days = self.names.shift(self.subject, limit) if self.subject else 0

    def items(self, dataset: Dataset) -> Dataset:
        """A new data set with what stays of each element."""
        from pydicom import Dataset

        result = Dataset()
        for tag in sorted(dataset.keys()):
            if tag.element == 0 or tag.group <= 0x0002:
                continue
            try:
                element = dataset[tag]
                changed = self._element(element, dataset)
            except Exception:  # an element that cannot be parsed cannot be cleaned either
                changed = None
            if changed is not None:
                result[tag] = changed
        return result

    def _element(self, element: DataElement, dataset: Dataset) -> DataElement | None:
        """The element after the profile, None when it goes."""
        tag = element.tag
        if tag.is_private:
            return element if self._is_safe(element, dataset) else None
        rule = rule_of(tag.group, tag.element)
        if tag.group >> 8 in (0x50, 0x60):  # what remains of an overlay would point to nothing
            return None
        if rule is None:
            return self._unlisted(element)
        for option, cleaned in rule.options.items():
            if option in self.kept:
                return self._cleaned(element) if cleaned else self._kept(element)
        if "dates" in rule.options and "shift" in self.kept and element.VR in new.DATES:
            moved = new.shifted_dates(element, self.days)
            if moved is not None:
                return _with(element, moved)
        return self._acted(element, rule)

    def _acted(self, element: DataElement, rule: Rule) -> DataElement | None:
        """The basic profile's action."""
        action = rule.action.rpartition("/")[2]
        self._remember(element, rule)
        if action == "X":
            return None
        if action == "U" and element.VR == "UI":
            return self._new_uids(element)
        if action == "U" and element.VR == "SQ":
            return self._nested(element)
        if action == "Z" or element.is_empty:
            return _with(element, [] if element.VR == "SQ" else None)
        if element.VR == "UI":
            return self._new_uids(element)
        if element.VR == "SQ":
            return _with(element, [self._dummies(element.value[0])])
        return _with(element, new.dummy(element.VR))

    def _unlisted(self, element: DataElement) -> DataElement | None:
        """An attribute of which the table says nothing: kept if it can name nobody."""
        from pydicom.datadict import dictionary_has_tag

        vr = str(element.VR)
        if not dictionary_has_tag(element.tag) or vr in ("UN", "AE"):
            return None
        if vr == "SQ":
            return self._nested(element)
        if vr == "PN":
            self._remember(element, _UNLISTED)
            return _with(element, new.dummy(vr))
        if vr in new.DATES:
            if "dates" in self.kept:
                return element
            moved = new.shifted_dates(element, self.days) if "shift" in self.kept else None
            return None if moved is None else _with(element, moved)
        if vr == "UI":
            keep = "uids" in self.kept or element.keyword in new.CODING
            return element if keep else self._new_uids(element)
        return self._cleaned(element) if vr in new.TEXTS else element

    def _kept(self, element: DataElement) -> DataElement:
        """Kept under an option: items are cleaned, ages capped, all else as it is."""
        if element.VR == "SQ":
            return self._nested(element)
        if element.VR == "AS":
            return _with(element, new.capped_age(element, self.options.oldest))
        return element

    def _cleaned(self, element: DataElement) -> DataElement | None:
        """Texts without names, dates and numbers; items cleaned by the profile."""
        if element.VR == "SQ":
            return self._nested(element)
        if element.VR in new.TEXTS:
            texts = [clean(text, find).text for text in new.values(element)]
            return element if texts == new.values(element) else _with(element, texts)
        return None if element.VR in ("PN", "UN", "OB") else element

    def _nested(self, element: DataElement) -> DataElement:
        return _with(element, [self.items(item) for item in element.value])

    def _new_uids(self, element: DataElement) -> DataElement:
        """Each UID by its new one; those of the standard stay."""
        uids = [value.strip(" \0") for value in new.values(element)]
        fresh = [u if not u or u.startswith(new.WELL_KNOWN) else self.names.uid(u) for u in uids]
        return _with(element, fresh)

    def _dummies(self, item: Dataset) -> Dataset:
        """One item that has the form of the given one and says nothing."""
        result = self.items(item)
        for element in list(result):
            if element.VR == "SQ":
                nested = [self._dummies(element.value[0])] if element.value else []
                result[element.tag] = _with(element, nested)
            elif element.VR == "UI" or element.is_empty or element.VR == "CS":
                continue
            else:
                result[element.tag] = _with(element, new.dummy(str(element.VR)))
        return result

    def _is_safe(self, element: DataElement, dataset: Dataset) -> bool:
        """Whether a private element, or the creator of one, is of those listed as safe."""
        if "private" not in self.kept or element.VR in ("UN", "SQ"):
            return False
        tag = element.tag
        if tag.element < 0x0100:
            return tag.element >= 0x0010 and str(element.value).strip() in safe_private()
        creator = dataset.get((tag.group, tag.element >> 8))
        name = str(creator.value).strip() if creator is not None else ""
        return (tag.group, tag.element & 0xFF) in safe_private().get(name, frozenset())

    def _remember(self, element: DataElement, rule: Rule) -> None:
        """Keep the words of a name, and a number of some length, to look for them elsewhere."""
        if element.VR == "SQ" or "text" in rule.options or element.VR not in {"PN", "LO", "SH"}:
            return
        for value in new.values(element):
            for word in re.findall(r"[^\W_]+(?:[-.][^\W_]+)*", value):
                named = element.VR == "PN" and len(word) >= 3 and word.lower() not in NO_NAME
                digits = sum(letter.isdigit() for letter in word)
                if named or (len(word) >= 5 and digits >= 3):
                    self.words.add(word)

    def sweep(self, dataset: Dataset) -> None:
        """Take the remembered words out of the texts that stayed, in all items."""
        if not self.words:
            return
        words = sorted(map(re.escape, self.words), key=len, reverse=True)
        pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])", re.IGNORECASE)
        for element in dataset:
            if element.VR == "SQ":
                for item in element.value:
                    self.sweep(item)
            elif element.VR in new.TEXTS:
                old = new.values(element)
                swept = [pattern.sub("REMOVED", value) for value in old]
                if swept != old:
                    dataset[element.tag] = _with(element, swept)


def _with(element: DataElement, value: Any) -> DataElement:
    """The element with another value; a list of one becomes that one."""
    from pydicom import DataElement, Sequence

    if element.VR == "SQ":
        return DataElement(element.tag, "SQ", Sequence(value))
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else value or None
    return DataElement(element.tag, str(element.VR), value)


def _sign(dataset: Dataset, worker: _Worker) -> None:
    """Write into the data set what was done with it (PS3.15 E.1.1, PS3.3 C.12.1.1)."""
    from pydicom import Dataset, Sequence

    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = [f"medfm {__version__}", "PS3.15 table E.1-1 2026c"]
    codes = []
    for name in _CODES:
        if name == "profile" or name in worker.kept:
            code = Dataset()
            code.CodeValue, code.CodeMeaning = _CODES[name]
            code.CodingSchemeDesignator = "DCM"
            codes.append(code)
    dataset.DeidentificationMethodCodeSequence = Sequence(codes)
    times = {"dates": "UNMODIFIED", "shift": "MODIFIED"}
    kept = next((times[name] for name in times if name in worker.kept), "REMOVED")
    dataset.LongitudinalTemporalInformationModified = kept


def _file_meta(dataset: Dataset, result: Dataset, names: Pseudonyms) -> Any:
    """A file header with nothing but the kind of object, its new UID and its encoding."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

    old = dataset.file_meta
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = old.TransferSyntaxUID
    kind = old.get("MediaStorageSOPClassUID") or dataset.get("SOPClassUID")
    if kind:
        meta.MediaStorageSOPClassUID = kind
    single = old.get("MediaStorageSOPInstanceUID") or f"none {dataset.get('SeriesInstanceUID')}"
    new_single = result.get("SOPInstanceUID") or names.uid(str(single))
    meta.MediaStorageSOPInstanceUID = UID(str(new_single))
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return meta
