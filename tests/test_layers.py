"""No import circles, and one order of layers; lazy and typed-only imports count."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent

LAYERS: dict[str, set[str]] = {
    # Each package of the foundation and the packages of the foundation it may stand on.
    "samples": set(),
    "recipe": set(),
    "metrics": set(),
    "runs": {"recipe"},
    "readers": {"samples", "recipe"},
    "data": {"samples", "recipe", "runs"},
    "models": {"samples", "recipe", "runs", "data"},
    "tasks": {"samples", "recipe", "runs", "data", "models", "metrics"},
    "training": {"samples", "recipe", "runs", "data", "models", "tasks", "metrics", "processes"},
    "scoring": {"samples", "recipe", "runs", "data", "models", "tasks", "metrics", "training"},
    "inference": {"samples", "readers", "recipe", "runs", "data", "models", "tasks"},
    "processes": {"recipe", "runs"},
    "cli": {"recipe", "runs", "processes"},
}
ANYWHERE = {"errors", "extras", "version", "console", "torch_private"}
"""Modules at the root that stand on nothing and that every layer may use."""

ENTRANCE = {"verbs", "commands", "envelope", "execute"}
"""Modules at the root that know verbs by name: for `cli` and `processes`, which run them."""


def module_of(path: Path) -> str:
    """`commands/run/cli.py` → `medfm_cli.commands.run.cli`; a package is its `__init__.py`."""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "medfm_cli" else ("medfm_cli", *parts))


MODULES = {
    module_of(path): path
    for folder in ("medfm_cli", "commands")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
}


@cache
def import_graph() -> Mapping[str, frozenset[str]]:
    """Module → modules of medfm that it imports anywhere: at the top, in functions, for types."""
    return {module: frozenset(imported(module)) - {module} for module in MODULES}


def imported(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} uses a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in names if name in MODULES]
            yield from modules
            if len(modules) < len(names) and node.module in MODULES:  # a name of the package's own
                yield str(node.module)


def circles(graph: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in graph[module]:
            if other not in order:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            component = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(component) > 1:
                components.append(sorted(component))

    for module in sorted(graph):
        if module not in order:
            visit(module)
    return components


def test_circles_are_found() -> None:
    graph = {"a": "b", "b": "c", "c": "b", "d": "ae", "e": "f", "f": "d"}
    assert circles({name: frozenset(others) for name, others in graph.items()}) == [
        ["b", "c"],
        ["d", "e", "f"],
    ]


def test_no_modules_import_each_other() -> None:
    assert len(import_graph()) > 400
    assert circles(import_graph()) == []


def test_every_package_has_a_layer() -> None:
    folders = (REPOSITORY / "medfm_cli").glob("*/__init__.py")
    assert {file.parent.name for file in folders if not file.parent.is_symlink()} <= set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_one_way(layer: str) -> None:
    """Imports for types count: a type is knowledge of another layer as well."""
    allowed = {layer, *LAYERS[layer], *ANYWHERE}
    if layer in ("processes", "cli"):
        allowed |= ENTRANCE
    wrong = [
        f"{module} imports {other}"
        for module, others in import_graph().items()
        if module.split(".")[1:2] == [layer]
        for other in sorted(others)
        if other != "medfm_cli" and other.split(".")[1] not in allowed
    ]
    assert wrong == []


CURATE = "medfm_cli.commands.curate"
OPEN_FOLDERS = {"options", "sources", "tables", "similarity"}
"""Folders of curate that are no step: any step may use any of their modules."""

WITHOUT_DOOR = {"diff"}
"""Steps that have no step.py yet. Never add to this list."""

SHARED_TYPES = {
    "annotations",
    "deidentify.pseudonyms",
    "describing.tallies",
    "duplicates.contamination_summary",
    "instructions.records",
    "metadata.file_metadata",
    "reading.staging",
    "split.client_summary",
    "split.strata",
}
"""Modules of a step whose types other steps use as well."""

PAST_THE_DOOR = {
    "annotations.apply",
    "annotations.refs",
    "deidentify.dicom.copies",
    "deidentify.rescan",
    "deidentify.technical_attributes",
    "deidentify.text.clean",
    "diff.difference",
    "diff.text",
    "report.datasheet",
}
"""Inner modules that another step or the engine still imports. Never add to this list."""


def test_every_step_of_curate_has_a_door() -> None:
    folders = {file.parent.name for file in (REPOSITORY / "commands/curate").glob("*/__init__.py")}
    without = {step for step in folders if f"{CURATE}.{step}.step" not in MODULES}
    assert without - OPEN_FOLDERS <= WITHOUT_DOOR


def test_steps_of_curate_are_entered_by_their_door() -> None:
    inner = {
        other.removeprefix(f"{CURATE}.")
        for module, others in import_graph().items()
        for other in others
        if other.startswith(f"{CURATE}.")
        and (step := other.split(".")[3]) not in OPEN_FOLDERS
        and f"{CURATE}.{step}" in MODULES
        and MODULES[f"{CURATE}.{step}"].name == "__init__.py"
        and module.split(".")[:4] != other.split(".")[:4]
        and other != f"{CURATE}.{step}.step"
    }
    assert inner - SHARED_TYPES <= PAST_THE_DOOR
