"""YAML 1.2 (core schema) to plain values, remembering where each was written.

PyYAML reads YAML 1.1, in which `no` is false and `1e-3` is a string: both are traps in recipes
(labels are often yes and no). Its resolver is replaced by the core schema of YAML 1.2.2, §10.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from medfm_cli.errors import RecipeError
from medfm_cli.recipe.problems import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path as FilePath

Key = tuple[str | int, ...]
MAX_BYTES = 1_000_000
MAX_NODES = 100_000
_PLAIN = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


@dataclass
class Tree:
    """Values with the place of every key and value.

    Attributes:
        value: plain dicts, lists and scalars.
        keys: path → where the key is written.
        values: path → where the value is written.
    """

    value: Any
    keys: dict[Key, Place] = field(default_factory=dict)
    values: dict[Key, Place] = field(default_factory=dict)

    def place(self, path: Key, *, of_key: bool = False) -> Place:
        """The place of `path`, or of the nearest block around it."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        while True:
            found = first.get(path) or second.get(path)
            if found or not path:
                return found or Place("recipe")
            path = path[:-1]

    def forget(self, path: Key) -> None:
        """Drop the places at and below `path`."""
        for places in (self.keys, self.values):
            for known in [k for k in places if k[: len(path)] == path]:
                del places[known]

    def close_up(self, path: Key) -> None:
        """Drop the places of a removed list item; those after it move up by one."""
        self.forget(path)
        depth, removed = len(path) - 1, path[-1]

        def later(key: Key) -> bool:
            return key[:depth] == path[:depth] and len(key) > depth and key[depth] > removed  # type: ignore[operator]

        for places in (self.keys, self.values):
            moved = {key: places.pop(key) for key in list(places) if later(key)}
            for key, place in moved.items():
                places[(*key[:depth], int(key[depth]) - 1, *key[depth + 1 :])] = place

    def part(self, path: Key) -> Tree:
        """The block at `path` as a tree of its own."""
        value = self.value
        for step in path:
            value = value[step]
        keys, values = (
            {key[len(path) :]: place for key, place in places.items() if key[: len(path)] == path}
            for places in (self.keys, self.values)
        )
        return Tree(value, keys, values)

    def replace(self, path: Key, other: Tree) -> None:
        """Put `other` at `path`, where a block or the whole tree was."""
        if path:
            place = self.place(path, of_key=True)
            self.part(path[:-1]).value[path[-1]] = other.value
            self.forget(path)
            self.keys[path] = place
        else:
            self.value, self.keys, self.values = other.value, {}, {}
        self.adopt(other, path)

    def adopt(self, other: Tree, path: Key = ()) -> None:
        """Take over the places of `other`, put under `path`."""
        self.keys.update({path + k: p for k, p in other.keys.items()})
        self.values.update({path + k: p for k, p in other.values.items()})


class CoreLoader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2."""


CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def read_file(path: FilePath, *, shown: str | None = None) -> Tree:
    """Read a recipe file.

    Raises:
        RecipeError: it cannot be read, is no YAML, or has the same key twice.
    """
    source = shown or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _error(source, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _error(source, f"is {len(data):,} bytes; a recipe has at most {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _error(source, "is not UTF-8 text, so it is no recipe") from None
    tree = read_text(text, source)
    if tree.value is None:
        tree.value = {}
    if not isinstance(tree.value, dict):
        raise _error(source, "a recipe is a block of `key: value` lines", line=1, column=1)
    return tree


def read_text(text: str, source: str) -> Tree:
    """Parse YAML text (see `read_file`)."""
    try:
        loader = CoreLoader(text)
    except yaml.reader.ReaderError as error:
        message = f"this is no YAML: {error.reason}"
        raise _error(source, message, line=text.count("\n", 0, error.position) + 1) from None
    try:
        node = loader.get_single_node()
        tree = Tree(None)
        if node is not None:
            tree.value = _Builder(tree, source).build(node, ())
        return tree
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = f"this is no YAML: {error.problem or error.context}"
        raise _error(source, message, line=line, column=column) from None
    except RecursionError:
        raise _error(source, "blocks lie in blocks too deeply", line=1) from None
    except yaml.YAMLError as error:
        raise _error(source, f"this is no YAML: {str(error).splitlines()[0]}") from None
    finally:
        loader.dispose()


def scalar(text: str) -> Any:
    """A value from the command line: flow YAML where it starts like one, else one plain scalar."""
    if text[:1] in ("[", "{", '"', "'"):
        return read_text(text, f"override value {text!r}").value
    loader = CoreLoader("")
    try:
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        return _construct(yaml.ScalarNode(tag, text))
    finally:
        loader.dispose()


class _Builder:
    def __init__(self, tree: Tree, source: str) -> None:
        self.tree, self.source = tree, source
        self.problems: list[Problem] = []
        self.nodes = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: Key) -> Any:
        value = self._value(node, path)
        if not path and self.problems:
            raise RecipeError(self.problems)
        return value

    def _value(self, node: yaml.Node, path: Key) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or id(node) in self.open:
            raise _error(self.source, "aliases expand without end", line=node.start_mark.line + 1)
        self.tree.values[path] = self._place(node)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
                self.problems.append(_tag_problem(node, self._place(node), path))
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(child, (*path, i)) for i, child in enumerate(node.value)]
            return _construct(node, self._place(node), self.problems, path)
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            here = (*path, key)
            if key in result:
                first = self.tree.keys[here]
                self.problems.append(
                    Problem(
                        self._place(key_node),
                        dotted(here),
                        f"written twice, first in line {first.line}",
                        "keep one of them",
                    )
                )
                continue
            self.tree.keys[here] = self._place(key_node)
            result[key] = self._value(value_node, here)
        return result

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)


def _construct(
    node: yaml.Node,
    place: Place | None = None,
    problems: list[Problem] | None = None,
    path: Key = (),
) -> Any:
    try:
        return _READERS[node.tag.removeprefix("tag:yaml.org,2002:")](str(node.value))
    except KeyError:
        problem = _tag_problem(node, place or Place("command line"), path)
    except ValueError:
        kind = node.tag.rpartition(":")[2]
        message = f"'{str(node.value)[:40]}' cannot be read as {kind}"
        problem = Problem(place or Place("command line"), dotted(path), message)
    if problems is None:
        raise RecipeError([problem])
    problems.append(problem)
    return None


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


LONGEST_INT = 100
"""Characters of a whole number; Python refuses to print very long ones."""


def _int(text: str) -> int:
    if len(text) > LONGEST_INT:
        raise ValueError(text)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _: None,
    "bool": _bool,
    "int": _int,
    "float": _float,
}


def _tag_problem(node: yaml.Node, place: Place, path: Key) -> Problem:
    message = f"the tag '{node.tag}' is not allowed; recipes hold plain values only"
    return Problem(place, dotted(path), message, "remove the tag")


def dotted(path: Key) -> str:
    """`('a', 'b', 0)` as people write it: `a.b.0`."""
    return ".".join(str(part) for part in path)


def _error(source: str, message: str, *, line: int = 0, column: int = 1) -> RecipeError:
    return RecipeError([Problem(Place(source, line, column if line else 0), "", message)])
