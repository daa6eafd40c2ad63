"""Signals in CSV and `.npy`: read where a recipe asks for them, as pandas and NumPy read them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images, sniff
from medfm_cli.samples.content import Signal

LEADS = ("I", "II", "V1")
TABLE = np.random.default_rng(0).normal(size=(200, 3)).round(4)


def read(path: Path, **words: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(format={"rate": 500, **words})))


def signal(item: Item) -> Signal:
    assert isinstance(item.content, Signal)
    return item.content


def text(path: Path, **how: Any) -> Path:
    pd.DataFrame(TABLE, columns=list(LEADS)).to_csv(path, index=False, **how)
    return path


def test_a_table_of_numbers_is_no_signal_until_a_recipe_says_so(tmp_path: Path) -> None:
    path = text(tmp_path / "x.csv")
    np.save(tmp_path / "x.npy", TABLE)
    with pytest.raises(Unreadable):
        sniff(path)
    assert sniff(tmp_path / "x.npy").name == "npy"
    for where in ({"names": ["csv-signal"]}, {"words": ["rate"]}):
        assert sniff(path, **where).name == "csv-signal"
    assert sniff(tmp_path / "x.npy", words=["rate"]).name == "npy-signal"
    (tmp_path / "labels.csv").write_text("file,label\na.csv,normal\n")
    with pytest.raises(Unreadable):
        sniff(tmp_path / "labels.csv", words=["rate"])


@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
def test_columns_with_names(tmp_path: Path, mark: str) -> None:
    (item,) = read(text(tmp_path / "x", sep=mark))
    np.testing.assert_array_equal(signal(item).values, TABLE.T.astype(np.float32))
    assert signal(item).channels == LEADS
    assert (signal(item).rate, item.modality, item.facts["seconds"]) == (500.0, "ECG", 0.4)


def test_names_units_gaps_and_a_choice_of_channels(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfI,II,V1\r\nmV,mV,uV\r\n1,2,3\r\n,NaN,6\r\n,,\r\n7,8,9\r\n\r\n")
    (item,) = read(path, channels=["V1", "I"])
    assert (signal(item).channels, signal(item).units) == (("V1", "I"), ("uV", "mV"))
    np.testing.assert_array_equal(
        signal(item).values, np.array([[3, 6, np.nan, 9], [1, np.nan, np.nan, 7]], np.float32)
    )


def test_a_regular_time_column_gives_the_rate(tmp_path: Path) -> None:
    table = pd.DataFrame({"t": np.arange(200) / 250, "II": TABLE[:, 1]})
    table.to_csv(tmp_path / "x.csv", index=False)
    options = ReadOptions(format={"time": "t"})
    (item,) = sniff(tmp_path / "x.csv", ["csv-signal"]).read(tmp_path / "x.csv", options)
    assert (signal(item).rate, signal(item).channels) == (250.0, ("II",))
    table.loc[100:, "t"] += 3
    table.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(Unreadable, match="without a regular step"):
        list(sniff(tmp_path / "x.csv", ["csv-signal"]).read(tmp_path / "x.csv", options))


@pytest.mark.parametrize("layout", ["columns", "rows", None])
@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_layouts(tmp_path: Path, kind: str, layout: str | None) -> None:
    table = TABLE.T if layout == "rows" else TABLE
    if kind == "csv":
        np.savetxt(tmp_path / "x", table, delimiter=",")
    else:
        np.save(tmp_path / "x.npy", table.astype(np.float32))
        (tmp_path / "x.npy").rename(tmp_path / "x")
    (item,) = read(tmp_path / "x", layout=layout, channels="I, II, V1", units=["mV"])
    np.testing.assert_array_equal(signal(item).values, TABLE.T.astype(np.float32))
    assert signal(item).channels == LEADS
    assert signal(item).units == ("mV", "mV", "mV")


def test_the_number_of_channels_tells_a_short_signal(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", TABLE[:2])
    (item,) = read(tmp_path / "x.npy", channels=list(LEADS))
    np.testing.assert_array_equal(signal(item).values, TABLE[:2].T.astype(np.float32))


def test_a_stack_is_read_in_ranges(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(5, 3, 80))
    np.save(tmp_path / "x.npy", stack)
    reader = sniff(tmp_path / "x.npy", words=["rate"])
    assert reader.count is not None and reader.count(tmp_path / "x.npy") == 5
    options = ReadOptions(format={"rate": 100}, items=(1, 3))
    items = list(reader.read(tmp_path / "x.npy", options))
    assert [item.part for item in items] == ["1", "2"]
    np.testing.assert_array_equal(signal(items[1]).values, stack[2].astype(np.float32))


@pytest.mark.parametrize(
    ("data", "words", "reason"),
    [
        ("a,b\n1,2\n3,x\n", {}, "line 3 of the table has cells"),
        ("a,b\n1,2\n3\n", {}, "line 3 of the table has 1 cells, not 2"),
        ("a,b\n1,2\n", {"channels": ["c"]}, "without 1 of the channels"),
        ("1,2\n3,4\n5,6\n", {"channels": ["a", "b", "c"], "layout": "columns"}, "2 channels where"),
        ("1,2\n3,4\n5,6\n", {"units": ["a", "b", "c"]}, "2 channels where"),
        ("1,2\n", {"rate": -3}, "format.rate"),
        ("1,2\n", {"layout": "across"}, "format.layout"),
        ("a,b,c\n1,2\n", {}, "below its names"),
    ],
)
def test_tables_that_are_no_signal(
    tmp_path: Path, data: str, words: dict[str, Any], reason: str
) -> None:
    (tmp_path / "x").write_text(data)
    with pytest.raises(Unreadable, match=reason):
        read(tmp_path / "x", **words)


def test_without_a_rate_there_is_no_signal(tmp_path: Path) -> None:
    path = text(tmp_path / "x")
    with pytest.raises(Unreadable, match="without rate"):
        list(sniff(path, ["csv-signal"]).read(path, ReadOptions()))


def test_arrays_that_are_no_signal(tmp_path: Path) -> None:
    for name, array in {"text": np.array([["a"]]), "deep": np.zeros((2, 2, 2, 2))}.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(Unreadable):
            read(tmp_path / f"{name}.npy")
    buffer = io.BytesIO()
    np.save(buffer, TABLE)
    (tmp_path / "x.npy").write_bytes(buffer.getvalue()[:-8])
    with pytest.raises(Unreadable, match="truncated"):
        read(tmp_path / "x.npy")
