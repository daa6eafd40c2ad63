"""Reading, extending, overriding and checking: from a file to a typed recipe."""

# ruff: noqa: E501, RUF012 - a case and what is said about it stand in one line

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, field_validator, model_validator

from medfm_cli.errors import RecipeError, UsageError
from medfm_cli.recipe import Auto, Part, Recipe, Registry
from medfm_cli.recipe.load import check, load, read_extended
from medfm_cli.recipe.tree import read_text


class Adam(Part):
    name: Literal["adam"] = "adam"
    rate: float = Field(0.1, gt=0)
    implementation: ClassVar[str] = "json:dumps"


class Sgd(Part):
    name: Literal["sgd"] = "sgd"
    momentum: float = 0.9
    implementation: ClassVar[str] = "no.such.module:Sgd"


class Lone(Part):
    name: Literal["lone"] = "lone"
    depth: int = 1
    implementation: ClassVar[str] = "json:loads"


OPTIMISERS = Registry("optimiser", [Adam, Sgd])
Optimiser = OPTIMISERS.union()


class Inner(Part):
    rate: float | None = None
    sizes: list[Annotated[int, Field(ge=1)]] = []
    named: dict[str, Adam] = {}


class ToyRecipe(Recipe):
    batch: int | Auto = "auto"
    mode: Literal["probe", "full"]
    flag: bool = False
    inner: Inner = Inner()
    items: list[Inner] = []
    optimiser: Optimiser = Adam()  # type: ignore[valid-type]
    lone: Lone = Lone()
    either: Inner | str = "x"

    @field_validator("batch")
    @classmethod
    def _even(cls, batch: int | str) -> int | str:
        if isinstance(batch, int) and batch % 2:
            raise ValueError(f"a batch is even, and {batch} is odd")
        return batch

    @model_validator(mode="after")
    def _together(self) -> "ToyRecipe":
        if self.flag and self.mode == "probe":
            raise ValueError("a probe takes no flag")
        return self


def problems(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check(read_text(text, "r.yaml"), ToyRecipe)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mode: prob", "r.yaml:1:7: mode: expected 'probe' or 'full', not 'prob' (did you mean 'probe'?)"),
        ("x: 1", "r.yaml:1:1: mode: is required and missing (add `mode: …`)"),
        ("mode: full\nbatch: 3", "r.yaml:2:8: batch: a batch is even, and 3 is odd"),
        ("mode: full\nbatch: atuo", "r.yaml:2:8: batch: expected a whole number or 'auto', not 'atuo' (did you mean 'auto'?)"),
        ("mode: full\nbatch: 2.5", "batch: expected a whole number or 'auto', not 2.5"),
        ("mode: full\nbatch: '2'", "batch: expected a whole number or 'auto', not '2'"),
        ("mode: full\nbatch:", "batch: expected a whole number or 'auto', not nothing"),
        ("mode: full\nflag: yes", "r.yaml:2:7: flag: expected true or false, not 'yes'"),
        ("mode: full\nflag: 1", "flag: expected true or false, not 1"),
        ("mode: full\nseed: -1", "seed: must be greater than or equal to 0, not -1"),
        ("mode: full\nseed: 9223372036854775808", "seed: must be a whole number of at most 64 bits"),
        (f"mode: full\nseed: 0x{'f' * 5000}", "cannot be read as int"),
        (f"mode: full\nseed: {'9' * 5000}", "cannot be read as int"),
        (f"mode: full\ninner: {{sizes: [1, -1{'0' * 23}]}}", "inner.sizes.1: must be a whole number of at most 64 bits"),
        ("mode: full\nseed: true", "seed: expected a whole number, not True"),
        ("mode: full\ninner: 3", "inner: expected a block of keys, not 3"),
        ("mode: full\ninner: [1]", "inner: expected a block of keys, not a list"),
        ("mode: full\ninner: {rate: fast}", "inner.rate: expected a number, not 'fast'"),
        ("mode: full\ninner: {sizes: 3}", "inner.sizes: expected a list, not 3"),
        ("mode: full\ninner: {sizes: [1, 0]}", "r.yaml:2:20: inner.sizes.1: must be greater than or equal to 1, not 0"),
        ("mode: full\ninner: {named: {a: {rat: 1}}}", "inner.named.a.rat: unknown key (did you mean 'rate'?)"),
        ("mode: full\nitems:\n- sizs: [1]", "r.yaml:3:3: items.0.sizs: unknown key (did you mean 'sizes'?)"),
        ("mode: full\noptimiser: {name: adm}", "optimiser: there is no 'adm' here; known: 'adam', 'sgd' (did you mean 'adam'?)"),
        ("mode: full\noptimiser: {rate: 1}", "optimiser: says no `name`, so it is not clear which component is meant"),
        ("mode: full\noptimiser: {name: sgd, momntum: 1}", "r.yaml:2:24: optimiser.momntum: unknown key (did you mean 'momentum'?)"),
        ("mode: full\noptimiser: {name: sgd, rate: 1}", "optimiser.rate: unknown key (known keys: name, momentum)"),
        ("mode: full\noptimiser: {name: adam, rate: 0}", "optimiser.rate: must be greater than 0, not 0"),
        ("mode: full\nlone: {nmae: x}", "lone.nmae: unknown key (did you mean 'name'?)"),
        ("mode: full\neither: {rat: 1}", "either.rat: unknown key (did you mean 'rate'?)"),
        ("mode: full\nMode: full", "r.yaml:2:1: Mode: unknown key"),
        ("mode: probe\nflag: true", "a probe takes no flag"),
    ],
)  # fmt: skip
def test_a_problem_in_words(text: str, said: str) -> None:
    assert any(said in problem for problem in problems(text)), problems(text)


