"""Word lists of the text cleaner, from the data files beside this one."""

from __future__ import annotations

import csv
import re
from importlib.resources import files

_FOLDER = files(__package__)


def _words(name: str) -> frozenset[str]:
    return frozenset((_FOLDER / name).read_text("utf-8").split())


NO_NAME = _words("not_names.txt")
"""Words that are no part of a name where a pattern expects one, lower case."""
FIRST_NAMES = _words("first_names.txt")
"""First names that seldom mean anything else, lower case."""
EPONYMS = _words("eponyms.txt")
"""People whose names are those of diseases, signs and instruments, lower case."""
_US_STATES = list(csv.DictReader((_FOLDER / "us_states.csv").read_text("utf-8").splitlines()))
STATES = tuple(row["name"] for row in _US_STATES if row["name"])
STATE_CODES = tuple(row["code"] for row in _US_STATES)
PLAIN_STATE_CODES = tuple(row["code"] for row in _US_STATES if row["unambiguous"] == "yes")
"""Codes that, after a comma, are neither a degree nor a technique nor a sign."""
_THING = re.compile(
    r"(?:'s|’s)?\s*(?:disease|syndrome|sign|test|cyst|catheter|procedure|operation|fracture"
    r"|contracture|ulcer|lymphoma|sarcoma|tumou?r|palsy|chorea|thyroiditis|esophagus|clamps?"
    r"|retractors?|forceps|scissors|needle|sutures?|wires?|tube|drain|bag|splint|brace|score|scale"
    r"|classification|criteria|stain|reaction|phenomenon|maneuver|position|point|triangle|space"
    r"|node|duct|gland|ligament|tendon|disorder|fundoplication|incision|technique|approach|repair"
    r"|monitor|filter|shunt|stent|graft|block|grade|stage|type|view|method|law|line|lesion|nodule"
    r"|corpuscle)",
    re.IGNORECASE,
)


def is_thing(text: str, end: int) -> bool:
    """Whether what follows a name at `end` says that it is that of a disease, sign or device."""
    return _THING.match(text, end) is not None
