"""Report tables on a terminal and in a log."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from medfm_cli.runs.blocks import Table
from medfm_cli.runs.tables import plain, show

TABLE = Table(
    ["Model", "AUC", "n"],
    [["probe [bold]", "0.91 (0.84–0.97)", 412], ["名前\nx", "0.50", None]],
    "Five folds",
    strong=[0],
)


def shown(table: Table, *, terminal: bool) -> str:
    out = StringIO()
    show(table, Console(file=out, force_terminal=terminal, width=70))
    return out.getvalue()


def test_a_log_gets_aligned_columns_without_escapes() -> None:
    assert shown(TABLE, terminal=False).splitlines() == [
        "Five folds",
        "Model                       AUC     n",
        "------------   ----------------   ---",
        "probe [bold]   0.91 (0.84–0.97)   412",
        "名前 x                     0.50     –",
    ]


def test_a_terminal_gets_a_drawn_table_with_nothing_read_as_markup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(TABLE, terminal=True)
    assert "\x1b[" in text
    assert "probe [bold]" in text
    assert "─" in text


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(TABLE, terminal=True) == plain(TABLE) + "\n"


def test_an_escape_sequence_in_a_file_name_does_not_reach_the_terminal() -> None:
    text = plain(Table(["file"], [["\x1b]0;title\x07.dcm"]]))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_long_tables_are_cut_and_say_so() -> None:
    table = Table(["i"], [[number] for number in range(75)])
    assert plain(table).splitlines()[-1] == "… and 15 more rows"
    assert "… and 15 more rows" in shown(table, terminal=True)


def test_an_empty_table_is_its_head() -> None:
    assert plain(Table(["a", "b"], [])).splitlines() == ["a   b", "-   -"]
