"""Sources that are hostile or broken as a whole: archives, names, special files, tables."""

from __future__ import annotations

import ctypes
import gzip
import io
import os
import socket
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from curate_files import noise, picture, table
from executable import Ended, Executable
from PIL import Image

MINUTES = 60.0
PR_CAPBSET_DROP = 24
CAPABILITIES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root read everything."""


def curate(medfm: Executable, source: Path, place: Path, *more: str, **how: object) -> Ended:
    """`medfm curate folders` with the source; checks what holds for every ending."""
    words = ("curate", "folders", f"source={source}", "labels=none", "--json", *more)
    done = medfm(*words, cwd=place, timeout=3 * MINUTES, **how)  # type: ignore[arg-type]
    assert "Traceback" not in done.stderr
    assert done.code in (0, 2, 3, 4), done.stderr
    if done.code == 0:
        counts = done.json["metrics"]
        parts = ("kept", "duplicates", "quarantined")
        assert counts["read"] == sum(counts[name] for name in parts)
    else:
        assert done.stderr.count("error: ") == 1
    return done


def png(seed: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(noise(seed)).save(sink, "PNG")
    return sink.getvalue()


def test_names_of_every_kind(medfm: Executable, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    names = ["line\nbreak.png", "tab\t.png", "😀🫀.png", "a'b\"c;--.png", "100%.png", " .png",
             "ä" * 125 + ".png", "x" * 251 + ".png", "back\\slash.png", "\x1b[31m.png"]  # fmt: skip
    for number, name in enumerate(names):
        picture(folder / "plain.png", number).rename(folder / name)
    raw = os.fsencode(folder) + b"/\xff\xfe\x80.png"
    Path(os.fsdecode(raw)).write_bytes(png(50))
    picture(folder / "deep" / ("d" * 200) / ("e" * 200) / "f.png", 60)
    done = curate(medfm, folder, tmp_path)
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["kept"] == len(names) + 2
    keep = curate(medfm, folder, tmp_path, "deidentify.source_paths=keep")
    assert keep.json["metrics"]["kept"] == len(names) + 2


def test_special_files_and_links_that_loop(medfm: Executable, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(4):
        picture(folder / "sub" / f"{number}.png", number)
    (folder / "empty.png").touch()
    os.mkfifo(folder / "fifo.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    (folder / "sub" / "up").symlink_to("..")
    (folder / "gone").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket may be 107 bytes long
        try:
            server.bind("socket.png")
        finally:
            os.chdir(here)
        for word in ("false", "true"):
            done = curate(medfm, folder, tmp_path, f"follow_links={word}")
            assert done.code == 0, done.stderr
            counts = done.json["metrics"]
            assert counts["kept"] == 4
            assert counts["quarantined"] == 1, "the empty file; what is no file is not read"


def without_privilege() -> None:
    """Let permissions hold even for root, in the process that is about to start."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in CAPABILITIES:
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                os._exit(99)


