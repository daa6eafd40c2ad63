"""A report table as text: with rich on a terminal, in plain aligned columns elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.runs.cells import Column, show_columns

if TYPE_CHECKING:
    from rich.console import Console

    from medfm_cli.runs.blocks import Table

ROW_LIMIT = 60  # rows shown on a terminal; the report page shows more
_GAP = "   "


def show(table: Table, console: Console) -> None:
    """Print the table to `console`: no escape sequences unless it is a terminal with colours."""
    if console.is_terminal and not console.no_color:
        _show_rich(table, console)
    else:
        console.file.write(plain(table) + "\n")
        console.file.flush()


def plain(table: Table, *, limit: int = ROW_LIMIT) -> str:
    """Give the table as lines of text; columns are aligned, cells stay on one line."""
    columns = [_one_line(column) for column in show_columns(table, limit=limit)]
    lines = [_align(columns, [column.name for column in columns])]
    lines.append(_align(columns, ["-" * _width(column) for column in columns]))
    lines += [_align(columns, list(row)) for row in zip(*(c.texts for c in columns), strict=True)]
    return "\n".join(filter(None, [_caption(table), *lines, _more(table, limit)]))


def _show_rich(table: Table, console: Console) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    columns = [_one_line(column) for column in show_columns(table, limit=ROW_LIMIT)]
    for column in columns:
        justify = "right" if column.right else "left"
        name = Text(column.name)
        drawn.add_column(name, justify=justify, no_wrap=column.right, overflow="fold")  # type: ignore[arg-type]
    for index, row in enumerate(zip(*(column.texts for column in columns), strict=True)):
        style = "bold cyan" if index in table.strong else None
        drawn.add_row(*(Text(text) for text in row), style=style)
    if caption := _caption(table):
        console.print(Text(caption, style="bold"), soft_wrap=True)
    console.print(drawn, soft_wrap=False)
    if more := _more(table, ROW_LIMIT):
        console.print(Text(more, style="dim"))


def _one_line(column: Column) -> Column:
    texts = [" ".join(text.split()) for text in column.texts]
    return Column(" ".join(column.name.split()), texts, column.right)


def _align(columns: list[Column], texts: list[str]) -> str:
    """Pad one row; the width is counted as terminals show it (wide letters take two places)."""
    from rich.cells import cell_len

    parts = []
    for column, text in zip(columns, texts, strict=True):
        space = " " * (_width(column) - cell_len(text))
        parts.append(space + text if column.right else text + space)
    return _GAP.join(parts).rstrip()


def _width(column: Column) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, [column.name, *column.texts]))


def _caption(table: Table) -> str:
    return " ".join(table.caption.split())


def _more(table: Table, limit: int) -> str:
    hidden = len(table.rows) - limit
    return f"… and {hidden} more rows" if hidden > 0 else ""
