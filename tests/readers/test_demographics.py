"""Ages and sexes as people write them."""

from __future__ import annotations

import pytest

from medfm_cli.readers.demographics import age_of, sex_of


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("63", 63),
        ("058Y", 58),
        ("045,5", 45.5),
        ("45.5", 45.5),
        ("90+", 90),
        (">89", 89),
        ("90 or older", 90),
        ("6 months", 0.5),
        ("026W", 0.5),
        ("001D", 0),
        ("63 years old", 63),
        ("210", None),
        ("-5", None),
        ("adult", None),
    ],
)
def test_age(text: str, years: float | None) -> None:
    assert age_of(text) == (years if years is None else pytest.approx(years, abs=0.01))


def test_sex() -> None:
    assert [sex_of(word) for word in ("F", "weiblich", " male ", "divers", "1")] == [
        "F",
        "F",
        "M",
        "O",
        "",
    ]
