"""Texts, reports, tables and questions: the same cells as pandas and json on real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medfm_cli.readers import Item, ReadOptions, Unreadable, find_reader, sniff
from medfm_cli.readers.item import Turn
from medfm_cli.samples.content import Row, Text


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def read(path: Path, reader: str = "", **options: Any) -> tuple[list[Item], list[Unreadable]]:
    names = [reader] if reader else []
    found = list(sniff(path, names).read(path, ReadOptions(**options)))
    good = [item for item in found if isinstance(item, Item)]
    return good, [item for item in found if isinstance(item, Unreadable)]


def texts(items: list[Item]) -> list[str]:
    return [item.content.text for item in items if isinstance(item.content, Text)]


def cells(items: list[Item]) -> list[dict[str, Any]]:
    return [item.content.cells for item in items if isinstance(item.content, Row)]


SENTENCE = "the heart is of normal size and the lungs are clear on both sides"


def test_a_note_is_one_text_whatever_its_encoding(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        (tmp_path / "note").write_bytes("Größe 3 cm\r\n“klar”\r".encode(encoding))
        (item,), bad = read(tmp_path / "note", "text")
        assert (texts([item]), bad) == (["Größe 3 cm\n“klar”"], [])


@pytest.mark.parametrize("data", [b"a\0b", b"\n\n  "])
def test_what_is_no_note_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "note").write_bytes(b"x" * 5000 + data if data.strip() else data)
    with pytest.raises(Unreadable):
        list(find_reader("text").read(tmp_path / "note", ReadOptions()))


def test_text_files_and_tables_are_read_only_when_a_recipe_says_so(tmp_path: Path) -> None:
    note = write(tmp_path / "note", SENTENCE)
    table = write(tmp_path / "table", "file,label\na.png,1\nb.png,2\n")
    for path in (note, table):
        with pytest.raises(Unreadable, match="no known format: text"):
            sniff(path)
    assert sniff(note, ["text"]).name == "text"
    assert sniff(table, ["table"]).name == "table"
    assert sniff(table, ["reports"]).name == "reports"


@pytest.mark.parametrize(
    "text",
    [
        f"# A title, and more\n\n{SENTENCE}, and\nmore, with commas, of all\n{SENTENCE}\n",
        f"| folder | what |\n|---|---|\n| a | {SENTENCE} |\n" + f"{SENTENCE}\n" * 3,
        f"file,site,comment\na.png,Tartu,{SENTENCE}\n" + "b.png,Tartu,\n" * 3,
        "a,b\n1,2\n",
    ],
)
def test_prose_and_tables_with_a_remark_are_no_reports(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unreadable):
        sniff(write(tmp_path / "t", text))


def test_reports_are_found_by_content_and_sections_by_name(tmp_path: Path) -> None:
    lines = [
        "patient_id,sex,age,exam_date,findings,impression,extra",
        f'P1,female,063Y,2001-02-03,"{SENTENCE}, and more","no change, stable.",x',
        f"P2,M,40,,{SENTENCE},,y",
        "P3,1,400,,,,z",
    ]
    good, bad = read(write(tmp_path / "t.csv", "\n".join(lines)))
    assert texts(good) == [
        f"Findings: {SENTENCE}, and more\n\nImpression: no change, stable.",
        f"Findings: {SENTENCE}",
    ]
    first, second = good
    assert (first.subject, first.sex, first.age, first.time) == ("P1", "F", 63.0, "2001-02-03")
    assert (second.subject, second.sex, second.age, second.time) == ("P2", "M", 40.0, None)
    assert first.facts == {"format": "CSV", "text": "findings, impression"}
    assert [(b.reason, b.step, b.part) for b in bad] == [("row 3: an empty report", "quality", "3")]


def test_a_recipe_names_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b,c\nshort,words,P1\nmore,,P2\n")
    words = {"text": ["b", "a"], "subject": "c", "label": "a"}
    good, _ = read(path, "reports", format=words)
    assert texts(good) == ["B: words\n\nA: short", "A: more"]
    assert [(item.subject, item.label) for item in good] == [("P1", "short"), ("P2", "more")]
    with pytest.raises(Unreadable, match=r"format\.text names no column 'd'"):
        read(path, "reports", format={"text": "d"})


def test_the_same_reports_as_json_and_as_lines(tmp_path: Path) -> None:
    table = [{"report": f"{SENTENCE} {i}", "subject_id": i, "label": "x"} for i in range(3)]
    lines = "\n".join(json.dumps(row) for row in table)
    for text in (json.dumps(table), json.dumps({"reports": table}, indent=1), lines):
        good, bad = read(write(tmp_path / "t", text))
        assert texts(good) == [row["report"] for row in table]
        assert [item.subject for item in good] == ["0", "1", "2"]
        assert not bad
    good, bad = read(write(tmp_path / "t", lines + "\n{broken\n" + lines))
    assert len(good) == 6
    assert [b.reason for b in bad] == ["row 4 (line 4): not a JSON object"]


def test_cells_are_numbers_words_or_nothing(tmp_path: Path) -> None:
    lines = [
        "patient_id,age,code,value,mixed,empty,word,outcome",
        "P1,63,007,1.5,1,,yes,0",
        "P2,n/a,012,-2e3,x,,NaN,1",
    ]
    good, _ = read(write(tmp_path / "t.csv", "\n".join(lines)), "table")
    common = {"code": "007", "empty": None, "outcome": 0.0}
    first = {"age": 63.0, "code": "007", "value": 1.5, "mixed": "1", "word": "yes"}
    assert cells(good)[0] == common | first
    second = {"age": None, "code": "012", "value": -2000.0, "mixed": "x", "word": None}
    assert cells(good)[1] == second | {"empty": None, "outcome": 1.0}
    assert [item.subject for item in good] == ["P1", "P2"]
    labelled, _ = read(tmp_path / "t.csv", "table", format={"label": "outcome"})
    assert [item.label for item in labelled] == ["0", "1"]
    assert "outcome" not in cells(labelled)[0]


def test_a_broken_row_of_a_table_is_refused_with_its_number(tmp_path: Path) -> None:
    lines = [f"{i},{i}" for i in range(100)]
    lines[41] = '41,"4'
    path = write(tmp_path / "t.csv", "a,b\n" + "\n".join(lines) + "\n")
    good, bad = read(path, "table")
    assert len(good) == 99
    assert [b.reason for b in bad] == ["row 42 (line 43): a quoted cell that is not closed"]
    assert find_reader("table").count
    ranged = [
        item for low in range(0, 100, 30) for item in read(path, "table", items=(low, low + 30))[0]
    ]
    assert cells(ranged) == cells(good)
    assert [item.part for item in ranged] == [item.part for item in good]


def test_questions_about_texts_keep_their_facts(tmp_path: Path) -> None:
    table = [
        {"question": "Is it?", "answer": "yes", "context": {"contexts": ["One.", "Two."]}, "n": 1},
        {"question": "Which?", "answer": ["b", "a", "a"], "options": {"A": "a", "B": "b"}},
        {"question": "Why?", "answer": ""},
        {"question": "What is shown?", "answer": "a lung", "image": "x.png"},
    ]
    good, bad = read(write(tmp_path / "t", json.dumps({"questions": table})))
    assert texts(good) == ["One.\n\nTwo.", "Which?"]
    assert good[0].turns == (Turn("Is it?", "yes", {"n": 1}),)
    assert good[1].turns == (Turn("Which?", "a", {"options": {"A": "a", "B": "b"}}),)
    assert [(b.reason, b.step) for b in bad] == [
        ("row 3: no question or no answer", "quality"),
        ("row 4: its image is not in the source", "read"),
    ]


@pytest.mark.realdata
def test_real_reports_are_those_that_pandas_reads(shared_data: Path) -> None:
    import pandas as pd

    path = shared_data / "reports_iu_xray" / "indiana_reports.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    good, bad = read(path)
    expected = [
        "\n\n".join(
            f"{name.title()}: {row[name].strip()}"
            for name in ("findings", "impression")
            if row[name].strip()
        )
        for _, row in frame.iterrows()
    ]
    assert texts(good) == [text for text in expected if text]
    assert len(good) + len(bad) == len(frame) == find_reader("reports").count(path)  # type: ignore[misc]
    assert {b.step for b in bad} == {"quality"}
    assert [item.study for item in good[:3]] == frame["uid"].tolist()[:3]


@pytest.mark.realdata
def test_real_transcripts_are_those_that_pandas_reads(shared_data: Path) -> None:
    import pandas as pd

    path = shared_data / "text_mtsamples" / "mtsamples_part.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    good, bad = read(path, format={"label": "medical_specialty"})
    full = frame[frame["transcription"].str.strip() != ""]
    assert texts(good) == full["transcription"].str.strip().tolist()
    assert [item.label for item in good] == full["medical_specialty"].str.strip().tolist()
    assert len(bad) == len(frame) - len(full)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["ecg_ptbxl/ptbxl_database.csv", "blood_bccd/boxes.csv"])
def test_real_tables_have_the_numbers_that_pandas_reads(shared_data: Path, name: str) -> None:
    import pandas as pd

    frame = pd.read_csv(shared_data / name)
    good, bad = read(shared_data / name, "table")
    assert not bad
    found = pd.DataFrame(cells(good))
    compared = 0
    for column in found:
        if frame[column].dtype.kind in "if":
            got = found[column].astype(float)
            pd.testing.assert_series_equal(got, frame[column].astype(float), check_names=False)
            compared += 1
    assert compared >= 4
