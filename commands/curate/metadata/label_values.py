"""The values of a label column: spellings of one class, and what is no class at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.metadata.file_metadata import SourceMetadata
from medfm_cli.commands.curate.tables.label_cells import NUMBER

_SHOWN = 5


def join_spellings(
    catalog: Catalog, metadata: SourceMetadata, *, listed: Collection[str]
) -> list[str]:
    """Make `1` and `1.0`, `Benign` and `benign ` one class; give what was joined, in words.

    Args:
        catalog: holds the metadata of files and patients.
        metadata: of one source.
        listed: values that the recipe names; such a spelling is kept.
    """
    table, where = (
        ("patients", "block = ?")
        if metadata.patients
        else ("notes", "file IN (SELECT number FROM files WHERE block = ?)")
    )
    counts = {
        row[0]: row[1]
        for row in catalog.rows(
            f"SELECT label, count(*) FROM {table} WHERE label <> '' AND {where} "  # noqa: S608
            "GROUP BY label ORDER BY label",
            metadata.block,
        )
    }
    separator = metadata.separator
    changed = {}
    spellings = _spellings(_parts(counts, separator), listed)
    for value in counts:
        parts = value.split(separator) if separator else [value]
        new = (separator or "").join(spellings.get(part.strip(), part.strip()) for part in parts)
        if new != value:
            changed[value] = new
    catalog.many(
        f"UPDATE {table} SET label = ? WHERE label = ? AND {where}",  # noqa: S608
        ((new, old, metadata.block) for old, new in changed.items()),
    )
    return _sentences(spellings)


def _parts(counts: Mapping[str, int], separator: str) -> Counter[str]:
    """How often each single value occurs."""
    found: Counter[str] = Counter()
    for value, count in counts.items():
        for part in value.split(separator) if separator else [value]:
            found[part.strip()] += count
    return found


def _spellings(counts: Mapping[str, int], listed: Collection[str]) -> dict[str, str]:
    """Spelling → the one that stands for its class, where there are several."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for value in counts:
        groups[_key(value)].append(value)
    chosen: dict[str, str] = {}
    for values in groups.values():
        if len(values) < 2:
            continue
        numbers = all(NUMBER.fullmatch(value) for value in values)
        best = min(
            values,
            key=lambda v: (v not in listed, (len(v),) if numbers else (-counts[v],), v),
        )
        chosen |= {value: best for value in values if value != best}
    return chosen


def _key(value: str) -> str:
    """Equal for spellings of one class."""
    if NUMBER.fullmatch(value):
        return repr(float(value))
    return " ".join(value.casefold().split())


def _sentences(chosen: Mapping[str, str]) -> list[str]:
    if not chosen:
        return []
    shown = ", ".join(f"'{old}' as '{new}'" for old, new in sorted(chosen.items())[:_SHOWN])
    more = f" and {len(chosen) - _SHOWN} more" if len(chosen) > _SHOWN else ""
    return [f"Spellings of one class were joined: {shown}{more}"]
