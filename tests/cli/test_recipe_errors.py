"""A wrong recipe: everything that is wrong, where it is, and what to do, all at once."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable

from medfm_cli.errors import ExitCode

WRONG = """\
description: 7
unitz: 3
rate: 2
words: one
end: badly
shape:
  sied: 3
  side: 0
  name: circle
nonsense:
  a: 1
"""

ALL = """\
error: {file}:1:14: description: expected text, not 7
error: {file}:2:1: unitz: unknown key (did you mean 'units'?)
error: {file}:3:7: rate: must be less than or equal to 1, not 2
error: {file}:4:8: words: expected a list, not 'one'
error: {file}:5:6: end: expected 'well', 'failed', 'data', 'environment', 'gate', 'bug', \
'memory' or 'missing', not 'badly'
error: {file}:7:3: shape.sied: unknown key (did you mean 'side'?)
error: {file}:8:9: shape.side: must be greater than or equal to 1, not 0
error: {file}:9:9: shape.name: expected 'square' or 'disc', not 'circle'
error: {file}:10:1: nonsense: unknown key (known keys: """


@pytest.fixture
def broken(toy: Executable, tmp_path: Path) -> Callable[..., Ended]:
    """Run `medfm toy` on a recipe with this text; it must be refused as a recipe."""

    def broken_(text: str | bytes, *arguments: str, name: str = "r.yaml") -> Ended:
        data = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(data)
        done = toy("toy", name, *arguments, cwd=tmp_path)
        assert done.code == ExitCode.USAGE, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "runs").exists()
        return done

    return broken_


def test_every_problem_is_told_at_once_with_its_place(broken: Callable[..., Ended]) -> None:
    done = broken(WRONG)
    assert done.stderr.startswith(ALL.format(file="r.yaml"))
    assert done.stderr.count("error: ") == 9


def test_problems_of_file_and_overrides_come_together(broken: Callable[..., Ended]) -> None:
    done = broken("unitz: 3\n", "rate=fast", "~words.0", "shape.side=2")
    assert "override '~words.0': words: there is no such key to remove" in done.stderr
    done = broken("unitz: 3\n", "rate=fast")
    assert "r.yaml:1:1: unitz" in done.stderr
    assert "override 'rate=fast': rate: expected a number, not 'fast'" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\n", "r.yaml:2:1: this is no YAML"),
        ("a: b: c\n", "r.yaml:1:5: this is no YAML"),
        ("\tunits: 1\n", "r.yaml:1:1: this is no YAML"),
        ("- 1\n- 2\n", "r.yaml:1:1: a recipe is a block of `key: value` lines"),
        ("units: 1\nunits: 2\n", "r.yaml:2:1: units: written twice, first in line 1"),
        ("units: !!python/object/apply:os.system ['true']\n", "tag"),
        ("units: !!binary aGk=\n", "r.yaml:1:8: units: the tag"),
        ("--- 1\n--- 2\n", "this is no YAML"),
        (b"\xff\xfe\x00", "r.yaml: is not UTF-8 text"),
        (b"units: \x00", "this is no YAML"),
        (b"#" * 2_000_000, "r.yaml: is 2,000,000 bytes"),
    ],
)
def test_what_is_no_recipe_at_all(
    broken: Callable[..., Ended], text: str | bytes, said: str
) -> None:
    assert said in broken(text).stderr


def test_nothing_in_yaml_is_run(broken: Callable[..., Ended], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    broken(f"units: !!python/object/apply:pathlib.Path.touch [{victim}]\n")
    broken(f"!!python/object/apply:os.system ['touch {victim}']\n")
    assert not victim.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("units",), "override 'units': this is no override (write key.path=value"),
        (("=3",), "a part of the key is empty"),
        (("shape..side=3",), "a part of the key is empty"),
        (("words.3=x",), "the list 'words' has 0 items"),
        (("rate.x=3",), "'rate' is a single value, not a block (set rate itself)"),
        (("~unitz",), "there is no such key to remove"),
        (("units=[1",), "this is no YAML"),
        (("extends=other",), "extends"),
    ],
)
def test_overrides_that_cannot_be_applied(
    broken: Callable[..., Ended], arguments: tuple[str, ...], said: str
) -> None:
    assert said in broken("rate: 0.5\nwords: []\n", *arguments).stderr


def test_a_recipe_file_that_is_not_there(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "right.yaml").touch()
    done = toy("toy", "rihgt.yaml", cwd=tmp_path)
    assert done.code == 2
    assert done.stderr == (
        "error: there is no recipe file 'rihgt.yaml'\n  → did you mean 'right.yaml'?\n"
    )


def test_a_folder_is_no_recipe(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").mkdir()
    assert toy("toy", "r.yaml", cwd=tmp_path).code == 2


def test_extends_that_leads_nowhere_or_round_in_circles(
    broken: Callable[..., Ended], tmp_path: Path
) -> None:
    done = broken("units: 1\nextends: othre.yaml\n")
    assert "r.yaml:2:10: extends: there is no recipe file 'othre.yaml'" in done.stderr
    (tmp_path / "b.yaml").write_text("extends: r.yaml\n")
    done = broken("extends: b.yaml\n")
    assert re.search(r"extends itself: r\.yaml → b\.yaml → r\.yaml", done.stderr)
    assert broken("extends: 7\n").stderr.startswith("error: r.yaml:1:10: extends:")
    assert broken("extends: [[b.yaml]]\n").stderr.startswith("error: r.yaml:1:10: extends:")


def test_problems_in_an_extended_recipe_name_its_file(
    broken: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "base.yaml").write_text("units: 1\nshape:\n  side: -1\n")
    done = broken("extends: base.yaml\nrate: 7\n")
    assert "r.yaml:2:7: rate:" in done.stderr
    assert "base.yaml:3:9: shape.side:" in done.stderr


def test_pipelines_tell_problems_of_stages_and_keys_together(
    toy: Executable, tmp_path: Path
) -> None:
    (tmp_path / "p.yaml").write_text(
        "one:\n  verb: toyy\ntwo:\n  verb: toy\n  unitz: 3\n  after: $oen\n"
        "three: 7\nfour:\n  verb: toy\n  rate: fast\n"
    )
    done = toy("run", "p.yaml", cwd=tmp_path)
    assert done.code == 2
    assert [line.split(": ")[1:3] for line in done.stderr.splitlines()] == [
        ["p.yaml:1:1", "one"],
        ["p.yaml:5:3", "two.unitz"],
        ["p.yaml:6:3", "two.after"],
        ["p.yaml:7:1", "three"],
        ["p.yaml:10:9", "four.rate"],
    ]
