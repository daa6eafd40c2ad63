"""Sources: folders, links, archives, tables, packages; listed cheaply, refused in one sentence."""

from __future__ import annotations

import io
import os
import tarfile
import urllib.error
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_files import noise, picture, table
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli import verbs
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import Listing, find_source, medmnist, packages
from medfm_cli.commands.curate.sources.medmnist_files import files
from medfm_cli.commands.curate.sources.places import places
from medfm_cli.errors import DataError, EnvironmentProblem


def names(listing: Listing) -> list[str]:
    return [file.name for file in listing.files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for number, name in enumerate(["b/2.png", "a.png", "b/1.png"]):
        picture(root / name, number)
    return root


def test_a_folder_is_listed_in_order(folder: Path) -> None:
    assert names(find_source(str(folder)).survey()) == ["a.png", "b/1.png", "b/2.png"]


def test_names_of_every_kind(tmp_path: Path) -> None:
    for name in ["new\nline.png", "emoji 🩻.png", "quote'\".png", "-rf.png", "ünïcode.png"]:
        picture(tmp_path / "s" / "x.png").rename(tmp_path / "s" / name)
    broken = os.fsencode(tmp_path / "s") + b"/latin\xe9.png"
    picture(tmp_path / "s" / "y.png").rename(Path(os.fsdecode(broken)))
    listing = find_source(str(tmp_path / "s")).survey()
    assert len(listing.files) == 6
    for file in listing.files:
        file.name.encode("utf-8")
        assert Path(file.path).is_file()


def test_hidden_files_and_our_own_runs_are_left_out(folder: Path) -> None:
    picture(folder / ".hidden.png")
    picture(folder / "__MACOSX" / "x.png")
    picture(folder / "runs" / "curate-x" / "figures" / "x.png")
    for name in ("recipe.yaml", "environment.json"):
        (folder / "runs" / "curate-x" / name).write_text("")
    listing = find_source(str(folder)).survey()
    assert len(listing.files) == 3
    assert dict(listing.left_out) == {
        ".hidden.png": "hidden",
        "__MACOSX": "hidden",
        "runs/curate-x": "a run directory of medfm",
    }


def test_links_are_read_only_when_asked_for_and_never_in_circles(
    folder: Path, tmp_path: Path
) -> None:
    outside = picture(tmp_path / "elsewhere" / "x.png", 9)
    (folder / "loop").symlink_to(folder)
    (folder / "out.png").symlink_to(outside)
    (folder / "outer").symlink_to(outside.parent)
    (folder / "nowhere").symlink_to(tmp_path / "gone")
    listing = find_source(str(folder)).survey()
    assert len(listing.files) == 3
    reasons = dict(listing.left_out)
    assert "leaves the source folder" in reasons["out.png"]
    assert "leads nowhere" in reasons["nowhere"]
    assert "another place of the source" in reasons["loop"]
    followed = find_source(str(folder), follow_links=True).survey()
    assert {"out.png", "outer/x.png"} <= set(names(followed))
    assert len(followed.files) < 20


def test_pipes_and_sockets_do_not_hang(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert dict(find_source(str(folder)).survey().left_out) == {"pipe.png": "no regular file"}


def test_the_fingerprint_follows_the_content(folder: Path) -> None:
    def print_() -> str:
        return find_source(str(folder)).fingerprint()

    first = print_()
    assert print_() == first
    picture(folder / "c.png", 7)
    second = print_()
    (folder / "c.png").rename(folder / "d.png")
    third = print_()
    os.utime(folder / "d.png", (1, 1))
    assert len({first, second, third, print_()}) == 4
    (folder / "d.png").unlink()
    assert print_() == first


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("{0}/sourse", "does not exist"),
        ("{0}/empty", "holds no files"),
        ("packages:pydicon", "no images in packages"),
        ("medmnist:breastmnst", "no official 2D MedMNIST"),
    ],
)
def test_what_is_not_there(folder: Path, tmp_path: Path, spec: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=sentence) as caught:
        find_source(spec.format(tmp_path)).survey()
    assert caught.value.hint


