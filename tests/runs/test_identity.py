"""What makes two runs the same run."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.recipe import Part, Recipe
from medfm_cli.runs.identity import digest, folder_name, identity


class Inner(Part):
    size: int = 3


class ToyRecipe(Recipe):
    data: str
    models: dict[str, str] = {}  # noqa: RUF012
    inner: Inner = Inner()


def test_data_that_moved_are_the_same_data() -> None:
    here, there = ToyRecipe(data="/here"), ToyRecipe(data="/there")
    assert identity("v", here, {"data": "abc"}) == identity("v", there, {"data": "abc"})
    assert identity("v", here, {"data": "abc"}) != identity("v", here, {"data": "abd"})


def test_paths_deep_in_a_recipe_are_replaced_too() -> None:
    one, two = (ToyRecipe(data="d", models={"full": path}) for path in ("a", "b"))
    inputs = {"models.full": "1"}
    assert identity("v", one, inputs) == identity("v", two, inputs)
    assert identity("v", one, {"no.such": "1"})["recipe"]["data"] == "d"


def test_words_for_people_do_not_count_and_everything_else_does() -> None:
    base = ToyRecipe(data="d")
    same = [ToyRecipe(data="d", description="x"), ToyRecipe(data="d", inner=Inner(size=3))]
    other = [ToyRecipe(data="d", seed=1), ToyRecipe(data="d", inner=Inner(size=4))]
    hashes = {digest(identity("v", recipe, {})) for recipe in [base, *same]}
    assert len(hashes) == 1
    hashes |= {digest(identity("v", recipe, {})) for recipe in other}
    hashes.add(digest(identity("w", base, {})))
    assert len(hashes) == 4


def test_the_digest_is_fixed_for_all_time() -> None:
    """sha256 of the canonical text: run directories of older versions stay known."""
    expected = "cfbe79a43c442376af35680a186d763394f758816d14d4eeab55c3b88a95debd"
    assert digest({"b": [1, None, "é"], "a": 0.1}) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("verb", "name", "expected"),
    [
        ("curate", "dicom", "curate-dicom-01234567"),
        ("run", "quickstart", "run-quickstart-01234567"),
        ("curate", "curate", "curate-01234567"),
        ("curate", "a b/c", "curate-a-b-c-01234567"),
        ("curate", "..", "curate-recipe-01234567"),
        ("curate", "-", "curate-recipe-01234567"),
        ("curate", "", "curate-recipe-01234567"),
    ],
)
def test_names_of_run_directories(verb: str, name: str, expected: str) -> None:
    assert folder_name(verb, name, "0123456789abcdef") == expected
    assert folder_name(verb, name) == expected[:-9]


@given(st.text(max_size=30))
def test_a_name_is_always_one_safe_path_part(name: str) -> None:
    assert re.fullmatch(r"v(-[A-Za-z0-9._][A-Za-z0-9._-]*)?-0{8}", folder_name("v", name, "0" * 8))
