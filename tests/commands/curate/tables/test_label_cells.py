"""Several labels in one cell, and columns that hold measurements."""

from __future__ import annotations

import pytest

from medfm_cli.commands.curate.tables.label_cells import is_measurement, separator_of


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["Edema|Effusion", "Effusion", "No Finding"], "|"),
        (["edema;effusion", "effusion", "edema", "mass;edema", "mass"], ";"),
        (["edema, effusion", "effusion", "edema", "mass, edema", "mass"], ","),
        (["adenocarcinoma, left", "squamous"], ""),
        (["benign", "malignant"], ""),
    ],
)
def test_what_separates_labels(cells: list[str], mark: str) -> None:
    assert separator_of(cells) == mark


def test_measured_numbers_are_no_classes() -> None:
    assert is_measurement([f"{30 + i / 7:.1f}" for i in range(60)])
    assert is_measurement([str(i) for i in range(20, 90)])
    assert not is_measurement(["0", "1", "2"] * 20)
    assert not is_measurement([str(i % 25) for i in range(500)])
    assert not is_measurement(["a", "b"])
