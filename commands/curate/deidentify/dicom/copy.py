"""A de-identified copy of one DICOM file, named by its new UIDs."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medfm_cli.commands.curate.deidentify.dicom.profile import deidentify_dataset
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom.file import stream

if TYPE_CHECKING:
    from pydicom import Dataset

_NO_COPY = {"1.2.840.10008.1.3.10": "a DICOMDIR index"}


@dataclass(frozen=True, slots=True)
class Copy:
    """What was written: its place under the folder, and remarks for the report."""

    name: str
    notes: tuple[str, ...] = ()


def write_copy(
    path: Path, folder: Path, options: Deidentify, names: Pseudonyms, *, person: str | None = None
) -> Copy:
    """Write `<study>/<series>/<object>-<hash>.dcm` under a folder, aside first and then renamed.

    The pixels are the same, byte for byte: no copy should be made of a file whose pixels show text
    that the dataset's own images have lost. The hash is of the copy, so that files which wrongly
    share a UID do not replace each other, whatever their order.

    Args:
        path: a DICOM file.
        folder: where the copies lie.
        options: the recipe's block.
        names: the key.
        person: whose it is, where a table knows better than the header.

    Raises:
        Unreadable: it cannot be parsed, or cannot be written as DICOM.
        OSError: the disk refuses.
    """
    with _quiet():
        dataset = _opened(path)
        kind = _NO_COPY.get(str(dataset.file_meta.get("MediaStorageSOPClassUID", "")))
        if kind:
            raise Unreadable(f"no copy: {kind}", step="deidentify")
        try:
            result = deidentify_dataset(dataset, options, names, person=person)
            data = encoded(result)
        except Exception:  # a header so broken that it cannot be written again
            raise Unreadable("no copy: it cannot be written as DICOM", step="deidentify") from None
    digest = hashlib.sha256(data).hexdigest()[:8]
    study, series, single = (
        str(result.get(name) or "none")
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    name = f"{study}/{series}/{single}-{digest}.dcm"
    _write(folder / name, data)
    declared = str(result.get("BurnedInAnnotation", "")).upper() == "YES"
    return Copy(name, ("burned-in annotation declared",) if declared else ())


def _opened(path: Path) -> Dataset:
    """The file with all its bytes as they are; its encoding is named where it does not say."""
    from pydicom import dcmread, uid
    from pydicom.dataset import FileMetaDataset

    try:
        with stream(path) as file:
            dataset: Dataset = dcmread(file, force=True)
    except (OSError, MemoryError, Unreadable):
        raise
    except Exception:  # a damaged header makes the parser say almost anything
        raise Unreadable("no copy: a damaged DICOM header", step="deidentify") from None
    if "SOPClassUID" not in dataset and "PatientID" not in dataset and "Rows" not in dataset:
        raise Unreadable("no copy: no DICOM file", step="deidentify")
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return dataset


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom's warnings and log lines to itself, and let it write what others wrote badly."""
    from pydicom import config

    logger = logging.getLogger("pydicom")
    before = logger.level, config.settings.reading_validation_mode
    writing = config.settings.writing_validation_mode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL + 1)
        config.settings.reading_validation_mode = config.IGNORE
        config.settings.writing_validation_mode = config.IGNORE
        try:
            yield
        finally:
            logger.setLevel(before[0])
            config.settings.reading_validation_mode = before[1]
            config.settings.writing_validation_mode = writing


def encoded(dataset: Dataset) -> bytes:
    """A data set as a DICOM file."""
    from pydicom import dcmwrite

    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
