"""The classes of a dataset, in an order that people expect."""

from __future__ import annotations

import json
from collections.abc import Sequence

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.options.source import Labels
from medfm_cli.data.card import LabelSchema


def label_schema(ledger: Ledger, specs: Sequence[Labels]) -> LabelSchema:
    """The classes: in the order of `labels.classes` where the recipe lists them, else by name."""
    kept = "FROM items WHERE fate = 'kept'"
    present = {
        label for (label,) in ledger.rows(f"SELECT DISTINCT label {kept} AND label IS NOT NULL")
    }
    several = f"SELECT DISTINCT labels {kept} AND labels IS NOT NULL"
    multi = False
    for (labels,) in ledger.rows(several):
        present.update(json.loads(labels))
        multi = True
    if not present:
        return LabelSchema()
    listed = dict.fromkeys(name for spec in specs for name in spec.classes.values())
    ordered = [name for name in listed if name in present]
    ordered += sorted(present - set(ordered), key=_by_number)
    return LabelSchema(kind="multi" if multi else "single", classes=ordered)


def _by_number(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)
