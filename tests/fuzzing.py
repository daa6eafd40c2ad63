"""Damaged files: seeded copies of every format, cut, flipped, spliced and stretched.

`PLANT` stands for a patient in the headers, tags and names of the files that are made here, so
that a test can look for it in everything that is written. It stands in no free text: a name whose
mark is damaged there is a word like any other.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import tarfile
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from curate_files import dicom, noise, table
from PIL import Image
from PIL.PngImagePlugin import PngInfo

PLANT = "Zebediah"
"""A name that occurs nowhere else."""
LARGEST = 200_000
"""Files above this size are no seeds, in bytes."""
EACH = 3
"""Files of one ending that a folder of real data gives."""
Damage = Callable[[random.Random, bytes, bytes], bytes]


def seeds(folder: Path, real: Path | None = None) -> list[Path]:
    """Sound files to be damaged: made here, of pydicom's own tests, and of real data sets."""
    folder.mkdir(parents=True)
    for make in (_pictures, _arrays, _dicoms, _volumes, _sounds, _videos, _records, _tables):
        make(folder)
    _archives(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [*files, *_pydicoms(), *(_real(real) if real else ())]


def damaged(
    sound: list[Path], folder: Path, count: int, seed: int, *, start: int = 0
) -> list[Path]:
    """`count` damaged copies, each with the files beside it that it may need; sound ones between.

    Every seed takes its turn, so each is damaged in several ways.
    """
    chance = random.Random(seed)
    order = [sound[n % len(sound)] for n in range(start, start + count)]
    found = []
    for number, path in enumerate(order, start):
        place = folder / f"{number:05d}"
        place.mkdir(parents=True)
        for other in _beside(path):
            shutil.copyfile(other, place / other.name)
        target = place / path.name
        how = chance.choice(DAMAGES)
        target.write_bytes(how(chance, path.read_bytes(), chance.choice(sound).read_bytes()))
        found.append(target)
    return found


def _cut(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flip(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return _flipped(chance, data, len(data))


def _flip_head(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """Most of what a parser believes stands at the beginning."""
    return _flipped(chance, data, min(len(data), 600))


def _flipped(chance: random.Random, data: bytes, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 20)) if end else 0):
        changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    tail = other[chance.randrange(len(other) + 1) :]
    return data[: chance.randrange(len(data) + 1)] + _nobody(tail)


def _nobody(data: bytes) -> bytes:
    """Bytes that come to lie anywhere: a name among pixels or free words is beyond all finding."""
    return data.replace(PLANT.encode(), b"Somebody"[: len(PLANT)])


def _blank(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """A run of zeros or ones, as a bad block on a disk leaves it."""
    start = chance.randrange(len(data) + 1)
    length = chance.choice((4, 64, 512, 4096))
    return data[:start] + chance.choice((b"\0", b"\xff")) * length + data[start + length :]


def _stretch(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.randbytes(chance.choice((1, 7, 1000))) + data[start:]


def _huge(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """A number in the head that claims very much."""
    start = chance.randrange(max(1, min(len(data), 400)))
    size = chance.choice((2, 4, 8))
    value = chance.choice((b"\xff" * size, b"\xff" * (size - 1) + b"\x7f"))
    return data[:start] + value + data[start + size :]


def _twice(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + _nobody(data[start : start + 2000]) + data[start:]


def _sound(_chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data


DAMAGES: tuple[Damage, ...] = (
    _cut, _cut, _flip, _flip, _flip_head, _flip_head, _splice, _blank, _stretch, _huge, _twice,
    _sound,
)  # fmt: skip


def _beside(path: Path) -> Iterator[Path]:
    """The other files of a recording: they are told by the stem alone."""
    if path.suffix in (".hea", ".dat", ".atr", ".qrs", ".d1", ".d2", ".hdr", ".img"):
        yield from (p for p in path.parent.glob(f"{path.stem}.*") if p != path)


def _pictures(folder: Path) -> None:
    grey = Image.fromarray(noise(1, height=60, width=50))
    colour = Image.fromarray(noise(2, height=50, width=60, colour=True))
    told = PngInfo()
    told.add_text("Comment", f"Patient {PLANT}")
    grey.save(folder / f"{PLANT}-grey.png", pnginfo=told)
    colour.save(folder / "colour.png")
    exif = Image.Exif()
    exif[0x013B] = PLANT  # artist
    exif[0x010E] = f"{PLANT}, born 1950-01-01"  # description
    colour.save(folder / "colour.jpg", exif=exif)
    grey.save(folder / "grey.tif", description=PLANT)
    colour.save(folder / "packed.tiff", compression="tiff_lzw")
    grey.save(folder / "grey.bmp")
    grey.save(folder / "moving.gif", save_all=True, append_images=[grey.rotate(90)], comment=PLANT)


def _arrays(folder: Path) -> None:
    np.save(folder / "grey.npy", noise(3))
    np.save(folder / "floats.npy", np.random.default_rng(4).normal(size=(40, 40)))
    np.savez(
        folder / "set.npz",
        train_images=np.stack([noise(n, height=28, width=28) for n in range(5)]),
        train_labels=np.arange(5).reshape(5, 1) % 2,
    )


def _dicoms(folder: Path) -> None:
    who: dict[str, Any] = {
        "PatientName": f"{PLANT}^Ann",
        "PatientID": f"{PLANT}-4711",
        "OtherPatientNames": PLANT,
        "ReferringPhysicianName": f"{PLANT}^Doctor",
        "InstitutionName": f"{PLANT} Hospital",
    }
    dicom(folder / "ct.dcm", noise(5).astype(np.int16), **who)
    frames = np.stack([noise(n) for n in range(4)])
    dicom(folder / "frames.dcm", frames, Modality="US", **who)
    dicom(folder / "colour.dcm", noise(6, colour=True), Modality="XC", **who)


def _volumes(folder: Path) -> None:
    import nibabel

    voxels = np.random.default_rng(7).integers(0, 900, (30, 32, 8)).astype(np.int16)
    volume = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0]))
    volume.header["descrip"] = PLANT.encode()
    nibabel.save(volume, folder / "volume.nii")
    nibabel.save(volume, folder / "volume.nii.gz")


def _sounds(folder: Path) -> None:
    samples = (np.random.default_rng(8).normal(size=8000) * 8000).astype("<i2")
    with wave.open(str(folder / "heart.wav"), "wb") as file:
        file.setparams((1, 2, 4000, 0, "NONE", "not compressed"))
        file.writeframes(samples.tobytes())
    told = b"INFOIART" + struct.pack("<I", len(PLANT)) + PLANT.encode()
    with (folder / "heart.wav").open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", len(told)) + told)
    beats = (np.random.default_rng(9).normal(size=(500, 2)) * 300).astype("<i2")
    (folder / "ecg.dat").write_bytes(beats.tobytes())
    table(
        folder / "ecg.hea",
        "ecg 2 100 500",
        "ecg.dat 16 200 16 0 0 0 0 I",
        "ecg.dat 16 200 16 0 0 0 0 II",
    )
    (folder / "sleep.edf").write_bytes(_edf())


def _edf() -> bytes:
    """One channel, four seconds, with a name in the field of the patient."""
    head = f"{'0':<8}{f'X F 01-JAN-1950 {PLANT}':<80}{f'Startdate X {PLANT}':<80}01.01.2001.01.01"
    head += f"{512:<8}{'':<44}{4:<8}{1:<8}{1:<4}"
    head += f"{'EEG':<16}{'':<80}{'uV':<8}{-100:<8}{100:<8}{-32768:<8}{32767:<8}{'':<80}{50:<8}"
    values = (np.random.default_rng(10).normal(size=200) * 3000).astype("<i2")
    return f"{head:<512}".encode("ascii") + values.tobytes()


def _videos(folder: Path) -> None:
    try:
        import av
    except ModuleNotFoundError:
        return
    for name, codec in (("beat.mp4", "mpeg4"), ("beat.avi", "mpeg4"), ("beat.mpg", "mpeg1video")):
        with av.open(str(folder / name), "w") as sink:
            sink.metadata["title"] = PLANT
            stream = sink.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(12):
                pixels = noise(number, height=48, width=64, colour=True)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                sink.mux(stream.encode(frame))
            sink.mux(stream.encode(None))


def _records(folder: Path) -> None:
    (folder / "note.txt").write_text("The lungs are clear. No effusion.\n" * 8)
    turns = [
        {"image_name": "colour.jpg", "question": f"Is it {n}?", "answer": "yes", "qid": n}
        for n in range(9)
    ]
    (folder / "questions.json").write_text(json.dumps(turns))
    lines = [json.dumps({"id": n, "text": f"Finding {n}: none."}) for n in range(20)]
    (folder / "reports.jsonl").write_text("\n".join(lines))


def _tables(folder: Path) -> None:
    table(folder / "stay.txt", "Time,Parameter,Value", "00:00,RecordID,132539", "00:00,Age,54",
          *(f"{n:02d}:00,HR,{60 + n}" for n in range(24)))  # fmt: skip
    table(folder / "reports.csv", "uid,findings", *(f"{n},No effusion {n}." for n in range(30)))
    table(folder / "cells.csv", "a,b,c", *(f"{n},{n * n},x{n}" for n in range(50)))
    table(folder / "trace.csv", "t,I,II", *(f"{n / 100},{n % 7},{n % 5}" for n in range(300)))
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": range(20), "value": np.arange(20.0)}), folder / "rows.parquet")


def _archives(folder: Path) -> None:
    picture = (folder / "colour.png").read_bytes()
    with zipfile.ZipFile(folder / "inner.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", picture)
    with tarfile.open(folder / "shard.tar", "w") as shard:
        for name, data in (("a.png", picture), ("a.json", b'{"label": "x"}')):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))


def _pydicoms() -> Iterator[Path]:
    import pydicom

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    yield from (p for p in sorted(folder.glob("*.dcm")) if 0 < p.stat().st_size < LARGEST)


def _real(root: Path) -> Iterator[Path]:
    """A few small files of every ending in every folder of real data."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        taken: dict[str, int] = {}
        for path in sorted(folder.rglob("*")):
            ending = path.suffix.lower()
            if path.is_file() and ending != ".md" and 0 < path.stat().st_size < LARGEST:
                taken[ending] = taken.get(ending, 0) + 1
                if taken[ending] <= EACH:
                    yield path