def test_files_and_folders_without_permission(medfm: Executable, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(3):
        picture(folder / f"{number}.png", number)
    picture(folder / "closed" / "x.png", 9)
    (folder / "1.png").chmod(0)
    (folder / "closed").chmod(0)
    try:
        done = curate(medfm, folder, tmp_path, before=without_privilege)
    finally:
        (folder / "closed").chmod(0o700)
    assert done.code == 0, done.stderr
    assert (done.json["metrics"]["kept"], done.json["metrics"]["quarantined"]) == (2, 1)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a/../../evil.png"])
def test_archives_that_climb_are_refused(
    medfm: Executable, tmp_path: Path, kind: str, name: str
) -> None:
    archive = tmp_path / f"in.{kind}"
    pack(archive, {"good.png": png(1), name: png(2)})
    done = curate(medfm, archive, tmp_path)
    assert done.code == 3
    assert "climbs out" in done.stderr
    assert not list(tmp_path.parent.rglob("evil.png"))


def pack(archive: Path, members: dict[str, bytes]) -> Path:
    """A ZIP or a tar, by the ending."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as sink:
            for name, data in members.items():
                sink.writestr(name, data)
        return archive
    with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as sink:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            sink.addfile(info, io.BytesIO(data))
    return archive


def test_links_in_a_tar_are_not_followed(medfm: Executable, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "in.tar", "w") as sink:
        for number in range(3):
            info = tarfile.TarInfo(f"{number}.png")
            data = png(number)
            info.size = len(data)
            sink.addfile(info, io.BytesIO(data))
        for kind, name in ((tarfile.SYMTYPE, "s"), (tarfile.LNKTYPE, "l"), (tarfile.CHRTYPE, "c")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "0.png"
            sink.addfile(info)
    done = curate(medfm, tmp_path / "in.tar", tmp_path)
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["kept"] == 3


def test_archives_in_archives_are_not_unpacked(medfm: Executable, tmp_path: Path) -> None:
    data = png(0)
    for _ in range(6):
        inner = pack(tmp_path / "inner.zip", {f"{n}.zip": data for n in range(3)})
        data = inner.read_bytes()
    pack(tmp_path / "in.zip", {"nested.zip": data, "good.png": png(1)})
    done = curate(medfm, tmp_path / "in.zip", tmp_path)
    assert done.code == 0, done.stderr
    assert (done.json["metrics"]["kept"], done.json["metrics"]["quarantined"]) == (1, 1)


def bomb(path: Path, size: int) -> Path:
    """Zeros that pack a thousand to one, beside a picture."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as sink:
        sink.writestr("good.png", png(1))
        with sink.open("zeros.npy", "w", force_zip64=True) as member:
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    return path


def test_a_zip_bomb_is_refused_before_it_is_unpacked(medfm: Executable, tmp_path: Path) -> None:
    archive = bomb(tmp_path / "in.zip", 3 << 30)
    assert archive.stat().st_size < 4 << 20
    done = curate(medfm, archive, tmp_path)
    assert done.code == 3, done.stderr
    assert "times its size" in done.stderr
    assert size_of(tmp_path / "runs") < 1 << 20


def test_a_tar_bomb_is_refused_before_it_is_unpacked(medfm: Executable, tmp_path: Path) -> None:
    head = tarfile.TarInfo("zeros.npy")
    head.size = 64 << 30  # and it ends long before
    with gzip.open(tmp_path / "in.tar.gz", "wb", compresslevel=1) as sink:
        sink.write(head.tobuf(tarfile.GNU_FORMAT))
        for _ in range(50):
            sink.write(bytes(1 << 20))
    done = curate(medfm, tmp_path / "in.tar.gz", tmp_path)
    assert done.code in (3, 4), done.stderr
    assert size_of(tmp_path / "runs") < 1 << 20


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_an_archive_that_lies_about_a_size(medfm: Executable, tmp_path: Path) -> None:
    """The table says ten bytes, the member holds a million: no more than ten are written."""
    archive = pack(tmp_path / "in.zip", {"zeros.npy": bytes(1 << 20), "good.png": png(1)})
    data = bytearray(archive.read_bytes())
    for start in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[start : start + 4] = struct.pack("<I", 10)
    archive.write_bytes(data)
    done = curate(medfm, archive, tmp_path)
    assert done.code in (0, 3), done.stderr
    assert size_of(tmp_path / "runs") < 1 << 20


def test_an_archive_of_very_many_members(medfm: Executable, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as sink:
        for number in range(20_000):
            sink.writestr(f"{number}.txt", b"")
        sink.writestr("good.png", png(1))
    done = curate(medfm, tmp_path / "in.zip", tmp_path)
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["kept"] == 1
    assert done.json["metrics"]["quarantined"] == 20_000


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_that_are_cut_short(
    medfm: Executable, tmp_path: Path, kind: str, cut: float
) -> None:
    archive = pack(tmp_path / f"in.{kind}", {f"{n}.png": png(n) for n in range(5)})
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * cut)])
    curate(medfm, archive, tmp_path)


def test_labels_that_name_missing_files_and_keys_twice(medfm: Executable, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(8):
        picture(folder / f"{number}.png", number)
    rows = [f"{n}.png,{'ab'[n % 2]},p{n}" for n in range(8)]
    rows += ["99.png,a,p9", "missing.png,b,p10", "0.png,a,p0", "1.png,a,p1", ",a,p2", "broken"]
    table(folder / "labels.csv", "file,label,patient", *rows)
    done = curate(medfm, folder, tmp_path, "labels=labels.csv")
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["kept"] == 8


def test_a_table_without_any_file_that_is_there(medfm: Executable, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "one.png", 1)
    table(folder / "labels.csv", "file,label", "x.png,a", "y.png,b")
    done = curate(medfm, folder, tmp_path, "labels=labels.csv")
    assert done.code == 3, done.stderr


@pytest.mark.slow
def test_a_million_rows_with_one_broken(medfm: Executable, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(30):
        picture(folder / f"{number}.png", number)
    with (folder / "labels.csv").open("wb") as file:
        file.write(b"file,label,patient\n")
        for number in range(1_000_000):
            file.write(b'"torn, \xff\xfe\n' if number == 500_000 else
                       b"%d.png,%c,p%d\n" % (number, b"ab"[number % 2], number))  # fmt: skip
    done = curate(medfm, folder, tmp_path, "labels=labels.csv")
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["kept"] == 30
