"""Times of a table: one format for the column, and none guessed."""

from __future__ import annotations

import pytest

from medfm_cli.commands.curate.tables.dates import UnclearDates, reader


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["03/04/2019", "25/04/2019"], "2019-04-03"),
        (["03/04/2019", "04/25/2019"], "2019-03-04"),
        (["03.04.2019", "05.06.2019"], "2019-04-03"),
        (["2019/4/3"], "2019-04-03"),
        (["3 Apr 2019"], "2019-04-03"),
        (["April 3, 2019"], "2019-04-03"),
        (["25/04/2019 2:05 pm"], "2019-04-25T14:05"),
        (["2019-04-03T10:00:00"], "2019-04-03T10:00:00"),
        (["20190403"], "20190403"),
        (["2019"], "2019"),
    ],
)
def test_the_format_of_the_column_is_found(cells: list[str], expected: str) -> None:
    assert reader(cells)(cells[0]) == expected


@pytest.mark.parametrize(
    "cells", [["03/04/2019", "05/06/2020"], ["25/04/2019", "04/25/2019"], ["03/04/19"]]
)
def test_what_is_not_clear_is_refused(cells: list[str]) -> None:
    with pytest.raises(UnclearDates):
        reader(cells)


def test_the_recipe_can_say_the_format() -> None:
    read = reader(["03/04/19"], "%d/%m/%y")
    assert read("03/04/19") == "2019-04-03"
    assert read("somewhere in spring") is None


def test_a_day_that_does_not_exist_is_none() -> None:
    assert reader(["31/12/2019"])("31/02/2019") is None
