"""Which attributes of DICOM identify someone, and what the basic profile does with each.

`profile.csv` is table E.1-1 of PS3.15 annex E (edition 2026c), one attribute a row:

- `tag`: eight hexadecimal digits; X stands for any digit of a repeating group.
- `action` of the basic profile (table E.1-1a): X remove, Z empty, D dummy, U new UID. Of several,
  the last one fits an attribute of any type.
- `options` under which the attribute is kept: `uids`, `device`, `institution`, `patient`, `dates`;
  with `~` it is cleaned instead. `text`, `content` and `graphics` always mean cleaning. Where dates
  are shifted, attributes with `dates` are shifted.

`safe_private.csv` lists the private elements of table E.3.10-1 that are numbers or codes. For a new
edition, export both tables from the DocBook source of PS3.15 (part15.xml) in these columns.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_ALWAYS_CLEANED = frozenset({"text", "content", "graphics"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with one attribute.

    Attributes:
        action: `X`, `Z`, `D`, `U`, or several with `/` between them.
        keyword: the attribute's name.
        options: the options that change the action, and whether the value is cleaned under them.
    """

    action: str
    keyword: str
    options: dict[str, bool]


@cache
def rules() -> dict[str, Rule]:
    """The rules by tag, eight hexadecimal digits in capitals."""
    return {
        row["tag"]: Rule(
            row["action"],
            row["keyword"],
            {
                option.rstrip("~"): option.endswith("~") or option in _ALWAYS_CLEANED
                for option in row["options"].split()
            },
        )
        for row in _rows("profile.csv")
    }


def rule_of(group: int, element: int) -> Rule | None:
    """The rule for an attribute, None where the profile leaves it alone."""
    rule = rules().get(f"{group:04X}{element:04X}")
    if rule is None and group >> 8 in (0x50, 0x60) and group % 2 == 0:
        start = f"{group >> 8:02X}XX"
        rule = rules().get(f"{start}{element:04X}") or rules().get(f"{start}XXXX")
    return rule


@cache
def safe_private() -> dict[str, frozenset[tuple[int, int]]]:
    """The safe private elements by creator: group, and last byte of the element's number."""
    elements = defaultdict(set)
    for row in _rows("safe_private.csv"):
        elements[row["creator"]].add((int(row["group"], 16), int(row["element"], 16)))
    return {creator: frozenset(its) for creator, its in elements.items()}


def _rows(name: str) -> csv.DictReader[str]:
    return csv.DictReader((files(__package__) / name).read_text("utf-8").splitlines())
