"""Which facts of a file may stand in a dataset: small, technical, and of no one."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from medfm_cli.commands.curate.deidentify.dicom.table import rules
from medfm_cli.commands.curate.deidentify.text.find import find
from medfm_cli.commands.curate.options.deidentify import Deidentify

_TERM = re.compile(r"[\w .,:&()/+*^=<>%µ°²³#-]{1,64}")
_PRIVATE = re.compile(
    r"(?:^|_)(?:names?|birth\w*|dob|address|phone|email|mail|ssn|mrn|accession|physicians?|doctor"
    r"|operators?|technicians?|recorded_by|institution\w*|hospital|station\w*|serial\w*|uid|comments?"
    r"|remarks?|notes?|description|history|diagnos[ei]s|date\w*|start_?time|path|file_?name|patient"
    r"|patient_?id|subject|person|user|host)(?:_|$)",
    re.IGNORECASE,
)
"""Names of facts that stand for a person, a place, a day, or somebody's own words."""
_DEPTH = 4


def harmless(facts: dict[str, Any], options: Deidentify) -> dict[str, Any]:
    """The facts without those that could tell whose they are.

    A fact stays when its name is none of a person's, place's or day's, and its value is a number, a
    truth value, or a short technical term in which no pattern finds anything; also lists and blocks
    of such values. An age is capped.
    """
    if not facts:
        return facts
    kept: dict[str, Any] = {}
    for name, value in facts.items():
        if _PRIVATE.search(name) or name.replace("_", "").lower() in _in_profile():
            continue
        clean = _value(value, depth=0)
        if clean is None:
            continue
        if name.lower() in ("age", "age_years") and isinstance(clean, int | float):
            clean = min(clean, options.oldest)
        kept[name] = clean
    return kept


@cache
def _in_profile() -> frozenset[str]:
    """Attributes of DICOM that its confidentiality profile does not let pass, in small letters."""
    return frozenset(rule.keyword.lower() for rule in rules().values())


def _value(value: Any, *, depth: int) -> Any:
    """The value, or None when it may not stay."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if _is_term(value) else None
    if depth >= _DEPTH:
        return None
    if isinstance(value, list | tuple):
        clean = [_value(one, depth=depth + 1) for one in value]
        return None if any(one is None for one in clean) else clean
    if isinstance(value, dict):
        return {
            name: clean
            for name, one in value.items()
            if not _PRIVATE.search(str(name))
            and (clean := _value(one, depth=depth + 1)) is not None
        }
    return None


@lru_cache(maxsize=4096)
def _is_term(text: str) -> bool:
    if not text:
        return True
    return _TERM.fullmatch(text) is not None and not _found(text)


def _found(text: str) -> bool:
    """Whether patterns find an identifier; a plain short word cannot hold one."""
    return not (len(text) <= 24 and text.isalpha()) and any(
        span.type != "HOSPITAL"
        for span in find(text)  # so are makers called
    )
