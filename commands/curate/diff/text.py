"""A difference as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medfm_cli.commands.curate.diff.difference import Changed, Difference, Move

EXAMPLES = 3
WIDEST = 40
Row = tuple[str, str]


def as_text(difference: Difference) -> str:
    """What changed, a line each; one sentence where nothing did."""
    if difference.identical:
        return "the two data sets are identical"
    rows = list(_rows(difference))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}".rstrip() for name, text in rows]
    if difference.other_names:
        lines.append("no subject has the same pseudonym: another key was used for NEW")
    return "\n".join(lines)


def _rows(difference: Difference) -> Iterator[Row]:
    yield "samples", _from_to(difference.samples)
    yield from _changed("  added", difference.added)
    yield from _changed("  removed", difference.removed)
    for step, count in difference.removed_by.items():
        where = f"their file is refused now: {step}" if step else "their file is not read any more"
        yield "", f"{count:,}: {where}"
    yield from _moved("  moved", difference.sample_splits)
    yield from _moved("  relabelled", difference.labels)
    for column, count in difference.values.items():
        yield f"  other {column}", f"{count:,}"
    yield "subjects", _from_to(difference.subjects)
    yield from _changed("  added", difference.subjects_added)
    yield from _changed("  removed", difference.subjects_removed)
    yield from _moved("  moved", difference.subject_splits)
    added, removed = difference.quarantine_added, difference.quarantine_removed
    total = {"old": 0, "new": 0}
    for left in difference.quarantine:
        total = {"old": total["old"] + left.old, "new": total["new"] + left.new}
    yield "quarantine", f"{_from_to(total)} ({added:,} new rows, {removed:,} gone)"
    for left in difference.quarantine:
        if left.old != left.new:
            yield f"  {left.step}", f"{left.old:,} → {left.new:,}"
    yield "card", "" if difference.card else "the same"
    for field in difference.card:
        yield f"  {field.name}", f"{_shown(field.old)} → {_shown(field.new)}"


def _from_to(counts: dict[str, int]) -> str:
    old, new = counts["old"], counts["new"]
    return f"{old:,}" if old == new else f"{old:,} → {new:,}"


def _changed(name: str, changed: Changed) -> Iterator[Row]:
    if changed.count:
        more = ", …" if changed.count > EXAMPLES else ""
        yield name, f"{changed.count:,}: {', '.join(changed.names[:EXAMPLES])}{more}"


def _moved(name: str, moves: list[Move]) -> Iterator[Row]:
    for number, move in enumerate(moves):
        yield "" if number else name, f"{move.count:,}: {_shown(move.old)} → {_shown(move.new)}"


def _shown(value: Any) -> str:
    """A value of a card or a label in a few characters."""
    if value in (None, "", []):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
