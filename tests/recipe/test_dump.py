"""What is written can be read again: by us, and by readers of YAML 1.1."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.recipe.dump import dump, dump_resolved
from medfm_cli.recipe.tree import read_text

TRICKY = st.sampled_from(
    ["no", "yes", "on", "1e-3", "1e3", "0o17", "017", "0x1F", "1_000", "12:30", "2001-12-14", "~",
     "null", "", " ", ".inf", ".nan", "-", "- a", "a: b", "#", "x #y", "!x", "&x", "*x", "<<", "=",
     "true", "'", '"', "\n", "a\nb\n", "é", "\u2028", "\ufeff", "\x85", "+1", "1.", "%", "@", "`"]
)  # fmt: skip
TEXT = TRICKY | st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
SCALARS = TEXT | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
RECIPES = st.dictionaries(TEXT, VALUES, max_size=5)


@given(RECIPES)
def test_what_is_dumped_reads_the_same(value: dict[str, Any]) -> None:
    assert read_text(dump(value), "r").value == (value or {})


@given(RECIPES)
def test_readers_of_yaml_1_1_agree(value: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(value)) == value


@given(RECIPES)
def test_types_survive(value: dict[str, Any]) -> None:
    def shape(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: shape(inner) for key, inner in item.items()}
        return [shape(inner) for inner in item] if isinstance(item, list) else type(item)

    assert shape(read_text(dump(value), "r").value) == shape(value)


def test_keys_keep_their_order() -> None:
    assert dump({"b": 1, "a": 2}) == "b: 1\na: 2\n"


def test_resolved_shows_choice_and_reason() -> None:
    values = {"batch": "auto", "block": {"size": "auto", "kept": 3}}
    text = dump_resolved(
        values,
        {
            "batch": {"value": 32, "why": "it fits in memory"},
            "block.size": {"value": 64, "why": "the images are small"},
            "block.kept": {"value": 9, "why": "never: the user said 3"},
            "gone.key": {"value": 1, "why": "it is in no recipe"},
        },
    )
    assert "#   batch: 32 — it fits in memory\n" in text
    assert read_text(text, "r").value == {"batch": 32, "block": {"size": 64, "kept": 3}}


@pytest.mark.parametrize("why", ["two\nlines", "a: b # c", "# x"])
def test_a_reason_never_breaks_the_file(why: str) -> None:
    text = dump_resolved({"a": "auto"}, {"a": {"value": "x\ny", "why": why}})
    assert read_text(text, "r").value == {"a": "x\ny"}
