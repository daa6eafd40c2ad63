"""Near copies: found also when turned, tied or thinned out, never across what is different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_catalog import ledger_of
from curate_pictures import drawn, numbered, seen
from PIL import Image, ImageEnhance

from medfm_cli.commands.curate.duplicates.step import deduplicate
from medfm_cli.commands.curate.duplicates.summary import DuplicateSummary
from medfm_cli.commands.curate.options.deduplicate import Deduplicate
from medfm_cli.commands.curate.similarity.near import (
    MOST_ALIKE,
    ImageFingerprints,
    Thumbnails,
    all_links,
    near_copies,
)
from medfm_cli.commands.curate.similarity.perceptual import TURNS

Row = dict[str, Any]


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)


class Done:
    """What becomes of some pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, rows: list[Row], **options: Any) -> DuplicateSummary:
        with ledger_of(self.folder / "catalog.sqlite", numbered(rows)) as catalog:
            unique = deduplicate(catalog, Deduplicate(**options))
            self.rows = [dict(row) for row in catalog.rows("SELECT * FROM items ORDER BY id")]
        return unique

    @property
    def clusters(self) -> list[int | None]:
        return [row["cluster"] for row in self.rows]

    @property
    def fates(self) -> list[str]:
        return [row["fate"] for row in self.rows]


@pytest.fixture
def done(tmp_path: Path) -> Done:
    return Done(tmp_path)


def test_near_copies_are_tied(done: Done) -> None:
    a, b, c = drawn(3)
    unique = done([seen(i) for i in (a, b, smaller(a), c, ImageEnhance.Contrast(b).enhance(0.8))])
    assert done.clusters == [1, 2, 1, None, 2]
    assert (unique.clusters, unique.clustered, unique.pairs) == (2, 4, 2)
    assert set(done.fates) == {"kept"}


@pytest.mark.parametrize("turn", range(1, len(TURNS)))
def test_turned_copies_are_found_and_named(done: Done, turn: int) -> None:
    a, b = drawn(2)
    pixels = np.asarray(smaller(a))
    turned = [
        np.rot90(pixels, turn), pixels[:, ::-1], pixels[::-1], pixels.T, pixels.T[::-1, ::-1]
    ][max(0, turn - 3)]  # fmt: skip
    unique = done([seen(b), seen(a), seen(np.ascontiguousarray(turned))])
    assert done.clusters == [None, 1, 1]
    assert unique.turned == 1
    (cluster,) = unique.largest
    # The first is the second, turned back.
    assert cluster.turns == (TURNS[0], TURNS[{1: 3, 3: 1}.get(turn, turn)])
    done([seen(b), seen(a), seen(np.ascontiguousarray(turned))], turned=False)
    assert done.clusters == [None, None, None]


def test_off_ties_nothing(done: Done) -> None:
    (a,) = drawn(1)
    assert done([seen(a), seen(smaller(a))], near="off").pairs == 0
    assert done.clusters == [None, None]


def test_one_is_kept_and_subjects_are_tied(done: Done) -> None:
    a, b = drawn(2)
    rows = [
        seen(a, subject="subject-1", known=1),
        seen(smaller(a), subject="subject-2", known=1, label="x"),
        seen(b, subject="subject-1", known=1),
    ]
    unique = done(rows, near="keep_one")
    assert done.fates == ["duplicate", "kept", "kept"]
    assert (done.rows[0]["twin"], done.rows[0]["reason"]) == (2, "nearly the same image")
    assert {row["subject"] for row in done.rows} == {"subject-1"}
    assert (unique.nearly, unique.tied, unique.clusters) == (1, 1, 1)
    assert done.clusters == [1, 1, None]


def test_exact_copies_can_stay(done: Done) -> None:
    a, b = drawn(2)
    rows = [seen(a, content_sha="a"), seen(b, content_sha="b"), seen(a, content_sha="a")]
    done(rows, exact="tie", near="off")
    assert (done.fates, done.clusters) == (["kept"] * 3, [1, None, 1])
    done(rows, exact="off", near="off")
    assert (done.fates, done.clusters) == (["kept"] * 3, [None] * 3)
    done(rows)
    assert (done.fates, done.clusters) == (["kept", "kept", "duplicate"], [None] * 3)


