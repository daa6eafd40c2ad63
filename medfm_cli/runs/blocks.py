"""What a report is made of: sections of text, tables, figures, facts and callouts.

Engines build these plain values; `medfm_cli.runs.page` turns them into one offline HTML page and
`medfm_cli.runs.tables` into text for a terminal. Every block is frozen, holds only JSON values and
survives `section_to_json` → `section_from_json` unchanged, so that a pipeline can join the
sections of its stages from disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike, fspath
from pathlib import PurePosixPath
from typing import Any, Literal

Cell = str | int | float | None
CalloutKind = Literal["note", "warn", "good"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain paragraphs, separated by blank lines. Nothing in it is read as markup."""

    text: str

    def __post_init__(self) -> None:
        _set(self, text=_sound(self.text))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under column names.

    Numbers are aligned on the right and rounded for the eye (the JSON keeps them exact);
    `None` and NaN are shown as a dash. The first sentence of `caption` becomes the title, the rest
    a note below. `bars` names columns of non-negative numbers that get a thin bar, all to one
    scale; `strong` names rows (by index) to stand out.
    Raises ValueError when a row is not as long as `columns` or a name in `bars` is unknown.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    bars: Sequence[str] = field(default=(), kw_only=True)
    strong: Sequence[int] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        columns = tuple(_sound(name) for name in self.columns)
        rows = tuple(tuple(_cell(value) for value in row) for row in self.rows)
        for number, row in enumerate(rows):
            if len(row) != len(columns):
                raise ValueError(f"row {number} has {len(row)} cells for {len(columns)} columns")
        if unknown := [name for name in self.bars if name not in columns]:
            raise ValueError(f"bars names no column: {', '.join(unknown)}")
        _set(self, columns=columns, rows=rows, caption=_sound(self.caption))
        _set(self, bars=tuple(self.bars), strong=tuple(self.strong))


@dataclass(frozen=True, slots=True)
class Figure:
    """An image file (png, jpg, svg), its path relative to the run directory.

    `alt` describes the image for readers who cannot see it. `wide` uses the whole width of the
    page (sheets of images). Raises ValueError for an absolute
    path or one that climbs out of the run directory.
    """

    path: str | PathLike[str]
    caption: str = ""
    alt: str = ""
    wide: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        path = PurePosixPath(fspath(self.path).replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"a figure must be inside the run directory, not at {path}")
        caption, alt = _sound(self.caption), _sound(self.alt)
        _set(self, path=path.as_posix(), caption=caption, alt=alt)


@dataclass(frozen=True, slots=True)
class Facts:
    """A row of named values: the key numbers."""

    items: Mapping[str, Cell]

    def __post_init__(self) -> None:
        _set(self, items={_sound(name): _cell(value) for name, value in self.items.items()})


@dataclass(frozen=True, slots=True)
class Callout:
    """A highlighted remark: a note, a warning (warn) or a passed check (good)."""

    kind: CalloutKind
    text: str

    def __post_init__(self) -> None:
        if self.kind not in ("note", "warn", "good"):
            raise ValueError(f"a callout is a note, a warn or a good, not {self.kind!r}")
        _set(self, text=_sound(self.text))


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown document, such as a model card.

    Headings, lists, tables and emphasis are rendered; HTML, links and images remain text.
    """

    markdown: str

    def __post_init__(self) -> None:
        _set(self, markdown=_sound(self.markdown))


Block = Text | Table | Figure | Facts | Callout | Document
_BLOCKS: dict[str, type[Block]] = {
    "text": Text,
    "table": Table,
    "figure": Figure,
    "facts": Facts,
    "callout": Callout,
    "document": Document,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a report."""

    title: str
    blocks: Sequence[Block]

    def __post_init__(self) -> None:
        _set(self, title=_sound(self.title), blocks=tuple(self.blocks))


def section_to_json(section: Section) -> dict[str, Any]:
    """Give the section as JSON values: `{"title": …, "blocks": [{"type": "table", …}, …]}`."""
    return {"title": section.title, "blocks": [block_to_json(block) for block in section.blocks]}


def section_from_json(data: Mapping[str, Any]) -> Section:
    """Read back what `section_to_json` wrote. Raises KeyError or ValueError for anything else."""
    return Section(data["title"], [block_from_json(block) for block in data["blocks"]])


def block_to_json(block: Block) -> dict[str, Any]:
    """Give one block as JSON values, its kind under `type`."""
    kind = next(name for name, cls in _BLOCKS.items() if type(block) is cls)
    values = {item.name: _plain(getattr(block, item.name)) for item in fields(block)}
    return {"type": kind, **values}


def block_from_json(data: Mapping[str, Any]) -> Block:
    """Read back what `block_to_json` wrote. Raises KeyError or ValueError for anything else."""
    values = dict(data)
    kind = values.pop("type")
    if kind not in _BLOCKS:
        raise ValueError(f"no report block is called {kind!r}")
    try:
        return _BLOCKS[kind](**values)
    except TypeError as error:
        raise ValueError(f"not the fields of a {kind}: {error}") from None


def _plain(value: Any) -> Any:
    """Turn the frozen tuples back into the lists that JSON knows."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _cell(value: Any) -> Cell:
    """Bring a value to what JSON holds: numpy scalars to Python's, NaN to None, the rest to str."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "∞" if value > 0 else "-∞"
    return value if value is None or isinstance(value, int | float) else _sound(value)


def _sound(value: object) -> str:
    """Give text that UTF-8 can hold: file names on disk may carry bytes that it cannot."""
    return str(value).encode("utf-8", "replace").decode()


def _set(block: object, **values: Any) -> None:
    """Set fields of a frozen block while it is being made."""
    for name, value in values.items():
        object.__setattr__(block, name, value)
