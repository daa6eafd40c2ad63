"""Overrides: set, append, remove, each with its own place in errors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.errors import RecipeError
from medfm_cli.recipe.overrides import apply_overrides
from medfm_cli.recipe.tree import Tree, read_text

BASE = "a: 1\nblock:\n  x: 2\n  deep: {y: 3}\nlist: [1, {z: 4}]\nnothing:\n"


def changed(*overrides: str, text: str = BASE) -> Any:
    tree = read_text(text, "r.yaml")
    apply_overrides(tree, list(overrides))
    return tree.value


def refused(*overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        changed(*overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("a=2", ["a"], 2),
        ("a=", ["a"], None),
        ("a=''", ["a"], ""),
        ("a=x=y=z", ["a"], "x=y=z"),
        ("a==", ["a"], "="),
        ("a=no", ["a"], "no"),
        ("a=1e-3", ["a"], 1e-3),
        ("a=-1", ["a"], -1),
        ("a=~", ["a"], None),
        ("a=[1, two]", ["a"], [1, "two"]),
        ("a={b: {c: 1}}", ["a"], {"b": {"c": 1}}),
        ("a=s3://x/y?z=1&w=2", ["a"], "s3://x/y?z=1&w=2"),
        ("block.x=5", ["block", "x"], 5),
        ("block.deep.new=5", ["block", "deep", "new"], 5),
        ("new.block.key=5", ["new", "block", "key"], 5),
        ("nothing.key=5", ["nothing", "key"], 5),
        ("list.0=9", ["list", 0], 9),
        ("list.2=9", ["list", 2], 9),
        ("list.1.z=9", ["list", 1, "z"], 9),
        ("block=7", ["block"], 7),
    ],
)
def test_setting(override: str, path: list[str | int], expected: Any) -> None:
    value = changed(override)
    for part in path:
        value = value[part]
    assert value == expected
    assert type(value) is type(expected)


def test_removing() -> None:
    assert "a" not in changed("~a")
    assert changed("~block.deep")["block"] == {"x": 2}
    assert changed("~list.0")["list"] == [{"z": 4}]
    assert changed("~list.1.z")["list"] == [1, {}]


def test_one_after_the_other() -> None:
    assert changed("~block", "block.x=1")["block"] == {"x": 1}
    assert changed("list.2=a", "list.3=b")["list"][2:] == ["a", "b"]
    assert changed("a=1", "a=2")["a"] == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("word", "this is no override (write key.path=value, or ~key.path to remove a key)"),
        ("a.b=1", "a: 'a' is a single value, not a block (set a itself)"),
        ("=1", "a part of the key is empty"),
        ("a..b=1", "a part of the key is empty"),
        (".=1", "a part of the key is empty"),
        ("~", "a part of the key is empty"),
        ("~nope", "nope: there is no such key to remove"),
        ("~block.deeep", "block.deeep: there is no such key to remove (did you mean 'deep'?)"),
        ("~nothing.x", "there is no such key to remove"),
        ("list.3=1", "the list 'list' has 2 items; '3' is none of them (use 0 to 2)"),
        ("list.x=1", "the list 'list' has 2 items; 'x' is none of them"),
        ("list.-1=1", "'-1' is none of them"),
        ("list.²=1", "'²' is none of them"),
        ("~list.2", "use 0 to 1"),
        ("a=[1", "this is no YAML"),
        ("a={b: 1, b: 2}", "written twice"),
    ],
)
def test_refusals_name_the_override(override: str, said: str) -> None:
    (problem,) = refused(override)
    assert problem.startswith(f"override '{override}': ")
    assert said in problem


def test_all_refusals_at_once() -> None:
    assert len(refused("word", "a=2", "a.b=1", "~nope")) == 3


def test_a_changed_value_is_placed_at_its_override() -> None:
    tree = read_text(BASE, "r.yaml")
    apply_overrides(tree, ["block={x: 1}", "list.0=3"])
    assert str(tree.place(("block", "x"))) == "override 'block={x: 1}'"
    assert str(tree.place(("list", 0))) == "override 'list.0=3'"
    assert str(tree.place(("a",))) == "r.yaml:1:4"


def test_places_after_a_removed_item_move_up() -> None:
    tree = read_text("list:\n- a\n- b\n- c\n", "r.yaml")
    apply_overrides(tree, ["~list.0"])
    assert [tree.place(("list", n)).line for n in (0, 1)] == [3, 4]


NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)


@given(path=st.lists(NAMES, min_size=1, max_size=4), text=st.text(max_size=20))
def test_what_is_set_as_quoted_text_is_found_again(path: list[str], text: str) -> None:
    tree = Tree({})
    quoted = "'" + text.replace("'", "''") + "'"
    try:
        apply_overrides(tree, [f"{'.'.join(path)}={quoted}"])
    except RecipeError:
        assert not text.isprintable()  # control characters are no YAML
        return
    value = tree.value
    for part in path:
        value = value[part]
    if text.isprintable():
        assert value == text
