"""Tables as streams: the same cells as `csv` and pandas, and one broken row costs one row."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.errors import DataError
from medfm_cli.readers.records.delimited import MARK, Broken, Cells, count, layout, rows


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read(path: Path, **options: bool) -> tuple[list[list[str]], list[Broken]]:
    found = list(rows(layout(path), **options))
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    good = [row.cells for row in found if isinstance(row, Cells)]
    return good, [row for row in found if isinstance(row, Broken)]


MANY = "".join(f"{i},x{i},y\n" for i in range(50))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"7,x", "2 cells, where the header has 3"),
        (b"7,x,y,z", "4 cells, where the header has 3"),
        (b'7,"x"y,z', "a quote inside of a quoted cell"),
        (b'7,"x,z', "a quoted cell that is not closed"),
        (b"7,x\0,z", "it holds NUL bytes"),
        (b"7,x\xff,z", "it is not in UTF-8, unlike the rows around it"),
        (b"7,x\ry,z", "a line break in a cell without quotes"),
    ],
)
def test_one_broken_row_costs_one_row(tmp_path: Path, line: bytes, reason: str) -> None:
    data = b"id,name,note\n" + MANY.encode() + line + b"\n" + MANY.encode() * 3
    good, broken = read(write(tmp_path / "t.csv", data))
    assert broken == [Broken(51, 52, reason)]
    assert len(good) == 200
    assert good[50] == ["0", "x0", "y"]


def test_a_stray_quote_that_meets_another_quote_costs_its_own_row_only(tmp_path: Path) -> None:
    data = 'id,name,note\n1,"a,b\n2,c,d\n3,"e, f",g\n4,"h\ni",j\n'
    good, broken = read(write(tmp_path / "t.csv", data))
    assert [row[0] for row in good] == ["2", "3", "4"]
    assert good[1][1] == "e, f"
    assert good[2][1] == "h\ni"
    assert [(row.number, row.line) for row in broken] == [(1, 2)]


def test_a_long_note_with_a_wrong_quote_is_one_broken_row(tmp_path: Path) -> None:
    data = 'id,name,note\n1,a,"first line\nsecond "line\nlast"\n2,b,c\n'
    good, broken = read(write(tmp_path / "t.csv", data))
    assert good == [["2", "b", "c"]]
    assert sum(row.number == 1 for row in broken) == 1


def test_rows_that_end_early_can_be_filled(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,name,note\n1\n2,b\n3,c,d\n4,e,f,\n")
    assert read(path)[0] == [["3", "c", "d"], ["4", "e", "f"]]
    assert read(path, fill=True)[0] == [["1", "", ""], ["2", "b", ""], *read(path)[0]]
    assert count(layout(path)) == 4


def test_columns_without_a_name_at_the_end_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ",name,\n1,a,\n2,b\n")
    assert read(path) == ([["1", "a", ""], ["2", "b", ""]], [])


def test_lines_that_say_nothing_are_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "\n\nid,name\n\n1,a\n , \n,\n2,b\n\n")
    assert read(path) == ([["1", "a"], ["2", "b"]], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_way_to_write_text(tmp_path: Path, encoding: str, end: str) -> None:
    lines = ["größe,Maß", *(f'{i},"ü{end}x"' for i in range(20))]
    path = write(tmp_path / "t.csv", (end.join(lines) + end).encode(encoding))
    good, broken = read(path)
    assert not broken
    assert layout(path).header == ("größe", "Maß")
    assert good == [[str(i), f"ü{end}x"] for i in range(20)]


def test_a_western_table_is_told_by_its_share_of_odd_lines(tmp_path: Path) -> None:
    names = "".join(f"{i},Müller\n" for i in range(30))
    western = write(tmp_path / "a.csv", ("id,name\n" + names).encode("cp1252"))
    assert read(western)[0][3] == ["3", "Müller"]
    mixed = ("id,name\n" + names).encode() + "99,Möller\n".encode("cp1252")
    good, broken = read(write(tmp_path / "b.csv", mixed))
    assert len(good) == 30
    assert [row.number for row in broken] == [31]


def test_the_table_of_another_day_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b\n1,2\n")
    assert count(layout(path)) == 1
    write(path, "a,c\n1,2\n3,4\n")
    assert layout(path).header == ("a", "c")
    assert count(layout(path)) == 2


@pytest.mark.parametrize("data", ["", "a,b\n", "words\nmore\n", '{"a": 1,\n"b": 2}\n'])
def test_what_is_no_table_is_a_data_error(tmp_path: Path, data: str) -> None:
    with pytest.raises(DataError, match="is not a table"):
        layout(write(tmp_path / "t", data))
    with pytest.raises(DataError, match="does not exist"):
        layout(tmp_path / "nothing.csv")


def test_ranges_are_the_same_rows_as_one_reading(tmp_path: Path) -> None:
    lines = [f'{i},"note{chr(10) * (i % 3)}{i}"\n' for i in range(3 * MARK)]
    lines[5000] = '5000,"stray\n'
    lines[9000] = "9000\n"
    path = write(tmp_path / "t.csv", "id,note\n" + "".join(lines))
    table = layout(path)
    everything = list(rows(table))
    assert count(table) == len(everything)
    for step in (MARK, 1000, 5001):
        again = [
            row for low in range(0, len(everything), step) for row in rows(table, low, low + step)
        ]
        assert again == everything
    assert sum(isinstance(row, Broken) for row in everything) == 2


CELLS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)


@given(st.data(), st.integers(2, 5), st.sampled_from([",", "\t", ";"]))
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, width: int, mark: str
) -> None:
    line = st.lists(CELLS, min_size=width, max_size=width).filter(
        lambda cells: any(cell.strip() for cell in cells)
    )
    table = data.draw(st.lists(line, min_size=1, max_size=8))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=mark, quoting=csv.QUOTE_ALL)
    writer.writerow([f"column{i}" for i in range(width)])
    writer.writerows(table)
    path = tmp_path_factory.mktemp("t") / "t.csv"
    assert read(write(path, text.getvalue())) == (table, [])


@given(st.binary(max_size=300))
def test_anything_is_read_without_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("t") / "t.csv", b"a,b\n1,2\n" + data)
    try:
        table = layout(path)
    except DataError:
        return
    good, broken = read(path)
    assert count(table) == len(good) + len(broken)


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name",
    [
        "reports_iu_xray/indiana_reports.csv",
        "text_mtsamples/mtsamples_part.csv",
        "ecg_ptbxl/ptbxl_database.csv",
        "skin_ham10000_sample/labels.csv",
        "blood_bccd/boxes.csv",
    ],
)
def test_real_tables_are_read_as_pandas_reads_them(shared_data: Path, name: str) -> None:
    import pandas as pd

    frame = pd.read_csv(shared_data / name, dtype=str, keep_default_na=False)
    good, broken = read(shared_data / name)
    assert not broken
    assert good == frame.to_numpy().tolist()


MILLION = """
import sys
from pathlib import Path
from medfm_cli.readers.records.delimited import Broken, count, layout, rows
table = layout(Path(sys.argv[1]))
broken = [row for row in rows(table) if isinstance(row, Broken)]
total = count(table)
tail = [row.number for row in rows(table, 999_000)]
print(total, broken[0].number, len(broken), len(tail))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for the memory")
def test_a_million_rows_with_one_broken_row_in_the_memory_of_a_few(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write("file,label,report\n")
        for i in range(1_000_000):
            stray = '"' if i == 700_000 else ""
            file.write(f'{i:07}.png,{stray}{i % 7},"the {i}th report, with a comma"\n')
    assert path.stat().st_size > 40_000_000
    done = subprocess.run(
        [sys.executable, "-c", MILLION, str(path)], capture_output=True, text=True, check=True
    )
    counts, memory = done.stdout.splitlines()
    assert counts == "1000000 700001 1 1000"
    assert int(memory) < 40_000  # in kB: the table alone is larger