def zipped(path: Path, members: dict[str, bytes], *, link: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, link)
    return path


def tarred(path: Path, members: dict[str, bytes], *, link: str = "", mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info)
    return path


MEMBERS = {"b/x.png": b"png", "a.txt": b"text", ".hidden": b"h", "c/../d.png": b"inside"}


@pytest.mark.parametrize(
    "make",
    [
        zipped,
        tarred,
        lambda p, m: tarred(p, m, mode="w:gz"),
        lambda p, m: tarred(p, m, mode="w:xz"),
    ],
    ids=["zip", "tar", "tar.gz", "tar.xz"],
)
def test_archives_of_every_kind(tmp_path: Path, make: Callable[..., Path]) -> None:
    source = find_source(str(make(tmp_path / "no-ending", MEMBERS)))
    assert names(source.survey()) == ["a.txt", "b/x.png", "c/../d.png"]
    listing = source.open(tmp_path / "work")
    assert {file.name: Path(file.path).read_bytes() for file in listing.files} == {
        name: data for name, data in MEMBERS.items() if name != ".hidden"
    }
    assert listing.left_out == [(".hidden", "hidden")]
    for file in listing.files:
        assert (tmp_path / "work").resolve() in Path(file.path).resolve().parents


CLIMBING = ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png"]


@pytest.mark.parametrize(
    ("make", "name"),
    [(zipped, "..\\x.png"), *((make, name) for make in (zipped, tarred) for name in CLIMBING)],
)
def test_an_archive_that_climbs_out_is_refused_whole(
    tmp_path: Path, make: Callable[..., Path], name: str
) -> None:
    (tmp_path / "in").mkdir()
    source = find_source(str(make(tmp_path / "in" / "evil", {"good.png": b"x", name: b"evil"})))
    with pytest.raises(DataError, match="climbs out of its folder"):
        source.survey()
    with pytest.raises(DataError, match="climbs out of its folder"):
        source.open(tmp_path / "in" / "work")
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["evil"]


def test_links_in_archives_are_left_out_or_refused(tmp_path: Path) -> None:
    for make in (zipped, tarred):
        inside = find_source(str(make(tmp_path / "ok", {"x.png": b"x"}, link="x.png")))
        assert names(inside.survey()) == ["x.png"]
        assert ("link", "a link") in inside.survey().left_out
    evil = tarred(tmp_path / "evil", {"x.png": b"x"}, link="../../etc/passwd")
    with pytest.raises(DataError, match="climbs out"):
        find_source(str(evil)).survey()


def test_damaged_and_empty_archives(tmp_path: Path) -> None:
    data = zipped(tmp_path / "x.zip", {"x.png": bytes(50_000)}).read_bytes()
    (tmp_path / "x.zip").write_bytes(data[:-30])
    with pytest.raises(DataError, match="damaged or cut short"):
        find_source(str(tmp_path / "x.zip")).survey()
    packed = tarred(tmp_path / "x.tgz", {"x.png": noise(0).tobytes() * 50}, mode="w:gz")
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(DataError, match="damaged or cut short"):
        find_source(str(packed)).open(tmp_path / "work")
    with pytest.raises(DataError, match="holds no files"):
        find_source(str(zipped(tmp_path / "e.zip", {"dir/": b""}))).survey()


def test_a_second_file_of_one_name_does_not_hide_the_first(tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "x.zip", "w") as archive,
    ):
        for data in (b"first", b"second"):
            archive.writestr("x.png", data)
    listing = find_source(str(tmp_path / "x.zip")).open(tmp_path / "work")
    assert [Path(file.path).read_bytes() for file in listing.files] == [b"first"]
    assert listing.left_out == [("x.png", "a second file of this name in the archive")]


