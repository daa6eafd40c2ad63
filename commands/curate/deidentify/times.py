"""Times moved by whole days: the same number for all of a subject, so that intervals stay true."""

from __future__ import annotations

import re
from datetime import date, timedelta

from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.options.deidentify import Deidentify

_ISO = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?(?P<rest>[T ].*)?")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?P<rest>(?:[T ]?\d{2,6}(?:\.\d+)?(?:[+-]\d{4})?)?)")


def shifted(
    time: str | None, subject: str | None, options: Deidentify, names: Pseudonyms
) -> str | None:
    """A time after what the recipe says of dates.

    Args:
        time: ISO 8601 (`2007-03-04T10:00:00`), or as DICOM writes it (`20070304100000`).
        subject: whose it is, as a pseudonym; without one no interval, so no time, can be kept.
        options: the recipe's block.
        names: the key that dates move by.

    Returns:
        The moved time in the form it had; None where it is dropped or is no time.
    """
    if time is None or options.dates == "drop":
        return None
    if not options.on or options.dates == "keep":
        return time
    if not subject:
        return None
    return moved(time.strip(), names.shift(subject, options.shift_days))


def moved(time: str, days: int) -> str | None:
    """A time `days` later; None where it is no date, or would fall out of the calendar."""
    for form, join in ((_ISO, "-"), (_COMPACT, "")):
        match = form.fullmatch(time)
        if match is None:
            continue
        year, month, day = match[1], match[2], match[3] or "15"
        try:
            later = date(int(year), int(month), int(day)) + timedelta(days=days)
        except (ValueError, OverflowError):
            return None
        text = later.strftime(f"%Y{join}%m{join}%d").rjust(8 + 2 * len(join), "0")
        if match[3] is None:
            text = text[: 6 + len(join)]
        return text + (match["rest"] or "")
    return None
