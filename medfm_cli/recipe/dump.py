"""Recipes back to YAML, in a form that YAML 1.1 and 1.2 readers take alike."""

from __future__ import annotations

from typing import Any

import yaml

from medfm_cli.recipe.tree import CoreLoader


class _Dumper(yaml.SafeDumper):
    """Quotes every string that either version of YAML would take for something else."""


_Dumper.yaml_implicit_resolvers = {
    first: [
        *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []),
        *CoreLoader.yaml_implicit_resolvers.get(first, []),
    ]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *CoreLoader.yaml_implicit_resolvers}
}


_BREAKS = ("\x85", "\u2028", "\u2029")  # line breaks in YAML 1.1, but not in 1.2


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = '"' if any(letter in text for letter in _BREAKS) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """YAML text for plain values, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def dump_resolved(values: dict[str, Any], resolved: dict[str, dict[str, Any]]) -> str:
    """YAML of a whole recipe with every `auto` replaced; the reasons stand above it."""
    lines = ["# All keys of the recipe, with the chosen value of each `auto` and the reason:"]
    for key, choice in resolved.items():
        _replace(values, key.split("."), choice["value"])
        lines.append(f"#   {key}: {_line(choice['value'])} — {_line(choice['why'])}")
    return "\n".join(lines) + "\n" + dump(values)


def _line(value: Any) -> str:
    """A value in one line of a comment."""
    return " ".join(str(value).split())


def _replace(values: Any, path: list[str], choice: Any) -> None:
    for part in path[:-1]:
        values = values.get(part) if isinstance(values, dict) else None
    if isinstance(values, dict) and values.get(path[-1]) == "auto":
        values[path[-1]] = choice
