"""Partitions for federations: every subject at one client, every sample dealt, skewed as asked."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from curate_catalog import ledger_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from medfm_cli.commands.curate.options.clients import Clients
from medfm_cli.commands.curate.options.split import Split
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.split.clients import partition
from medfm_cli.commands.curate.split.step import split
from medfm_cli.errors import DataError

Sample = dict[str, Any]
SEVEN_TO_ONE = {"train": 0.8, "val": 0.1, "test": 0.1}


def dealt(
    samples: list[Sample],
    *,
    seed: int = 0,
    sides: dict[str, Any] | None = None,
    **keys: Any,
) -> tuple[list[tuple[str, str]], Partitioned]:
    """Split and client of every sample, and what the step says; splits unless samples say."""
    with TemporaryDirectory() as folder, ledger_of(Path(folder, "l"), samples) as catalog:
        if "split" not in samples[0]:
            split(catalog, Split.model_validate(sides or SEVEN_TO_ONE), seed=seed)
        said = partition(catalog, Clients.model_validate(keys), seed=seed)
        rows = catalog.rows("SELECT split, client FROM items ORDER BY id")
        return [(row[0], row[1]) for row in rows], said


def table(chance: int, subjects: int = 400, *, classes: int = 4, sizes: int = 4) -> list[Sample]:
    """Subjects with one to a few samples, of one site each."""
    draw = random.Random(chance)
    return [
        {
            "subject": f"s{s}",
            "site": f"site {s % 7}",
            "label": f"label {draw.randrange(classes)}",
            "modality": draw.choice(["CT", "XR", "MR", "US"]) if s % 5 else "CT",
        }
        for s in range(subjects)
        for _ in range(draw.randint(1, sizes))
    ]


schemes_ = st.one_of(
    st.fixed_dictionaries({"scheme": st.just("iid")}),
    st.fixed_dictionaries(
        {"scheme": st.sampled_from(["dirichlet", "quantity"]), "alpha": st.sampled_from([0.1, 2.0])}
    ),
    st.fixed_dictionaries({"scheme": st.just("quantity"), "exponent": st.just(1.0)}),
    st.fixed_dictionaries(
        {"scheme": st.just("site"), "count": st.sampled_from([None, 2])},
    ),
    st.fixed_dictionaries(
        {"scheme": st.just("modality"), "missing": st.sampled_from([0.25, 0.5, 0.9])}
    ),
)
samples_ = st.lists(
    st.fixed_dictionaries(
        {
            "subject": st.integers(0, 40).map("s{}".format),
            "cluster": st.none() | st.integers(0, 60),
            "site": st.sampled_from(["", "x", "y", "z"]),
            "modality": st.sampled_from(["", "CT", "XR"]),
            "fate": st.sampled_from(["kept", "kept", "duplicate"]),
        },
        optional={"labels": st.lists(st.sampled_from("abc"), unique=True)},
    ),
    min_size=40,
    max_size=120,
)
COMMON: list[Sample] = [
    {"subject": f"sure {i}", "site": "xy"[i % 2], "modality": ["CT", "XR"][i % 2], "fate": "kept"}
    for i in range(24)
]


@settings(max_examples=200)
@given(samples_, schemes_, st.integers(0, 5), st.sampled_from([0.0, 0.1]))
def test_every_subject_is_at_one_client_and_every_sample_is_dealt(
    samples: list[Sample], scheme: dict[str, Any], seed: int, public: float
) -> None:
    samples = samples + COMMON
    keys = {"count": 3, "min_samples": 1, "public": public} | scheme
    try:
        rows, said = dealt(samples, seed=seed, **keys)
    except DataError as error:  # all may be one group
        assert "clients" in str(error)
        return
    names = {client.name for client in said.clients} | ({"public"} if public else set())
    holders: defaultdict[tuple[str, Any], set[str]] = defaultdict(set)
    for sample, (side, client) in zip(samples, rows, strict=True):
        assert bool(client) == (side in ("train", "val")) == (client in names)
        assert client != "public" or side == "train"
        if client:
            holders["subject", sample["subject"]].add(client)
            if sample.get("cluster") is not None:
                holders["cluster", sample["cluster"]].add(client)
            if scheme["scheme"] == "site" and sample["site"] and client != "public":
                holders["site", sample["site"]].add(client)
    assert all(len(found) == 1 for found in holders.values())
    counts = Counter(client for _, client in rows if client)
    assert {c.name: c.train + c.val for c in (*said.clients, said.public)} == {
        name: counts[name] for name in (*(c.name for c in said.clients), "public")
    }


@settings(max_examples=50)
@given(schemes_, st.integers(0, 9), st.randoms(use_true_random=False))
def test_neither_a_second_run_nor_the_order_of_the_samples_matters(
    scheme: dict[str, Any], seed: int, chance: random.Random
) -> None:
    samples = table(seed, 60)
    for number, sample in enumerate(samples):
        sample["content_sha"] = f"{number:064x}"
    keys = {"count": 2, "public": 0.1, "min_samples": 1} | scheme
    rows, _ = dealt(samples, seed=seed, **keys)
    assert dealt(samples, seed=seed, **keys)[0] == rows
    order = list(range(len(samples)))
    chance.shuffle(order)
    assert dealt([samples[i] for i in order], seed=seed, **keys)[0] == [rows[i] for i in order]


def test_iid_clients_are_alike_in_size_and_labels() -> None:
    rows, said = dealt(table(0, 1000), count=5)
    sizes = Counter(client for side, client in rows if side == "train")
    assert max(sizes.values()) - min(sizes.values()) <= 4
    assert said.skew < 0.01


def test_seven_to_one_to_one_to_one_with_whole_subjects() -> None:
    rows, said = dealt(table(1, 3000), count=5, public=0.1)
    parts = Counter("public" if client == "public" else side for side, client in rows)
    for part, share in {"train": 0.7, "val": 0.1, "public": 0.1, "test": 0.1}.items():
        assert abs(parts[part] / len(rows) - share) < 0.003
    assert {client for side, client in rows if side == "test"} == {""}
    assert all(client.val > 0.09 * client.train for client in said.clients)
    total = Counter[str]()
    for sample in table(1, 3000):
        total[sample["label"]] += 1
    for label, count in said.public.labels.items():
        assert abs(count / total[label] - 0.1) < 0.01


def test_alpha_goes_from_alike_to_one_label_at_one_client() -> None:
    """How much of a label its greatest holder has, on average over labels and seeds."""
    samples = table(2, 800, sizes=1)
    most = []
    for alpha in (1e6, 10.0, 1.0, 0.1, 1e-4):
        found = []
        for seed in range(4):
            _, said = dealt(samples, seed=seed, scheme="dirichlet", alpha=alpha, min_samples=1)
            for label in (f"label {i}" for i in range(4)):
                held = [client.labels[label] for client in said.clients]
                found.append(max(held) / sum(held))
        most.append(sum(found) / len(found))
    assert most == sorted(most)
    assert most[0] < 0.22
    assert most[-1] > 0.97


def test_a_clients_validation_data_are_like_its_training_data() -> None:
    samples = table(3, 4000, sizes=1)
    rows, _ = dealt(samples, scheme="dirichlet", alpha=0.3, count=4)
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sample, (side, client) in zip(samples, rows, strict=True):
        counts[client, side][sample["label"]] += 1
    for client in (f"client-0{i}" for i in range(1, 5)):
        train, val = counts[client, "train"], counts[client, "val"]
        for label in train:
            assert abs(train[label] / train.total() - val[label] / max(1, val.total())) < 0.05


def test_quantity_is_skewed_and_labels_are_not() -> None:
    _, said = dealt(table(4, 2000), scheme="quantity", exponent=1.5, count=4)
    sizes = [client.train for client in said.clients]
    weights = [n**-1.5 for n in (1, 2, 3, 4)]
    for size, weight in zip(sizes, weights, strict=True):
        assert abs(size / sum(sizes) - weight / sum(weights)) < 0.01
    assert said.skew < 0.02
    _, said = dealt(table(4, 2000), scheme="quantity", alpha=0.3, count=4)
    assert max(c.train for c in said.clients) > 2 * min(c.train for c in said.clients)


def test_sites_are_clients() -> None:
    samples = table(5, 700)
    rows, said = dealt(samples, scheme="site", count=None)
    assert len(said.clients) == 7
    assert {client.sites for client in said.clients} == {1}
    where = {
        (sample["site"], client)
        for sample, (_, client) in zip(samples, rows, strict=True)
        if client
    }
    assert len(where) == 7
    _, said = dealt(samples, scheme="site", count=3)
    assert sorted(client.sites for client in said.clients) == [2, 2, 3]
    with pytest.raises(DataError, match="there are 7 sites"):
        dealt(samples, scheme="site", count=8)
    with pytest.raises(DataError, match="no sample has one"):
        dealt([{"subject": f"s{i}"} for i in range(9)], scheme="site")


@pytest.mark.parametrize("missing", [0.25, 0.5, 0.75])
def test_clients_lack_modalities(missing: float) -> None:
    samples = [
        {"subject": f"s{i}", "modality": ["CT", "XR", "MR", "US"][i % 4], "label": "ab"[i % 2]}
        for i in range(800)
    ]
    _, said = dealt(samples, scheme="modality", missing=missing, count=5)
    for client, lacking in zip(said.clients, said.lacking, strict=True):
        assert len(lacking) == round(4 * missing)
        assert set(client.modalities) == {"CT", "XR", "MR", "US"} - set(lacking)
    assert set().union(*(c.modalities for c in said.clients)) == {"CT", "XR", "MR", "US"}
    assert said.against == 0


def test_a_subject_with_more_modalities_than_any_client_stays_whole() -> None:
    samples = [{"subject": f"s{i // 2}", "modality": ["CT", "MR"][i % 2]} for i in range(80)]
    samples += [{"subject": f"o{i}", "modality": ["CT", "MR"][i % 2]} for i in range(80)]
    rows, said = dealt(samples, scheme="modality", count=4, missing=0.5)
    assert said.against == sum(1 for _, client in rows[:80] if client)
    assert any("no client has all of" in text for text in said.remarks())


def test_every_client_has_enough_or_it_cannot_be_done() -> None:
    _, said = dealt(table(6, 300), scheme="dirichlet", alpha=0.01, count=8, min_samples=30)
    assert min(client.train for client in said.clients) >= 30
    assert said.repaired > 0
    with pytest.raises(DataError, match="cannot be made of"):
        dealt(table(6, 40), count=5, min_samples=100)
    with pytest.raises(DataError, match="need as many subjects"):
        dealt(table(6, 5), count=8)
    with pytest.raises(DataError, match="no more than that"):
        dealt(table(6, 40), public=0.9)


def test_a_small_site_is_told_and_not_filled_up() -> None:
    samples = [{"subject": f"s{i}", "site": "small" if i < 4 else "large"} for i in range(200)]
    _, said = dealt(samples, scheme="site", count=None, sides={"by": "subject"})
    assert len(said.few) == 1
    assert said.few[0] in said.remarks()[0]


def test_a_subject_that_an_official_split_tears_is_still_at_one_client() -> None:
    samples = [
        {"subject": f"s{i}", "split": side} for i in range(60) for side in ("train", "val", "test")
    ]
    rows, _ = dealt(samples, count=3, public=0.2)
    for i in range(60):
        (_, train), (_, val), (_, test) = rows[3 * i : 3 * i + 3]
        assert train == val != ""
        assert test == ""


def test_the_tables_show_every_client() -> None:
    _, said = dealt(table(7), count=3, public=0.1)
    sizes, labels, modalities = said.tables()
    assert [row[0] for row in sizes.rows] == ["client-01", "client-02", "client-03", "public"]
    assert labels.columns[0] == "Client" and len(labels.columns) == 5
    assert modalities.columns[1] == "CT"


@pytest.mark.parametrize(
    ("keys", "words"),
    [({"count": None}, "how many clients"), ({"exponent": 1.0}, "goes with the scheme quantity")],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Clients.model_validate(keys)
