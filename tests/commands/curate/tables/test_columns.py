"""Which column means what: found by name and content, never guessed in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from curate_files import table

from medfm_cli.commands.curate.tables import columns
from medfm_cli.commands.curate.tables.open import Rows, delimiter, read_rows
from medfm_cli.errors import DataError


def rows(tmp_path: Path, header: str, *lines: str, repeat: int = 1) -> Rows:
    return read_rows(table(tmp_path / "t.csv", header, *lines * repeat))


def label(tmp_path: Path, header: str, *lines: str, repeat: int = 15) -> str | None:
    found = columns.find_label(rows(tmp_path, header, *lines, repeat=repeat), but=("file",))
    return ",".join(found.columns) if found else None


@pytest.mark.parametrize("delimiter_", [",", ";", "\t", "|"])
def test_tables_of_every_delimiter_and_encoding(tmp_path: Path, delimiter_: str) -> None:
    text = f"file{delimiter_}größe\na{delimiter_}1\n"
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        (tmp_path / "t").write_bytes(text.encode(encoding))
        assert read_rows(tmp_path / "t").header == ["file", "größe"]


@pytest.mark.parametrize(
    "head", [b"", b"one line\n", b"<a,b>\n<c,d>\n", b"a,b\n\0,\0\n", b"words\nx\n"]
)
def test_what_is_no_table(head: bytes) -> None:
    assert delimiter(head) == ""


def test_quoted_cells_short_rows_and_words_for_nothing(tmp_path: Path) -> None:
    found = rows(tmp_path, "file,label", '"a, b.png",x', "c.png", "d.png, NaN ")
    assert found.column("file") == ["a, b.png", "c.png", "d.png"]
    assert found.column("label") == ["x", "", ""]


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two columns called 'a'"):
        rows(tmp_path, "a,b,a", "1,2,3")


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("file,dx,age", ["a,mel,50", "b,nv,60"], "dx"),
        ("file,Diagnosis,sex", ["a,x,f", "b,y,m"], "Diagnosis"),
        ("file,target,label", ["a,0,ok", "b,1,ill"], "label"),
        ("file,type,label", ["a,still,x", "b,still,y", "c,film,x"], "label"),
        ("file,tumor_grade", ["a,1", "b,2", "c,3"], "tumor_grade"),
        ("file,shape,sex", ["a,round,f", "b,flat,m"], "shape"),
        ("file,MEL,NV,BCC", ["a,1,0,0", "b,0,1,0", "c,0.0,0.0,1.0"], "MEL,NV,BCC"),
        ("file,n_cells", ["a,1", "b,2"], None),
        ("file,age,sex", ["a,1,f", "b,2,m"], None),
    ],
)
def test_the_label_is_found(
    tmp_path: Path, header: str, lines: list[str], expected: str | None
) -> None:
    assert label(tmp_path, header, *lines) == expected


def test_free_text_is_no_label(tmp_path: Path) -> None:
    lines = [f"f{i},report number {i}" for i in range(60)]
    assert label(tmp_path, "file,findings", *lines, repeat=1) is None


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("file,label,diagnosis", ["a,x,p", "b,y,q", "c,x,q"]),
        ("file,colour,shape", ["a,red,round", "b,blue,flat", "c,red,flat"]),
    ],
)
def test_two_that_are_as_likely_are_an_error_that_says_what_to_type(
    tmp_path: Path, header: str, lines: list[str]
) -> None:
    with pytest.raises(DataError, match="several columns that could be the label") as caught:
        label(tmp_path, header, *lines)
    first = header.split(",")[1]
    assert caught.value.hint is not None
    assert f"labels={{file: t.csv, column: {first}}}" in caught.value.hint


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("patient_id,x", ["1,a", "2,b", "3,c"], "patient_id"),
        ("Subject,x", ["Ann,a", "Bob,b", "Eve,c"], "Subject"),
        ("lesion_id,x", ["H1,a", "H2,b", "H3,c"], "lesion_id"),
        ("lesion,x", ["mole,a", "scar,b", "wart,c"], None),
        ("case,x", ["yes,a", "no,b"], None),
        ("patient,lesion_id", ["p1,l1", "p1,l2", "p2,l3", "p3,l4"], "patient"),
        ("age,x", ["1,a", "2,b", "3,c"], None),
    ],
)
def test_the_subject_is_the_coarsest_that_is_named_so(
    tmp_path: Path, header: str, lines: list[str], expected: str | None
) -> None:
    found = columns.find_subject(rows(tmp_path, header, *lines))
    assert (found.column if found else None) == expected


def test_two_subjects_of_which_neither_holds_the_other_are_an_error(tmp_path: Path) -> None:
    lines = ["p1,d1", "p1,d2", "p2,d1", "p3,d3"]
    with pytest.raises(DataError, match="'patient_id', 'donor_id'") as caught:
        columns.find_subject(rows(tmp_path, "patient_id,donor_id", *lines))
    assert caught.value.hint is not None and "subject=patient_id" in caught.value.hint


def test_a_split_holds_names_of_splits_only(tmp_path: Path) -> None:
    good = rows(tmp_path, "file,set", "a,Training", "b,valid", "c,TEST")
    assert columns.find_split(good) is not None
    assert [columns.split_name(v) for v in good.column("set")] == ["train", "val", "test"]
    assert columns.find_split(rows(tmp_path, "file,set", "a,1", "b,train")) is None


def test_a_column_that_is_not_there_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'patient'") as caught:
        columns.named("patient", ["file", "patients"], tmp_path / "t.csv", "subject")
    assert caught.value.hint is not None and "did you mean 'patients'" in caught.value.hint
