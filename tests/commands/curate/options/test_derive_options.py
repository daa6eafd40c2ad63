"""The derive block: what it says of cutting, and that all of it travels in the card."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from medfm_cli.commands.curate.options.derive import Derive
from medfm_cli.data.card import Cutting, Unify


def test_without_any_key_nothing_is_derived() -> None:
    derive = Derive()
    assert derive.instructions is None and derive.clients is None
    assert Cutting(**derive.cutting()) == Cutting()


def test_what_it_says_of_cutting_survives_the_card() -> None:
    derive = Derive.model_validate(
        {
            "planes": ["axial", "sagittal"],
            "stills": True,
            "window_seconds": 2.5,
            "windows": 3,
            "unify": {"size": 64, "depths": [4, 8]},
            "instructions": {},
            "clients": {"scheme": "dirichlet", "alpha": 0.3},
        }
    )
    cutting = Cutting(frames=2, slices=5, **derive.cutting())
    assert Cutting.model_validate_json(cutting.model_dump_json()) == cutting
    assert cutting.unify == Unify(size=64, depths=[4, 8])


@pytest.mark.parametrize(
    "keys", [{"planes": ["oblique"]}, {"window_seconds": 0.0}, {"unify": {"size": 4}}, {"tile": 9}]
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Derive.model_validate(keys)