def test_an_unpacking_that_was_stopped_is_done_again(tmp_path: Path) -> None:
    source = find_source(str(zipped(tmp_path / "x.zip", {"a": b"1", "b": b"2"})))
    files = source.open(tmp_path / "work").files
    Path(files[0].path).write_bytes(b"torn")
    (tmp_path / "work" / "unpacked" / "index.json").unlink()
    assert [Path(f.path).read_bytes() for f in source.open(tmp_path / "work").files] == [b"1", b"2"]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_that_belong_together_find_each_other(
    tmp_path: Path, make: Callable[..., Path]
) -> None:
    members = {"./set/1.hea": b"header", "set/1.dat": b"data", "set/ä b\n.dat": b"odd"}
    listing = find_source(str(make(tmp_path / "x", members))).open(tmp_path / "work")
    paths = {Path(file.name).name: Path(file.path) for file in listing.files}
    assert paths["1.hea"].with_name("1.dat").read_bytes() == b"data"
    assert paths["ä b\n.dat"].name == "0000002"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["a/b.c", "./d"], ["named/a/b.c", "named/d"]),
        (["a", "A", "a/b"], ["numbered/0000000", "numbered/0000001", "named/a/b"]),
        (["x/Y.png", "X/y.png"], ["named/x/Y.png", "numbered/0000001"]),
        (["../x", "-x", ".x", "nul.txt", "x" * 101], [f"numbered/000000{n}" for n in range(5)]),
        (["a/" * 16 + "x", "a\\b", "x."], [f"numbered/000000{n}" for n in range(3)]),
    ],
)
def test_only_harmless_names_are_kept(members: list[str], expected: list[str]) -> None:
    assert places(members) == expected


@settings(max_examples=200)
@given(st.lists(st.text("ab./\\ A-é\n", max_size=8), max_size=6))
def test_no_place_leads_out_or_meets_another(members: list[str]) -> None:
    found = places(members)
    assert len({place.lower() for place in found}) == len(found) == len(members)
    for place in found:
        parts = place.split("/")
        assert all(part and not part.startswith((".", "-")) and "\\" not in part for part in parts)
        assert not any(other.lower().startswith(f"{place}/".lower()) for other in found)


def test_a_table_is_a_source(folder: Path) -> None:
    path = table(folder / "list.csv", "id,path,label", "1,b/1.png,x", "2,a.png,y", "3,gone.png,x")
    listing = find_source(str(path)).survey()
    assert names(listing) == ["a.png", "b/1.png"]
    assert listing.left_out == [("gone.png", "named in list.csv, but not there")]


@pytest.mark.parametrize("lines", [["1,x", "2,y"], ["gone.png,x", "lost.png,y"]])
def test_a_table_that_names_nothing(tmp_path: Path, lines: list[str]) -> None:
    path = table(tmp_path / "list.csv", "file,label", *lines)
    with pytest.raises(DataError, match=r"no column of|none of the files"):
        find_source(str(path)).survey()


def test_packages_bring_their_images() -> None:
    source = find_source("packages:pydicom")
    listing = source.survey()
    assert source.public
    assert sum(file.name.endswith(".dcm") for file in listing.files) > 150
    assert not [file for file in listing.files if file.name.endswith(".py")]
    assert all(file.stamp == 0 for file in listing.files), "an installation's time is no content"


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = (("pydicom-data-absent", "data_store", "data"),)
    monkeypatch.setitem(packages.PACKAGES, "pydicom", absent)
    with pytest.raises(EnvironmentProblem, match="pydicom-data-absent") as caught:
        find_source("packages:pydicom").survey()
    assert caught.value.hint == "pip install 'medfm[demo]'"


