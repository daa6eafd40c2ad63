"""Small files of many kinds for tests of the readers and of curate."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medfm_cli.commands.curate.reading.staging import Staging, WorkUnit
from medfm_cli.commands.curate.reading.worker import WorkerConfig, read_unit

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


def noise(seed: int = 0, *, height: int = 40, width: int = 48, colour: bool = False) -> Any:
    """A picture that is like no other: uint8 `[height, width]` or `[height, width, 3]`."""
    shape = (height, width, 3) if colour else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def picture(path: Path, seed: int = 0, **shape: Any) -> Path:
    """A lossless image file; its kind follows from the name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, **shape)).save(path)
    return path


def dicom(path: Path, pixels: NDArray[Any], **elements: Any) -> Path:
    """A DICOM file, `[H, W]` grey, `[H, W, 3]` RGB or `[N, H, W]` frames; more by keyword.

    An element given as None is left out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    frames = pixels.shape[0] if pixels.ndim == 3 and not colour else 1
    bits = pixels.dtype.itemsize * 8
    values: dict[str, Any] = {
        "SOPClassUID": CT_STORAGE,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "Modality": "CT",
        "PatientID": "P1",
        "PatientName": "Secret^Person",
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "Rows": pixels.shape[-3] if colour else pixels.shape[-2],
        "Columns": pixels.shape[-2] if colour else pixels.shape[-1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "NumberOfFrames": frames if frames > 1 else None,
        "PlanarConfiguration": 0 if colour else None,
        "PixelData": pixels.tobytes(),
    }
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name, value in (values | elements).items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def table(path: Path, *lines: str) -> Path:
    """A table of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def crash_on_bad(unit: WorkUnit, settings: WorkerConfig) -> tuple[int, int]:
    """Read a unit, but die of every file called `bad…`, as a broken decoder would."""
    return _read_but(unit, settings, lambda: os._exit(11))


def hang_on_bad(unit: WorkUnit, settings: WorkerConfig) -> tuple[int, int]:
    """Read a unit, but never come back from a file called `bad…`."""
    return _read_but(unit, settings, lambda: time.sleep(600))


def _read_but(unit: WorkUnit, settings: WorkerConfig, harm: Any) -> tuple[int, int]:
    staging = Staging(Path(settings.folder), settings.mark)
    for entry in unit.entries:
        if entry.name.startswith("bad") and entry.index not in unit.skip:
            now = f"[{os.getpid()}, {entry.index}, {time.time()}]"
            staging.progress_path(unit.number).write_text(now, "ascii")
            harm()
    return read_unit(unit, settings)
