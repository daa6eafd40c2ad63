"""Split by time: what is used for training lies before what is tested on."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.split.groups import draw
from medfm_cli.errors import DataError


def assign_by_time(
    catalog: Catalog, shares: Sequence[float], *, seed: int
) -> tuple[array[int], int]:
    """Give every group a side in the order of its last time, cut at the shares.

    So nothing in train is later than anybody's last time in val, and nothing in val later than in
    test; a subject that is seen early and late is tested on with all it has. Groups without any
    time go to train. Times are compared as text (ISO 8601).

    Args:
        catalog: with `members`.
        shares: of the sides in the order of time.
        seed: of the order of groups with the same time.

    Returns:
        Side by the group's number, and how many samples have no time.

    Raises:
        DataError: no sample has a time.
    """
    undated = catalog.one("SELECT count(*) FROM members WHERE time = ''")
    total = catalog.one("SELECT count(*) FROM members")
    if total and undated == total:
        raise DataError(
            "the split is to be by time, and no sample has one",
            hint="name the column with the time, or split by subject",
        )
    _refuse_what_is_no_date(catalog)
    catalog.db.create_function("draw_of", 1, lambda name: draw(name, seed), deterministic=True)
    sides = array("h", [-1]) * ((catalog.one("SELECT max(grp) FROM members") or 0) + 1)
    count = catalog.one("SELECT count(DISTINCT grp) FROM members")
    rows = catalog.rows(
        "SELECT grp, n, last FROM (SELECT grp, count(*) AS n, max(time) AS last FROM members "
        "GROUP BY grp) JOIN subjects ON number = grp ORDER BY last <> '', last, draw_of(name)"
    )
    side = members = dealt = 0
    bound = shares[0] * total
    for left, (group, size, last) in zip(range(count, 0, -1), rows, strict=True):
        due = left <= len(shares) - 1 - side or dealt + size / 2 > bound
        if last and members and due and side + 1 < len(shares):
            side, members = side + 1, 0
            bound += shares[side] * total
        sides[group] = side
        members += 1
        dealt += size
    return sides, undated


def _refuse_what_is_no_date(catalog: Catalog) -> None:
    """Refuse times that do not sort as text: other than ISO 8601, or in two forms.

    Raises:
        DataError: there are such.
    """
    count = "SELECT count(*) FROM members WHERE time GLOB ?"
    iso, compact, year = "[0-9][0-9][0-9][0-9]-[0-9][0-9]*", "[0-9]" * 8 + "*", "[0-9]" * 4
    years = catalog.one(count, year)  # sorts with both of the others
    counts = [catalog.one(count, form) + years for form in (iso, compact)]
    dated = catalog.one("SELECT count(*) FROM members WHERE time <> ''")
    if max(counts) == dated:
        return
    raise DataError(
        f"the split is to be by time, and {dated - max(counts)} of {dated} times are no dates as "
        "ISO 8601 writes them, or not in the form of the others",
        hint="name the format of the column with time_format, for example '%d/%m/%Y'",
    )