def test_frames_of_one_film_are_no_copies_but_images_of_one_collection_are(done: Done) -> None:
    (a,) = drawn(1)
    films = [seen(a, entry=1), seen(smaller(a), entry=1), seen(a.resize((99, 90)), entry=2)]
    done(films)
    assert done.clusters == [1, 1, 1]  # both frames are copies of the second film's
    done(films[:2])
    assert done.clusters == [None, None]
    done([film | {"part": f"{number}"} for number, film in enumerate(films[:2])])
    assert done.clusters == [1, 1]


def test_what_has_no_fingerprint_is_left_alone(done: Done) -> None:
    unique = done([{"kind": "text"}, {"kind": "image"}, {"kind": "signal"}])
    assert (done.clusters, unique.unseen) == ([None] * 3, 1)


def test_what_the_report_tells(done: Done) -> None:
    a, b = drawn(2)
    rows = [
        seen(a, label="x", official="train", subject="s1"),
        seen(smaller(a), label="y", official="test", subject="s2"),
        seen(b),
    ]
    unique = done(rows)
    assert (unique.disputed, unique.crossing) == (1, 1)
    (cluster,) = unique.largest
    assert (cluster.number, cluster.size, cluster.members) == (1, 2, (1, 2))
    assert (cluster.subjects, cluster.labels) == (2, 2)
    assert [(pair.one, pair.other) for pair in unique.doubtful] == [(1, 2)]
    ((*row,),) = unique.table().rows
    assert row == ["nearly the same image", 2, "kept together in 1 groups"]
    assert len(unique.remarks()) == 2


def test_clusters_do_not_depend_on_threads_or_tries(done: Done, tmp_path: Path) -> None:
    images = drawn(30)
    rows = numbered([seen(i) for image in images for i in (image, smaller(image))])
    found = []
    for threads in (1, 3):
        with ledger_of(tmp_path / "catalog.sqlite", rows) as catalog:
            deduplicate(catalog, threads=threads)
            found.append([r["cluster"] for r in catalog.rows("SELECT cluster FROM items")])
    assert found[0] == found[1] == [n for n in range(1, 31) for _ in range(2)]


def test_many_pictures_of_one_hash(tmp_path: Path) -> None:
    """All the same but one pixel: the same hash, other small pictures."""
    pixels = np.asarray(drawn(1)[0].resize((32, 32)))
    with Thumbnails(tmp_path) as thumbs:
        for number in range(MOST_ALIKE + 40):
            thumb = pixels.copy()
            thumb.reshape(-1)[number // 2] ^= 1
            thumbs.add(thumb.tobytes())
        count = len(thumbs)
        looks = ImageFingerprints(np.full(count, 5, np.uint64), thumbs)
        links = all_links(near_copies(looks, distance=0, turned=False))
    assert set(links.left) | set(links.right) == set(range(count))
    assert len(set(zip(links.left.tolist(), links.right.tolist(), strict=True))) == len(links.left)


@pytest.mark.realdata
def test_real_near_duplicates(done: Done, shared_data: Path) -> None:
    """Slices that were saved twice, and none of all the others."""
    folder = shared_data / "brain_mri_tumor"
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower()[1:] in ("jpg", "jpeg"))
    done([seen(Image.open(path).convert("L")) for path in paths])
    tied = [cluster for cluster in done.clusters if cluster is not None]
    assert 60 < len(tied) < 110
    sizes = np.bincount(tied)
    assert sizes.max() <= 6


@pytest.mark.realdata
def test_radiographs_are_found_at_another_size(done: Done, shared_data: Path) -> None:
    """The test split of PneumoniaMNIST beside the same children's JPEGs.

    It shows the middle square of each at 28 pixels, the JPEGs are squeezed whole: only where the
    radiograph was nearly square do both show the same.
    """
    paths = sorted((shared_data / "cxr_pediatric_pneumonia" / "img").iterdir())
    (packed,) = (shared_data / "pneumoniamnist_subset").glob("*.npz")
    small = np.load(packed)["test_images"]
    rows = [seen(Image.open(path).convert("L")) for path in paths] + [seen(x) for x in small]
    done(rows)
    large, tiny = done.clusters[: len(paths)], done.clusters[len(paths) :]
    assert len(set(large) & set(tiny) - {None}) >= 20
    sizes = np.bincount([cluster for cluster in done.clusters if cluster])
    assert sizes.max() <= 3
