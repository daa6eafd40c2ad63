"""Real tables of patients, lesions, sites and folds, split, dealt to clients and asked about."""

from __future__ import annotations

import ast
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from curate_catalog import ledger_of

from medfm_cli.commands.curate.instructions.step import add_instructions
from medfm_cli.commands.curate.options.clients import Clients
from medfm_cli.commands.curate.options.instructions import Instructions
from medfm_cli.commands.curate.options.split import Split
from medfm_cli.commands.curate.split.clients import partition
from medfm_cli.commands.curate.split.step import split

pytestmark = pytest.mark.realdata
Sample = dict[str, Any]


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


@pytest.fixture
def skin(shared_data: Path) -> list[Sample]:
    return [
        {"subject": row["lesion_id"], "label": row["dx"], "modality": "Dermoscopy"}
        for row in rows_of(shared_data / "skin_ham10000_sample" / "labels.csv")
    ]


@pytest.fixture
def ecgs(shared_data: Path) -> list[Sample]:
    return [
        {
            "subject": row["patient_id"],
            "site": row["site"],
            "labels": sorted(ast.literal_eval(row["scp_codes"])),
            "official": row["strat_fold"],
            "time": row["recording_date"],
            "kind": "signal",
            "modality": "ECG",
        }
        for row in rows_of(shared_data / "ecg_ptbxl" / "ptbxl_database.csv")
    ]


def test_lesions_stay_whole_and_diagnoses_come_in_proportion(
    tmp_path: Path, skin: list[Sample]
) -> None:
    with ledger_of(tmp_path / "l", skin) as catalog:
        said = split(catalog, Split(), seed=0)
        sides = [row[0] for row in catalog.rows("SELECT split FROM items ORDER BY id")]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for sample, side in zip(skin, sides, strict=True):
        found[sample["subject"]].add(side)
    assert all(len(where) == 1 for where in found.values())
    assert len(said.labels) == 7
    for counts in said.labels.values():
        for side, share in said.shares.items():
            assert abs(counts[side] / counts.total() - share) <= 0.02


def test_the_folds_of_ptbxl_keep_their_patients(tmp_path: Path, ecgs: list[Sample]) -> None:
    """The released FEDMEKI code splits by record and tears patients apart."""
    folds = {"column": "strat_fold", "val": [6], "test": [7]}
    with ledger_of(tmp_path / "l", ecgs) as catalog:
        said = split(catalog, Split.model_validate({"official": folds}), seed=0)
    assert (said.official, said.crossing, said.torn) == (True, 0, 0)
    fold = Counter(sample["official"] for sample in ecgs)
    assert (said.sides["val"], said.sides["test"]) == (fold["6"], fold["7"])


def test_ecgs_split_by_time_and_by_site(tmp_path: Path, ecgs: list[Sample]) -> None:
    with ledger_of(tmp_path / "l", ecgs) as catalog:
        said = split(catalog, Split(by="time"), seed=0)
        assert abs(said.sides["test"] / len(ecgs) - 0.15) < 0.02
        last = catalog.one("SELECT max(time) FROM items WHERE split = 'train'")
        early, back = catalog.db.execute(
            "SELECT sum(time <= ?), sum(time <= ? AND subject IN "
            "(SELECT subject FROM items WHERE time > ?)) FROM items WHERE split = 'test'",
            (last, last, last),
        ).fetchone()
        assert early == back  # only patients who came back later
        split(catalog, Split(by="site"), seed=0)
        for _, sides in catalog.rows(
            "SELECT site, count(DISTINCT split) FROM items WHERE site <> '' GROUP BY site"
        ):
            assert sides == 1


def test_clients_and_questions_of_ecgs(tmp_path: Path, ecgs: list[Sample]) -> None:
    with ledger_of(tmp_path / "l", ecgs) as catalog:
        split(catalog, Split(), seed=0)
        iid = partition(catalog, Clients(count=4), seed=0)
        skewed = partition(catalog, Clients(count=4, scheme="dirichlet", alpha=0.1), seed=0)
        assert iid.skew < 0.15 < skewed.skew
        said = add_instructions(catalog, Instructions(), seed=0)
        normal, other = (
            catalog.one(
                "SELECT count(*) FROM items WHERE split = 'train' AND "
                "(labels LIKE '%\"NORM\"%') = ?",
                has,
            )
            for has in (1, 0)
        )
    asked = [b.each for b in said.labels if b.what == "NORM" and b.split == "train"]
    assert asked == [min(normal, other)]
    assert said.tasks["open"] == len(ecgs)
