"""The fields of a record, as its dataclass defines them: name, type, default, documentation.

A field is documented where it is defined: `age: Annotated[float | None, Column(doc="…")] = None`.
Tables in SQLite, the columns of Parquet files and the texts of Croissant are made from this.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

REQUIRED = dataclasses.MISSING
"""The default of a field that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What is known of a field beside its type.

    Attributes:
        doc: one sentence for readers of the manifest.
        source: where the manifest has the value from: `item` is the column of the same name in the
            catalog's table of items, `part` the array as it is stored, `shard` the place of its
            bytes, and `run` is worked out when the row is written.
        bits: of an integer.
        headings: a pattern of column names in a table that are taken for it.
        parse: its value out of a table's cell; the default where the cell says nothing.
        predicted: whether models learn to predict it: it is left empty where rows of a table
            contradict each other.
    """

    doc: str = ""
    source: Literal["item", "part", "shard", "run"] = "item"
    bits: Literal[32, 64] = 64
    headings: str = ""
    parse: Callable[[str], Any] | None = None
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record.

    Attributes:
        name: of the field.
        kind: `str`, `int`, `float`, `bool`, `bytes` or `list`.
        item_kind: the type of a list's items, else the same as `kind`.
        nullable: whether it may be None.
        default: its value where none is given, or `REQUIRED`.
        column: what else is known of it.
    """

    name: str
    kind: type
    item_kind: type
    nullable: bool
    default: Any
    column: Column


@cache
def record_fields(record: type[Any]) -> tuple[RecordField, ...]:
    """The fields of a dataclass, inherited ones first.

    Raises:
        TypeError: a field is of a type that no table can hold.
    """
    hints = get_type_hints(record, include_extras=True)
    return tuple(_field(item, hints[item.name]) for item in dataclasses.fields(record))


def _field(item: dataclasses.Field[Any], hint: Any) -> RecordField:
    column = Column()
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        column = next((extra for extra in extras if isinstance(extra, Column)), column)
    nullable = get_origin(hint) in (Union, UnionType)
    if nullable:
        hint = next(one for one in get_args(hint) if one is not NoneType)
    kind = get_origin(hint) or hint
    if kind not in (str, int, float, bool, bytes, list, dict):
        raise TypeError(f"no table can hold the field {item.name} of type {hint}")
    inner = get_args(hint)[0] if kind is list else kind
    default = item.default
    if item.default_factory is not dataclasses.MISSING:
        default = item.default_factory()
    return RecordField(item.name, kind, inner, nullable, default, column)
