"""YAML 1.2 into plain values with places; what is no plain value is refused."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.errors import RecipeError
from medfm_cli.recipe.tree import MAX_BYTES, Place, read_file, read_text, scalar


def value(text: str) -> Any:
    return read_text(f"a: {text}\n", "r.yaml").value["a"]


def problems(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_text(text, "r.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "word",
    ["no", "No", "NO", "yes", "on", "off", "y", "n", "1_000", "0b11", "1:30", "12:30:45",
     "2001-12-14", "0x", "1e", "e3", ".", "+", "-", "--1", "1-", "=", "<<", "0o8", "1.2.3", "nan",
     "inf", "NaN", "tRUE", "nUll"],
)  # fmt: skip
def test_words_stay_words(word: str) -> None:
    """The traps of YAML 1.1: Norway, sexagesimal numbers, dates, underscores."""
    if word != "-":  # in a file, it starts a list
        assert value(word) == word
    assert scalar(word) == word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("0o17", 15), ("0x1F", 31), ("010", 10),
        ("1e-3", 1e-3), ("1E3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-.5e+2", -50.0),
        ("+1.5", 1.5), ("-.inf", -math.inf), (".Inf", math.inf),
        ("12345678901234567890", 12345678901234567890),
        ("'no'", "no"), ('"1"', "1"), ("'1e-3'", "1e-3"), ("|\n  x\n", "x\n"),
    ],
)  # fmt: skip
def test_scalars_of_the_core_schema(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_not_a_number() -> None:
    assert math.isnan(value(".nan"))
    assert math.isnan(scalar(".NaN"))


@given(st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_numbers_come_back_as_python_writes_them(number: float) -> None:
    text = str(number).replace("inf", ".inf").lower()
    assert scalar(text) == number
    assert value(text) == number


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read_text("{no: 1, 7: 2, 1e3: 3, true: 4, null: 5}", "r").value == {
        "no": 1, "7": 2, "1e3": 3, "true": 4, "null": 5,
    }  # fmt: skip


def test_places_are_those_of_an_editor() -> None:
    tree = read_text("a:\n  b: [1,\n      two]\nc: d\n", "r.yaml")
    assert tree.place(("a", "b"), of_key=True) == Place("r.yaml", 2, 3)
    assert tree.place(("a", "b")) == Place("r.yaml", 2, 6)
    assert tree.place(("a", "b", 1)) == Place("r.yaml", 3, 7)
    assert tree.place(("c",)) == Place("r.yaml", 4, 4)
    assert tree.place(("c", "nothing", "deeper")) == Place("r.yaml", 4, 4)
    assert str(tree.place(("c",))) == "r.yaml:4:4"


def test_every_duplicate_is_told() -> None:
    text = "a: 1\nb: {x: 1, x: 2}\na: 2\nc: [{y: 1, y: 1}]\n'a': 3\n"
    assert problems(text) == [
        "r.yaml:2:11: b.x: written twice, first in line 2 (keep one of them)",
        "r.yaml:3:1: a: written twice, first in line 1 (keep one of them)",
        "r.yaml:4:12: c.0.y: written twice, first in line 4 (keep one of them)",
        "r.yaml:5:1: a: written twice, first in line 1 (keep one of them)",
    ]


@pytest.mark.parametrize(
    "tagged",
    [
        "!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!binary aGk=",
        "!!timestamp 2001-12-14", "!!set {x}", "!!omap [x: 1]", "!mine x", "!mine [x]",
        "!mine {x: 1}", "!!python/tuple [1]", "! x", "!!merge <<",
    ],
)  # fmt: skip
def test_tags_are_refused(tagged: str) -> None:
    if tagged == "! x":  # the non-specific tag says: as plain as can be
        assert value(tagged) == "x"
        return
    assert any(
        "is not allowed; recipes hold plain values only" in p for p in problems(f"a: {tagged}")
    )


@pytest.mark.parametrize("tagged", ["!!str 1", "!!int '3'", "!!seq [1]", "!!map {x: 1}"])
def test_tags_of_plain_values_are_harmless(tagged: str) -> None:
    value(tagged)


@pytest.mark.parametrize("tagged", ["!!int x", "!!float x", "!!bool x", "9" * 5000])
def test_values_that_are_not_what_they_say_are_told(tagged: str) -> None:
    (problem,) = problems(f"a: {tagged}")
    assert problem.startswith("r.yaml:1:4: a: '")
    assert "cannot be read as " in problem


def test_aliases_are_copied() -> None:
    tree = read_text("a: &x {n: 1}\nb: *x\n", "r")
    assert tree.value == {"a": {"n": 1}, "b": {"n": 1}}
    assert tree.value["a"] is not tree.value["b"]


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert read_text("a: &x {n: 1}\nb: {<<: *x}\n", "r").value["b"] == {"<<": {"n": 1}}


@pytest.mark.parametrize(
    "bomb",
    [
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
        "a: &a [*a]\n",
        "a: &a {b: *a}\n",
    ],
    ids=["billion laughs", "list in itself", "block in itself"],
)
def test_alias_bombs_are_refused(bomb: str) -> None:
    (problem,) = problems(bomb)
    assert "aliases expand without end" in problem


def test_deep_nesting_is_refused_in_words() -> None:
    (problem,) = problems("[" * 3000 + "]" * 3000)
    assert problem == "r.yaml:1:1: blocks lie in blocks too deeply"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "this is no YAML: expected ',' or ']'"),
        ("a: 'x", "r.yaml:1:6: this is no YAML"),
        ("a: *nowhere", "r.yaml:1:4: this is no YAML: found undefined alias"),
        ("%YAML 3.0\n---\na: 1", "this is no YAML"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2:1: this is no YAML"),
        ("a: \x07", "r.yaml:1:1: this is no YAML"),
        ("? [x]\n: 1", ""),
    ],
)
def test_what_is_no_yaml(text: str, said: str) -> None:
    if said:
        assert any(said in problem for problem in problems(text))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        read_text(text, "r.yaml")
    except RecipeError as error:
        assert all(problem.place.source == "r.yaml" for problem in error.problems)
        assert all(problem.message for problem in error.problems)


@given(st.binary(max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    try:
        assert isinstance(read_file(path).value, dict)
    except RecipeError as error:
        assert error.problems


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("")
    assert read_file(path).value == {}
    path.write_text("# nothing but words\n")
    assert read_file(path).value == {}
    path.write_bytes("\ufeffa: 1\n".encode())
    assert read_file(path).value == {"a": 1}
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(RecipeError) as caught:
        read_file(path)
    assert "a recipe has at most 1,000,000" in str(caught.value.problems[0])
    with pytest.raises(RecipeError, match="1 problem"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None), ("a=b", "a=b"), ("[1, no, 'x']", [1, "no", "x"]), ("{a: 1}", {"a": 1}),
        ("'1'", "1"), ('"a b"', "a b"), ("a: b", "a: b"), ("#x", "#x"), ("x # y", "x # y"),
        ("- 1", "- 1"), ("&a", "&a"), ("*a", "*a"), ("!x", "!x"), ("@x", "@x"), ("a, b", "a, b"),
        ("C:\\x", "C:\\x"), ("$stage", "$stage"), ("%", "%"), (" 1", " 1"), ("~/data", "~/data"),
    ],
)  # fmt: skip
def test_values_of_overrides(text: str, expected: Any) -> None:
    """Plain text is taken as it is: a shell user has quoted once already."""
    assert scalar(text) == expected


@pytest.mark.parametrize("text", ["[1", "{a: }}", "'x", "[!!binary x]", "{a: 1, a: 2}"])
def test_values_of_overrides_that_are_broken(text: str) -> None:
    with pytest.raises(RecipeError):
        scalar(text)