def test_medmnist_without_a_network_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("MEDFM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(medmnist.urllib.request, "urlopen", refuse)
    source = find_source("medmnist:breastmnist")
    assert source.fingerprint() == "md5:750601b1f35ba3300ea97c75c52ff8f6"
    assert names(source.survey()) == ["breastmnist.npz"]
    with pytest.raises(EnvironmentProblem, match="could not be downloaded") as caught:
        source.open(tmp_path / "work")
    hint = caught.value.hint or ""
    assert files()["breastmnist"].url in hint
    assert str(tmp_path / "cache" / "medmnist" / "breastmnist.npz") in hint
    assert not list(tmp_path.rglob("*.npz*"))


def test_what_is_downloaded_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        medmnist.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"a login page")
    )
    with pytest.raises(DataError, match="not the official file"):
        find_source("medmnist:breastmnist").open(tmp_path / "work")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_cached_official_file_is_known_by_its_md5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "anything"
    np.savez(path.with_suffix(".npz"), train_images=noise(0)[None], train_labels=np.array([[1]]))
    path = path.with_suffix(".npz").rename(path)
    from medfm_cli.commands.curate.sources import medmnist_files

    status = path.stat()
    md5 = medmnist_files.md5_of(path, status.st_size, status.st_mtime_ns)
    monkeypatch.setattr(medmnist_files, "_by_md5", lambda: {md5: files()["breastmnist"]})
    source = find_source(str(path))
    assert source.public
    assert source.modality == "US"
    assert source.classes["0"] == files()["breastmnist"].names[0]


def test_the_official_table_is_whole() -> None:
    assert len(files()) == 12 * 4
    assert len({file.md5 for file in files().values()}) == 48
    assert all(len(file.names) > 1 for file in files().values())


def test_inputs_change_with_files_and_labels_only(folder: Path) -> None:
    table(folder.parent / "labels.csv", "file,label", "a.png,x")
    recipe = CurateRecipe(source=str(folder), labels=str(folder.parent / "labels.csv"))
    first = verbs.inputs("curate", recipe)
    assert set(first) == {"source", "labels"}
    table(folder.parent / "labels.csv", "file,label", "a.png,y")
    second = verbs.inputs("curate", recipe)
    assert second["source"] == first["source"]
    assert second["labels"] != first["labels"]


def test_a_label_table_that_is_not_there_gets_a_hint(folder: Path) -> None:
    table(folder / "labels.csv", "file,label", "a.png,x")
    with pytest.raises(DataError, match="neither in") as caught:
        verbs.inputs("curate", CurateRecipe(source=str(folder), labels="label.csv"))
    assert caught.value.hint == "did you mean 'labels.csv'?"


def test_the_plan_counts_and_touches_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    plan = verbs.plan("curate", CurateRecipe(source=str(folder), labels="folders"))
    assert plan.lines[0].startswith("read 3 files (")
    assert "3 png" in plan.lines[0]
    assert plan.disk_bytes > 0
    assert sorted(folder.rglob("*")) == before


def test_the_plan_counts_the_samples_of_an_archive(tmp_path: Path) -> None:
    """Thousands of small images in one small file take more room than their pixels."""
    images = np.zeros((3000, 28, 28), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", train_images=images, train_labels=np.zeros(3000))
    plan = verbs.plan("curate", CurateRecipe(source=str(tmp_path / "a.npz")))
    assert 15e6 < plan.disk_bytes < 40e6


@pytest.mark.parametrize("kind", ["folder", "single", "archive", "table"])
def test_a_file_replaced_under_the_same_size_and_time(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    """By time it is the same; `check: content` reads it."""
    changed = folder / "a.png"
    source = {"folder": folder, "single": changed}.get(kind)
    if kind == "archive":
        source = changed = tmp_path / "a.zip"
        with zipfile.ZipFile(source, "w") as archive:
            archive.write(folder / "a.png", "a.png")
    if kind == "table":
        source = table(
            tmp_path / "files.csv",
            "file,label",
            f"{folder.name}/a.png,x",
            f"{folder.name}/b/1.png,y",
        )
    assert source is not None
    times = changed.stat()

    def seen(check: str) -> str:
        recipe = CurateRecipe.model_validate({"source": str(source), "check": check})
        return verbs.inputs("curate", recipe)["source"]

    by_time, by_content = seen("time"), seen("content")
    data = bytearray(changed.read_bytes())
    data[-20] ^= 1
    changed.write_bytes(data)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert seen("time") == by_time
    assert seen("content") != by_content