def test_a_block_that_could_be_text_is_judged_as_the_block_it_is() -> None:
    assert problems("mode: full\neither: {rate: fast}") == [
        "r.yaml:2:16: either.rate: expected a number, not 'fast'"
    ]
    (said,) = problems("mode: full\neither: 3")
    assert "either: expected a block of keys or text, not 3" in said


def test_problems_come_in_the_order_of_the_file() -> None:
    text = "zeta: 1\nmode: x\ninner:\n  rate: a\n  bad: 1\nseed: b\n"
    assert [problem.split(": ")[0] for problem in problems(text)] == [
        "r.yaml:1:1", "r.yaml:2:7", "r.yaml:4:9", "r.yaml:5:3", "r.yaml:6:7",
    ]  # fmt: skip


def test_long_values_are_cut_short() -> None:
    (problem,) = problems(f"mode: full\nseed: {'x' * 500}\n")
    assert len(problem) < 150


def test_whole_numbers_serve_as_numbers_but_not_the_other_way() -> None:
    recipe = check(read_text("mode: full\ninner: {rate: 3}", "r"), ToyRecipe)
    assert recipe.inner.rate == 3.0  # type: ignore[attr-defined]


def test_recipes_are_immutable() -> None:
    recipe = check(read_text("mode: full", "r"), ToyRecipe)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    def write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def extended(path: Path, name: str = "top") -> Any:
    return read_extended(path / f"{name}.yaml", "toy").value


def test_blocks_are_merged_and_the_rest_is_replaced(folder: Any) -> None:
    path = folder(
        base="a: 1\nblock: {x: 1, y: {z: 2}}\nlist: [1, 2]\nscalar: {k: 1}\n",
        top="extends: base.yaml\nblock: {y: {w: 3}}\nlist: [9]\nscalar: 7\n",
    )
    assert extended(path) == {
        "a": 1,
        "block": {"x": 1, "y": {"z": 2, "w": 3}},
        "list": [9],
        "scalar": 7,
    }


def test_several_bases_the_later_one_wins(folder: Any) -> None:
    path = folder(
        one="a: 1\nb: 1\nc: 1\n", two="b: 2\nc: 2\n", top="extends: [one.yaml, two.yaml]\nc: 3\n"
    )
    assert extended(path) == {"a": 1, "b": 2, "c": 3}


def test_a_base_has_bases_and_is_found_beside_its_heir(folder: Any, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "root.yaml").write_text("a: 1\nb: 1\n")
    (tmp_path / "deep" / "base.yaml").write_text("extends: root.yaml\nb: 2\n")
    assert extended(folder(top="extends: deep/base.yaml\nc: 3\n")) == {"a": 1, "b": 2, "c": 3}


def test_a_diamond_is_no_circle(folder: Any) -> None:
    path = folder(
        root="a: 1\n",
        left="extends: root.yaml\nl: 1\n",
        right="extends: root.yaml\nr: 1\n",
        top="extends: [left.yaml, right.yaml]\n",
    )
    assert extended(path) == {"a": 1, "l": 1, "r": 1}


@pytest.mark.parametrize(
    "files",
    [
        {"top": "extends: top.yaml"},
        {"top": "extends: a.yaml", "a": "extends: b.yaml", "b": "extends: a.yaml"},
        {"top": "extends: [b.yaml, a.yaml]", "a": "extends: ./top.yaml", "b": ""},
    ],
)
def test_circles_are_told(folder: Any, files: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"extends itself: .* → "):
        extended(folder(**files))


def test_null_extends_is_no_base(folder: Any) -> None:
    assert extended(folder(top="extends:\na: 1\n")) == {"a": 1}


def test_places_of_a_base_stay_its_own(folder: Any) -> None:
    path = folder(base="inner:\n  rate: x\n", top="extends: base.yaml\nmode: y\n")
    tree = read_extended(path / "top.yaml", "toy")
    assert tree.place(("inner", "rate")).source.endswith("base.yaml")
    assert tree.place(("mode",)).source.endswith("top.yaml")


def test_load_gives_name_recipe_and_what_was_written(folder: Any) -> None:
    path = folder(base="seed: 3\n", top="extends: base.yaml\nmode: full\n")
    loaded = load(str(path / "top.yaml"), ["batch=4"], verb="toy", model=ToyRecipe)
    assert loaded.name == "top"
    assert loaded.tree.value == {"seed": 3, "mode": "full", "batch": 4}
    assert (loaded.recipe.seed, loaded.recipe.batch) == (3, 4)  # type: ignore[attr-defined]


def test_registries_are_lazy() -> None:
    assert OPTIMISERS.names() == ["adam", "sgd"]
    assert OPTIMISERS.load(Adam()) is __import__("json").dumps
    with pytest.raises(ModuleNotFoundError):
        OPTIMISERS.load(Sgd())
    with pytest.raises(UsageError, match="there is no optimiser 'adma'") as caught:
        OPTIMISERS.options("adma")
    assert caught.value.hint == "did you mean 'adam'?"
