"""ICU stays: the Challenge's files and wide tables, as pandas reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from signal_files import STAY, WORDS, stay, wide

from medfm_cli.commands.curate.sources.matching import stem
from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images, sniff
from medfm_cli.samples.content import Series


def read(path: Path, **words: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(format=words)))


def series(item: Item) -> Series:
    assert isinstance(item.content, Series)
    return item.content


def of(item: Item, channel: str) -> dict[float, float]:
    """The values of a channel by hour."""
    found = series(item)
    row = found.values[found.channels.index(channel)]
    return {
        round(float(hour), 4): float(value)
        for hour, value in zip(found.times, row, strict=True)
        if not np.isnan(value)
    }


def test_a_stay_of_the_challenge(tmp_path: Path) -> None:
    (item,) = read(stay(tmp_path / "x"))
    assert (item.subject, item.study, item.age, item.sex) == ("132539", "132539", 54.0, "F")
    assert item.site == "Surgical ICU"
    assert series(item).static == {"ICUType": 4.0, "Weight": 70.5}
    assert of(item, "HR") == {0.1167: 74.0}, "the mean of two, and -1 is missing"
    assert of(item, "Weight") == {47.6167: 71.0}, "the first weight is static"
    assert of(item, "Urine") == {0.1167: 900.0}
    groups = dict(zip(series(item).channels, series(item).groups, strict=True))
    assert (groups["HR"], groups["WBC"], groups["FiO2"]) == ("vitals", "labs", "inputs")
    assert groups["Urine"] == "outputs"
    assert series(item).units[series(item).channels.index("Temp")] == "°C"
    assert item.facts == {"format": "PhysioNet 2012", "measurements": 4, "repeated": 1}
    assert "132539" not in repr(item.facts) + repr(series(item).meta)


@pytest.mark.realdata
def test_real_stays_are_those_of_pandas(shared_data: Path) -> None:
    paths = sorted((shared_data / "icu_physionet2012_a" / "set-a").glob("*.txt"))
    assert len(paths) == 1500
    for path in paths[::50]:
        (item,) = read(path)
        table = pd.read_csv(path)
        hours = table["Time"].str.split(":", expand=True).astype(int)
        table["Time"] = (hours[0] + hours[1] / 60).round(6)
        fixed = ["RecordID", "Age", "Gender", "Height", "ICUType"]
        table = table[~table["Parameter"].isin(fixed) & (table["Value"] != -1)]
        table = table[(table["Parameter"] != "Weight") | (table["Time"] > 0)]
        expected = table.groupby(["Parameter", "Time"])["Value"].mean()
        assert item.facts["measurements"] == len(expected)
        assert item.facts.get("repeated", 0) == len(table) - len(expected)
        for name in series(item).channels:
            mine = of(item, name)
            theirs = expected[name] if name in expected.index else pd.Series(dtype=float)
            assert list(mine) == [round(time, 4) for time in theirs.index]
            np.testing.assert_allclose(list(mine.values()), theirs.values, rtol=1e-6)
        assert item.notes == ()
    outcomes = pd.read_csv(shared_data / "icu_physionet2012_a" / "Outcomes-a.csv", dtype=str)
    assert set(outcomes["RecordID"]) == {stem(path.name) for path in paths}


def test_the_recipe_says_what_belongs_where(tmp_path: Path) -> None:
    groups = {"labs": ["Temp"], "vitals": ["HR"], "static": ["Urine"]}
    (item,) = read(stay(tmp_path / "x"), groups=groups, missing=[73], units={"HR": "1/min"})
    assert series(item).channels == ("HR", "Temp")
    assert series(item).units == ("1/min", "")
    assert of(item, "HR") == {0.1167: 75.0, 47.6167: -1.0}
    assert series(item).static == {"Urine": 900.0}
    assert item.facts["left_out"] == 3, "Height once, Weight twice"
    assert item.notes == ("2 variables are in no group",)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"groups": {"vital": ["HR"]}}, "not vital"),
        ({"groups": {"vitals": ["HR"], "labs": ["HR"]}}, "twice"),
        ({"groups": ["HR"]}, "table of lists"),
        ({"missing": "none"}, "numbers"),
        ({"time_unit": "weeks"}, "time_unit"),
    ],
)
def test_words_that_make_no_sense(tmp_path: Path, words: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(stay(tmp_path / "x"), **words)


def test_broken_rows_are_counted(tmp_path: Path) -> None:
    text = STAY + "x,HR,3\n02:00,HR\n02:00,HR,x\n" + "03:00,HR,80\n" * 30
    (item,) = read(stay(tmp_path / "x", text))
    assert item.notes == ("3 rows cannot be read",)
    with pytest.raises(Unreadable, match="damaged"):
        read(stay(tmp_path / "x", STAY + "02:00,HR\n" * 9))
    with pytest.raises(Unreadable, match="without measurements"):
        read(stay(tmp_path / "x", "00:00,RecordID,1\n00:00,Age,54\n"))


@pytest.mark.parametrize("dates", [False, True])
@pytest.mark.parametrize("parquet", [False, True])
def test_a_wide_table_holds_many_stays(tmp_path: Path, parquet: bool, dates: bool) -> None:
    table = wide(tmp_path / "x", parquet=parquet, dates=dates)
    items = read(tmp_path / "x", **WORDS)
    assert [item.subject for item in items] == [str(1000 + s) for s in range(20)]
    for item, (_, rows) in zip(items, table.groupby("stay"), strict=True):
        assert series(item).channels == ("HR", "Na")
        np.testing.assert_allclose(series(item).times, 2.0 * np.arange(len(rows)))
        np.testing.assert_array_equal(
            series(item).values, rows[["HR", "Na"]].to_numpy(np.float32).T
        )
        assert (item.sex, item.age) == (rows["sex"].iloc[0], float(rows["age"].iloc[0]))
        assert item.time == ("2150-03-01T10:00:00" if dates else None)


@pytest.mark.parametrize("parquet", [False, True])
def test_ranges_together_are_the_whole(tmp_path: Path, parquet: bool) -> None:
    table = wide(tmp_path / "x", parquet=parquet)
    reader = sniff(tmp_path / "x", words=WORDS)
    assert reader.name == "icu-wide"
    assert reader.count is not None and reader.count(tmp_path / "x") == len(table)
    whole = [(item.part, item.subject) for item in read(tmp_path / "x", **WORDS)]
    for size in (1, 7, 50, 1000):
        ranges = [(low, low + size) for low in range(0, len(table), size)]
        pieces = [
            (item.part, item.subject)
            for items in ranges
            for item in reader.read(tmp_path / "x", ReadOptions(items=items, format=WORDS))
            if isinstance(item, Item)
        ]
        assert pieces == whole


def test_stays_in_pieces_are_refused(tmp_path: Path) -> None:
    table = wide(tmp_path / "x")
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "x", index=False)
    with pytest.raises(Unreadable, match="sort it"):
        read(tmp_path / "x", **WORDS)


def test_one_broken_row_costs_one_row(tmp_path: Path) -> None:
    wide(tmp_path / "x")
    lines = (tmp_path / "x").read_text().splitlines()
    lines[200] = lines[200] + ",,,9"
    (tmp_path / "x").write_text("\n".join(lines))
    items = read(tmp_path / "x", **WORDS)
    assert len(items) == 20
    assert [item.notes for item in items if item.notes] == [("1 rows cannot be read",)]


def test_a_wide_table_needs_the_columns_that_are_named(tmp_path: Path) -> None:
    wide(tmp_path / "x")
    with pytest.raises(Unreadable, match="lacks 1 of the columns"):
        read(tmp_path / "x", **(WORDS | {"age": "years"}))
    reader = sniff(tmp_path / "x", ["icu-wide"])
    with pytest.raises(Unreadable, match=r"format\.time"):
        list(reader.read(tmp_path / "x", ReadOptions()))
    (tmp_path / "x").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(Unreadable, match="damaged Parquet"):
        read(tmp_path / "x", **WORDS)


def test_a_table_without_a_column_of_stays_is_one_stay(tmp_path: Path) -> None:
    """As in the Challenge of 2019: a file a patient, `|` between the cells."""
    text = "HR|Temp|Age|Gender|ICULOS\n80|NaN|61|0|1\n82|36.5|61|0|2\nNaN|NaN|61|0|3\n"
    (tmp_path / "p1.psv").write_text(text)
    words = {"time": "ICULOS", "age": "Age", "sex": "Gender", "sexes": {0: "F", 1: "M"}}
    reader = sniff(tmp_path / "p1.psv", ["icu-wide"])
    (item,) = reader.read(tmp_path / "p1.psv", ReadOptions(format=words))
    assert isinstance(item, Item)
    assert (item.subject, item.age, item.sex) == (None, 61.0, "F")
    assert of(item, "HR") == {1.0: 80.0, 2.0: 82.0}
    assert of(item, "Temp") == {2.0: 36.5}


def test_a_table_of_measurements(tmp_path: Path) -> None:
    text = (
        "stay,when,what,how_much,who\n7,2150-01-01 10:00,HR,80,x\n7,2150-01-01 11:30,HR,90,x\n"
        "7,2150-01-01 11:30,Na,140,x\n8,2150-02-01 09:00,Na,141,x\n8,2150-02-01 09:00,Foo,1,x\n"
    )
    (tmp_path / "x").write_text(text)
    words = {"id": "stay", "time": "when", "variable": "what", "value": "how_much"}
    groups = {"labs": ["Na"], "vitals": ["HR"]}
    first, second = read(tmp_path / "x", groups=groups, **words)
    assert (of(first, "HR"), of(first, "Na")) == ({0.0: 80.0, 1.5: 90.0}, {1.5: 140.0})
    assert of(second, "Na") == {0.0: 141.0}
    assert second.facts["left_out"] == 1
    assert (second.subject, second.time) == ("8", "2150-02-01T09:00:00")
