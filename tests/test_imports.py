"""The rules of the house: who may import whom, and what may be heavy (ARCHITECTURE.md)."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from medfm_cli.commands import VERBS

REPOSITORY = Path(__file__).parent.parent
HOUSE, COMMANDS = REPOSITORY / "medfm_cli", REPOSITORY / "commands"
FILES = sorted([*HOUSE.rglob("*.py"), *COMMANDS.rglob("*.py")])

LIGHT = ("typer", "click", "pydantic", "pydantic_core", "yaml", "medfm_cli")
"""What may be imported at the top of a file that the command line reads before the engine."""


def name_of(path: Path) -> str:
    """`commands/run/cli.py` → `medfm_cli.commands.run.cli`."""
    relative = path.relative_to(REPOSITORY).with_suffix("")
    parts = [part for part in relative.parts if part != "__init__"]
    return ".".join(parts if parts[0] == "medfm_cli" else ["medfm_cli", *parts])


@cache
def imports(path: Path, *, lazy: bool = True) -> tuple[tuple[str, int], ...]:
    """Every module that a file imports, with the line; without `lazy` at import time only."""
    tree = ast.parse(path.read_text("utf-8"))
    return tuple(dict.fromkeys(_imports(tree, name_of(path), path.name == "__init__.py", lazy)))


def _imports(node: ast.AST, here: str, package: bool, lazy: bool) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                parts = here.split(".")
                parts = parts[: len(parts) - child.level + (1 if package else 0)]
                base = ".".join([*parts, base]).rstrip(".")
            yield base, child.lineno
            yield from ((f"{base}.{alias.name}", child.lineno) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(ast.Module(child.orelse, []), here, package, lazy)
        elif not lazy and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        else:
            yield from _imports(child, here, package, lazy)


def wrong(path: Path, module: str, line: int, why: str) -> str:
    return f"{path.relative_to(REPOSITORY)}:{line}: imports {module}: {why}"


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_a_verb_imports_no_other_verb() -> None:
    """`run` alone knows that there are verbs, through medfm_cli.verbs and by name."""
    problems = [
        wrong(path, module, line, "a verb stands alone")
        for path in COMMANDS.rglob("*.py")
        if path.parent != COMMANDS
        for module, line in imports(path)
        if within(module, "medfm_cli.commands")
        and len(module.split(".")) > 2
        and module.split(".")[2] in VERBS
        and module.split(".")[2] != path.relative_to(COMMANDS).parts[0]
    ]
    assert problems == []


def test_the_foundation_imports_no_verb() -> None:
    problems = [
        wrong(path, module, line, "the foundation knows verbs by name only")
        for path in HOUSE.rglob("*.py")
        for module, line in imports(path)
        if within(module, "medfm_cli.commands")
        and module not in ("medfm_cli.commands", "medfm_cli.commands.VERBS")
    ]
    assert problems == []


def test_metrics_know_numbers_only() -> None:
    allowed = {"numpy", "scipy", "medfm_cli", *sys.stdlib_module_names}
    problems = [
        wrong(path, module, line, "metrics stand alone")
        for path in (HOUSE / "metrics").rglob("*.py")
        for module, line in imports(path)
        if module.split(".")[0] not in allowed
        or (within(module, "medfm_cli") and not within(module, "medfm_cli.metrics"))
    ]
    assert problems == []


def light_files() -> list[Path]:
    """Files that --help, `recipes`, `schema` or a recipe error read."""
    roots = [*HOUSE.glob("*.py"), *(HOUSE / "recipe").glob("*.py"), *(HOUSE / "runs").glob("*.py")]
    verbs = [path for name in ("cli", "recipe") for path in COMMANDS.glob(f"*/{name}.py")]
    small = [
        path for verb in ("recipes", "schema", "run") for path in (COMMANDS / verb).glob("*.py")
    ]
    return sorted({*roots, *verbs, *small})


@pytest.mark.parametrize("path", light_files(), ids=name_of)
def test_the_command_line_imports_nothing_heavy(path: Path) -> None:
    problems = [
        wrong(path, module, line, "import it where it is used")
        for module, line in imports(path, lazy=False)
        if module.split(".")[0] not in {*LIGHT, *sys.stdlib_module_names}
    ]
    assert problems == []


def test_predicting_and_reading_need_no_torch() -> None:
    """The base install curates, predicts and inspects: torch and its kin stay out of reach."""
    train_only = {"torch", "torchvision", "timm", "accelerate", "safetensors", "sklearn", "onnx"}
    places = [
        *(HOUSE / "inference").rglob("*.py"),
        *(HOUSE / "readers").rglob("*.py"),
        *(COMMANDS / "curate").rglob("*.py"),
        *(COMMANDS / "predict").rglob("*.py"),
        *(COMMANDS / "doctor").rglob("*.py"),
    ]
    problems = [
        wrong(path, module, line, "it comes with the extra `train` only")
        for path in places
        for module, line in imports(path)
        if module.split(".")[0] in train_only
    ]
    assert problems == []


def test_nothing_loads_a_pickle() -> None:
    """A call that can run what a file holds; `torch.load(weights_only=True)` cannot."""
    problems = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}: {ast.unparse(node)}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and loads_code(node)
    ]
    assert problems == []


def loads_code(call: ast.Call) -> bool:
    module, _, name = ast.unparse(call.func).rpartition(".")
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in ("load", "loads", "Unpickler"):
        if module in ("torch", "accelerate"):
            return keywords.get("weights_only") != "True"
        if module in ("np", "numpy"):
            return keywords.get("allow_pickle", "False") != "False"
        return module in ("pickle", "dill", "joblib", "marshal", "cloudpickle")
    return (module, name) in (("", "eval"), ("", "exec"), ("yaml", "load"), ("yaml", "unsafe_load"))
