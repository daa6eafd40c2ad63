"""The same pixels are one image; what its copies know is kept; their patients are tied."""

from __future__ import annotations

from typing import Any

from medfm_cli.commands.curate.deduplicate import MOST_TIED, deduplicate
from medfm_cli.commands.curate.images import Image
from medfm_cli.commands.curate.spool import Found

DEFAULTS: dict[str, Any] = {
    "source": "x",
    "study": "",
    "site": "",
    "modality": "",
    "anatomy": "",
    "label": None,
    "labels": None,
    "official": "",
}


def image(pixels: str, subject: str, *, entry: int = 0, sha: str = "", **values: Any) -> Image:
    row = Found(
        entry=entry, frame=0, part="", file_sha=sha or f"file{entry}", pixels_sha=pixels * 8,
        height=9, width=9, tiles=[], facts="{}", subject=None, study=None, site=None,
        modality="", anatomy="", label=None, labels=None, split=None, notes=[],
    )  # fmt: skip
    known = subject.startswith("subject-")
    return Image(row=row, subject=subject, known=known, **DEFAULTS | values)


def test_the_first_of_equals_is_kept_in_the_order_of_the_source() -> None:
    images = [image("aa", "subject-1", entry=i) for i in range(3)]
    images.append(image("bb", "subject-2", entry=3))
    done = deduplicate(images)
    assert [i.row.entry for i in done.images] == [0, 3]
    assert [d.image.row.entry for d in done.duplicates] == [1, 2]
    assert all(d.kept is done.images[0] for d in done.duplicates)


def test_the_one_of_which_most_is_known_is_kept() -> None:
    images = [
        image("aa", "file-1", entry=0),
        image("aa", "subject-1", entry=1),
        image("aa", "subject-1", entry=2, label="x"),
    ]
    (kept,) = deduplicate(images).images
    assert (kept.row.entry, kept.label, kept.subject) == (2, "x", "subject-1")


def test_what_copies_know_is_added() -> None:
    images = [
        image("aa", "file-1", entry=0, label="x"),
        image("aa", "subject-1", entry=1, modality="MR", site="s"),
    ]
    (kept,) = deduplicate(images).images
    assert (kept.label, kept.subject, kept.modality, kept.site) == ("x", "subject-1", "MR", "s")


def test_copies_with_different_labels_have_none() -> None:
    done = deduplicate([image("aa", "file-1", label="x"), image("aa", "file-2", label="y")])
    assert done.images[0].label is None
    assert done.contradicted == 1


def test_patients_with_the_same_pixels_are_one_subject_everywhere() -> None:
    images = [
        image("aa", "subject-1", entry=0),
        image("aa", "subject-2", entry=1),
        image("bb", "subject-2", entry=2),
        image("cc", "subject-2", entry=3),
        image("cc", "subject-3", entry=4),
        image("dd", "subject-9", entry=5),
    ]
    done = deduplicate(images)
    assert [i.subject for i in done.images] == ["subject-1"] * 3 + ["subject-9"]
    assert done.tied == [["subject-1", "subject-2", "subject-3"]]


def test_a_file_without_patient_joins_the_patient_whose_pixels_it_has() -> None:
    images = [
        image("aa", "file-0", entry=0),
        image("bb", "file-0", entry=0),
        image("aa", "subject-1", entry=1),
    ]
    done = deduplicate(images)
    assert {i.subject for i in done.images} == {"subject-1"}
    assert done.tied == []


def test_a_test_card_ties_nobody_together() -> None:
    count = MOST_TIED + 1
    images = [image("aa", f"subject-{i}", entry=i) for i in range(count)]
    images += [image(f"{i:02d}", f"subject-{i}", entry=i) for i in range(count)]
    done = deduplicate(images)
    assert len({i.subject for i in done.images}) == count
    assert (done.shared_widely, done.tied) == (1, [])


def test_a_picture_on_both_sides_of_the_official_split_stays_in_test() -> None:
    images = [
        image("aa", "file-1", entry=0, official="train", label="x"),
        image("aa", "file-2", entry=1, official="test", label="x"),
    ]
    done = deduplicate(images)
    assert [i.official for i in done.images] == ["test"]
    assert done.crossed == 1


def test_only_another_file_with_the_same_bytes_is_the_same_file() -> None:
    images = [
        image("aa", "f", entry=0, sha="s"),
        image("aa", "f", entry=1, sha="s"),
        image("aa", "f", entry=0, sha="s"),
        image("aa", "f", entry=2),
    ]
    assert [d.exact for d in deduplicate(images).duplicates] == [True, False, False]
