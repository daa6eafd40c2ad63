"""What is installed: one package, with its commands, recipes and completions, from anywhere."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from executable import Executable

from medfm_cli import __version__

ELSEWHERE = """
import importlib.resources, sys
import medfm_cli
from medfm_cli.commands import VERBS
from medfm_cli.recipe.shipping import shipped
assert medfm_cli.__file__.startswith(sys.argv[1]), medfm_cli.__file__
assert {r.verb for r in shipped()} >= {"run", "pretrain", "finetune"}
files = importlib.resources.files("medfm_cli.completions")
assert {"medfm.bash", "_medfm", "medfm.fish"} <= {f.name for f in files.iterdir()}
templates = importlib.resources.files("medfm_cli.runs") / "templates"
assert (templates / "page.css").is_file()
from medfm_cli.cli.app import main
sys.argv = ["medfm", "recipes", "ls"]
main()
"""


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tracked files, so that no build leaves traces here."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("medfm_cli", "commands", "recipes", "completions"):
        shutil.copytree(
            repository / name,
            source / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    build = (
        "from setuptools import build_meta; import sys; print(build_meta.build_wheel(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_one_name_and_everything_in_it(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} == {
        "medfm_cli",
        f"medfm-{__version__}.dist-info",
    }
    folders = {"medfm_cli": "medfm_cli"} | {
        name: f"medfm_cli/{name}" for name in ("commands", "recipes", "completions")
    }
    for folder, installed in folders.items():
        for path in (repository / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{installed}/{path.relative_to(repository / folder).as_posix()}" in names


def test_the_wheel_says_who_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(f"medfm-{__version__}.dist-info/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Classifier: Topic :: Scientific/Engineering :: Medical Science Apps." in metadata
    assert "Provides-Extra: train" in metadata
    assert "# medfm" in metadata, "the README is the long description"
    entry_points = archive.read(f"medfm-{__version__}.dist-info/entry_points.txt").decode()
    assert "medfm = medfm_cli.cli.app:main" in entry_points


def test_the_wheel_works_from_another_directory(
    wheel: Path, medfm: Executable, tmp_path: Path
) -> None:
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # what installing a pure wheel is
        archive.extractall(target)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "commands.py").write_text("raise SystemExit('a file of the user was imported')")
    installed = medfm.having(PYTHONPATH=str(target))
    done = installed("-c", ELSEWHERE, target, command=(sys.executable,), cwd=elsewhere)
    assert done.code == 0, done.stderr
    assert "run/quickstart" in done.stdout


def test_the_editable_install_works_from_another_directory(
    medfm: Executable, tmp_path: Path
) -> None:
    (tmp_path / "commands.py").write_text("raise SystemExit('a file of the user was imported')")
    done = medfm("recipes", "ls", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "run/quickstart" in done.stdout


def test_python_m_is_the_same_program(medfm: Executable, tmp_path: Path) -> None:
    as_module = (sys.executable, "-m", "medfm_cli")
    for arguments in (("--version",), ("--help",), ("recipes", "ls"), ("nope",)):
        assert medfm(*arguments, command=as_module) == medfm(*arguments)
