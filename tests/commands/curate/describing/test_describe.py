"""Describe: counts, tails, balance, compressibility and the distance of classes."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_mixed import BLOCKS, Kept, everything, shape_picture, write_catalog, write_mixed

from medfm_cli.commands.curate.describing.features import features, matrix, squares
from medfm_cli.commands.curate.describing.measures import davies_bouldin, gzip_ratio
from medfm_cli.commands.curate.describing.step import describe
from medfm_cli.commands.curate.describing.tallies import balance, quantiles, tail
from medfm_cli.commands.curate.options.describe import Describe
from medfm_cli.samples.content import Image2D, Row, Series, Signal, Text


def described(folder: Path, items: list[Kept], *, seed: int = 0, **options: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    write_mixed(folder / "dataset", items)
    with write_catalog(folder / "catalog.db", items) as catalog:
        return describe(catalog, folder / "dataset", BLOCKS, Describe(**options), seed=seed)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return described(tmp_path_factory.mktemp("described"), everything())


def test_everything_is_counted_in_all_and_by_split(told: dict[str, Any]) -> None:
    counts = told["counts"]
    assert (told["samples"], told["subjects"]) == (45, 12 + 21)
    assert counts["label"]["well"]["samples"] == 16
    assert counts["label"]["no label"]["samples"] == 21
    assert counts["site"]["north"] == {
        "samples": 12, "subjects": 12, "train": 8, "val": 2, "test": 2,
    }  # fmt: skip
    for of in counts.values():
        for count in of.values():
            split = sum(count.get(name, 0) for name in ("train", "val", "test"))
            assert split == count["samples"]
    assert list(counts["source"]) == ["films", "records", "monitors"], "the commonest first"
    assert told["sources"]["monitors"]["kind"] == {"audio": 3, "signal": 3}
    assert counts["kind"]["image"]["samples"] == 24
    assert counts["anatomy"]["UNKNOWN"]["samples"] == 6 + 18
    assert sum(split["samples"] for split in told["splits"].values()) == 45


def test_ages_are_a_histogram(told: dict[str, Any]) -> None:
    ages = told["ages"]
    assert ages["known"] == 24
    assert ages["decades"]["20–29"]["samples"] == 4
    assert sum(decade["samples"] for decade in ages["decades"].values()) == 24
    assert ages["quartiles"] == [38.0, 56.0, 71.0]


def test_only_what_is_kept_counts(tmp_path: Path, told: dict[str, Any]) -> None:
    items = everything()
    copy = replace(items[0], fate="duplicate", step="duplicates", reason="the same file", twin=0)
    dropped = Kept(shape_picture(99), fate="dropped", step="labels", label="odd")
    assert described(tmp_path, [*items, copy, dropped]) == told


def test_sizes_of_every_kind(told: dict[str, Any]) -> None:
    sizes = told["sizes"]
    assert sizes["image"]["commonest"] == {"64 × 64": 24}
    assert sizes["volume"]["quantiles"]["slice spacing (mm)"] == [3.0] * 5
    assert sizes["volume"]["commonest"] == {"60 × 60 × 20": 3}
    assert sizes["signal"]["quantiles"]["length (s)"] == [10.0] * 5
    assert sizes["signal"]["commonest"] == {"12 channels, 100 Hz": 3}
    assert sizes["audio"]["quantiles"]["rate (Hz)"][2] == 4000
    assert sizes["video"]["quantiles"]["frames a second"][2] == 12
    assert 40 < sizes["series"]["quantiles"]["last time (h)"][2] <= 48
    assert set(sizes) == {"image", "volume", "video", "signal", "audio", "series", "table", "text"}


def test_the_file_is_what_was_told_and_the_same_every_time(
    tmp_path: Path, told: dict[str, Any]
) -> None:
    items = everything()
    again = described(tmp_path / "a", items)
    assert again == told
    assert json.loads((tmp_path / "a" / "dataset" / "description.json").read_text()) == told
    turned = described(tmp_path / "b", items[::-1])
    assert turned["tasks"] == told["tasks"], "what is measured does not depend on the order"
    other = described(tmp_path / "c", items, seed=1, sample=10)
    assert other["tasks"][0]["davies_bouldin"]["measured"] == 10


def test_measuring_can_be_off(tmp_path: Path) -> None:
    told = described(tmp_path, everything(), on=False)
    assert "tasks" not in told
    assert told["samples"] == 45


def test_tasks_know_their_balance_and_distance(told: dict[str, Any]) -> None:
    (task,) = told["tasks"]
    assert (task["source"], task["kind"], task["classes"]) == ("films", "image", 2)
    assert task["labelled"] == 24
    share = 1 / 3
    bits = -(share * math.log2(share) + (1 - share) * math.log2(1 - share))
    assert task["entropy_bits"] == pytest.approx(bits, abs=1e-6)
    assert task["imbalance"] == 2.0
    assert task["davies_bouldin"]["measured"] == 24
    assert 0 < task["davies_bouldin"]["value"] < 10


def test_samples_with_several_labels_are_a_task(tmp_path: Path) -> None:
    items = [
        Kept(shape_picture(i, ill=i % 2 == 0), subject=f"p{i}", labels=labels)
        for i, labels in enumerate([["a"], ["b"], ["a"], ["b"], ["a", "b"], [], ["a"], ["c"]])
    ]
    told = described(tmp_path, items)
    counts = {name: count["samples"] for name, count in told["counts"]["label"].items()}
    assert counts == {"a": 4, "b": 3, "c": 1}
    (task,) = told["tasks"]
    assert (task["labels"], task["labelled"], task["classes"]) == ("several", 8, 3)
    assert task["davies_bouldin"]["measured"] == 5, "those with one label, of classes of two"


def test_balance() -> None:
    assert balance([5, 5, 5, 5]) == {
        "entropy_bits": 2.0, "entropy_share": 1.0, "equal_classes": 4.0, "imbalance": 1.0,
    }  # fmt: skip
    assert balance([7])["entropy_bits"] == 0
    assert balance([])["imbalance"] == 0
    assert balance([99, 1, 0])["imbalance"] == 99


def test_the_tail_is_measured() -> None:
    counts = {str(i): {"samples": n} for i, n in enumerate([50, 25, 10, 5, 5, 5])}
    assert tail(counts) == {"values": 6, "largest_share": 0.5, "values_for_80_percent": 3}


def test_quantiles_are_values(tmp_path: Path) -> None:
    items = [Kept(shape_picture(i), age=float(a)) for i, a in enumerate([3, 1, 4, 1, 5, 9, 2, 6])]
    with write_catalog(tmp_path / "l.db", items) as catalog:
        assert quantiles(catalog, "age", "1", (0.0, 1.0)) == [1.0, 9.0]
        assert quantiles(catalog, "age", "age > 100") == []


@pytest.mark.parametrize("seed", range(12))
def test_davies_bouldin_is_scikit_learns(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    classes, n, d = random.integers(2, 8), random.integers(12, 120), random.integers(1, 30)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, n)])
    points = random.normal(size=(len(labels), d)) + labels[:, None] * random.uniform(0, 2)
    expected = metrics.davies_bouldin_score(points, labels)
    for names in (labels, labels.astype(str)):
        assert davies_bouldin(points, names) == pytest.approx(expected, rel=1e-6)


def test_davies_bouldin_where_it_has_no_value() -> None:
    points = np.ones((6, 3))
    assert davies_bouldin(points, np.zeros(6)) is None
    assert davies_bouldin(points, np.arange(6)) is None
    assert davies_bouldin(points, np.array([0, 0, 0, 1, 1, 1])) == 0.0, "as scikit-learn says"


def test_gzip_is_gzip() -> None:
    pixels = shape_picture(3).pixels
    expected = pixels.size / len(gzip.compress(pixels.tobytes(), 6))
    assert gzip_ratio(Image2D(pixels)) == pytest.approx(expected)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    assert gzip_ratio(Image2D(noise)) == pytest.approx(1, abs=0.02)
    flat = Signal(np.full((2, 5000), np.nan, np.float32), 100)
    assert gzip_ratio(flat) is None
    calm = Signal(np.float32(np.sin(np.arange(5000) / 9))[None], 100)
    assert gzip_ratio(calm) > 1.5  # type: ignore[operator]


def test_squares_are_means_of_a_grid() -> None:
    pixels = np.arange(8 * 12).reshape(8, 12)
    expected = pixels.reshape(4, 2, 4, 3).mean(axis=(1, 3)).reshape(-1)
    np.testing.assert_allclose(squares(pixels, (4, 4)), expected)
    assert squares(pixels[:2, :3], (16, 16)).shape == (256,), "smaller than the grid"
    colour = np.stack([pixels, pixels + 3, pixels + 6], axis=2)
    np.testing.assert_allclose(squares(colour, (4, 4)), expected + 3)


def test_features_of_every_kind_make_a_standard_matrix() -> None:
    by_kind: dict[str, list[Any]] = {}
    for item in everything():
        by_kind.setdefault(item.content.kind, []).append(features(item.content))
    assert len(by_kind) == 8
    for kind, rows in by_kind.items():
        values = matrix(rows)
        assert values.shape[0] == len(rows)
        assert np.isfinite(values).all(), kind
        spread = values.std(axis=0)
        assert ((spread < 1e-9) | (abs(spread - 1) < 1e-9)).all(), kind


def test_values_that_are_lacking_are_the_mean_of_the_others() -> None:
    rows = [features(Row({"a": 1.0, "b": "x"})), features(Row({"a": 3.0})), features(Row({}))]
    np.testing.assert_allclose(matrix(rows)[:, 0], [-np.sqrt(1.5), np.sqrt(1.5), 0])
    empty = features(Series(np.full((1, 2), np.nan, np.float32), np.arange(2.0), ("HR",)))
    assert empty == {}
    assert matrix([empty, empty]).shape == (2, 0)


def test_the_words_of_a_text_decide() -> None:
    one, other = features(Text("No effusion.")), features(Text("no EFFUSION."))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, features(Text("Large effusion.")))
