"""What a recipe says of a table of measurements: its groups, its columns, what means missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import ReadOptions

CHANNEL_GROUPS = ("vitals", "labs", "inputs", "outputs")
STATIC = "static"
HOURS = {"days": 24.0, "hours": 1.0, "minutes": 1 / 60, "seconds": 1 / 3600}


@dataclass(frozen=True, slots=True)
class SeriesFormat:
    """The recipe's `format:` block of series.

    Attributes:
        channels: group of each variable that is a channel, in the order of the channels.
        static: variables that are known once.
        units: of variables, where known.
        missing: numbers that mean that nothing was measured.
        columns: what the columns `id`, `time`, `age`, `sex`, `site` are called, and where a row is
            one measurement, `variable` and `value`.
        hours: of one unit of the time column.
        sexes: what stands for `F` and `M`, in small letters.
    """

    channels: Mapping[str, str]
    static: frozenset[str]
    units: Mapping[str, str]
    missing: frozenset[float]
    columns: Mapping[str, str]
    hours: float
    sexes: Mapping[str, str]

    @classmethod
    def of(cls, options: ReadOptions, defaults: Mapping[str, Any]) -> SeriesFormat:
        """The block of a recipe, over the defaults of a layout.

        Raises:
            Unreadable: a word in it makes no sense.
        """
        words = {**defaults, **options.format}
        groups = _groups(words.get("groups") or {})
        unit = str(words.get("time_unit") or "hours")
        if unit not in HOURS:
            raise Unreadable(f"format.time_unit in the recipe must be one of {', '.join(HOURS)}")
        names = ("id", "time", "age", "sex", "site", "variable", "value")
        return cls(
            {name: group for group in CHANNEL_GROUPS for name in groups.get(group, ())},
            frozenset(groups.get(STATIC, ())),
            _units(words.get("units")),
            frozenset(_numbers(words.get("missing"))),
            {name: str(words[name]) for name in names if words.get(name) is not None},
            HOURS[unit],
            {str(key).strip().lower(): str(sex) for key, sex in (words.get("sexes") or {}).items()},
        )


def _groups(table: object) -> dict[str, tuple[str, ...]]:
    """`vitals: [HR, …]` and so on.

    Raises:
        Unreadable: a group is unknown, or a variable is a channel of two of them.
    """
    if not isinstance(table, Mapping):
        raise Unreadable("format.groups in the recipe must be a table of lists")
    known = (*CHANNEL_GROUPS, STATIC)
    if unknown := [str(name) for name in table if name not in known]:
        raise Unreadable(
            f"format.groups in the recipe knows {', '.join(known)}, not {unknown[0][:30]}"
        )
    groups = {str(group): tuple(str(name) for name in names) for group, names in table.items()}
    channels = [name for group in CHANNEL_GROUPS for name in groups.get(group, ())]
    if len(set(channels)) < len(channels):
        raise Unreadable("format.groups in the recipe names a variable twice")
    return groups


def _units(table: object) -> dict[str, str]:
    if table is None:
        return {}
    if not isinstance(table, Mapping):
        raise Unreadable("format.units in the recipe must be a table of units by variable")
    return {str(name): str(unit) for name, unit in table.items()}


def _numbers(value: object) -> list[float]:
    if value is None:
        return []
    values: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    try:
        return [float(number) for number in values]
    except (TypeError, ValueError):
        raise Unreadable("format.missing in the recipe must be numbers") from None
