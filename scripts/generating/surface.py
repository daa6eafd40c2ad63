"""The whole surface of the program as plain data: commands, options, recipe keys, recipes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import typer.main

from medfm_cli.cli.app import build
from medfm_cli.commands import VERBS
from medfm_cli.commands.schema.actions import schema_of
from medfm_cli.recipe.shipping import Shipped, shipped
from medfm_cli.verbs import has_recipe


@dataclass(frozen=True)
class Option:
    """An option: its flags, what it takes (empty for a switch), and what it does."""

    flags: tuple[str, ...]
    takes: str
    help: str
    default: str


@dataclass(frozen=True)
class Argument:
    """A positional argument."""

    name: str
    help: str
    required: bool
    many: bool


@dataclass(frozen=True)
class Command:
    """A command or a sub-command, by its name."""

    path: tuple[str, ...]
    summary: str
    details: str
    usage: str
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    commands: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """`recipes ls`."""
        return " ".join(self.path)

    def walk(self) -> Iterator[Command]:
        """This command and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


@dataclass(frozen=True)
class Key:
    """A key of a recipe, dotted; `only` names the component or alternative that it belongs to."""

    name: str
    type: str
    default: str
    description: str
    choices: tuple[str, ...] = ()
    only: str = ""


@dataclass(frozen=True)
class Program:
    """Everything that completions and the reference tell."""

    root: Command
    keys: dict[str, list[Key]]
    recipes: list[Shipped]
    stages: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def commands(self) -> list[Command]:
        """Every command that does something: verbs, sub-commands, groups."""
        return [command for command in self.root.walk() if command.path]


def surface() -> Program:
    """Look at the program as it is installed."""
    recipes = shipped()
    verbs = [verb for verb in VERBS if has_recipe(verb)]
    return Program(
        _command(typer.main.get_command(build()), ()),
        {verb: list(_keys(schema_of(verb))) for verb in verbs},
        sorted(recipes, key=lambda r: (VERBS.index(r.verb), r.name)),
        {r.name: _stages(r) for r in recipes if r.verb == "run"},
    )


def _command(command: Any, path: tuple[str, ...], parent: Any = None) -> Command:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    context = command.make_context("medfm", [], parent=parent, resilient_parsing=True)
    below = command.list_commands(context) if hasattr(command, "commands") else []
    params = [p for p in command.get_params(context) if not getattr(p, "hidden", False)]
    usage = " ".join(["medfm", *path, *command.collect_usage_pieces(context)])
    return Command(
        path,
        " ".join(paragraphs[0].split()),
        "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs[1:]),
        usage,
        tuple(_argument(p) for p in params if p.param_type_name == "argument"),
        tuple(_option(p) for p in params if p.param_type_name == "option"),
        tuple(_command(command.commands[name], (*path, name), context) for name in below),
    )


def _argument(param: Any) -> Argument:
    name = (param.metavar or param.name).strip("[]").removesuffix("...").upper()
    return Argument(name, param.help or "", param.required, param.nargs == -1)


def _option(param: Any) -> Option:
    takes = "" if param.is_flag else str(param.type.name).split()[0].upper()
    if takes == "TEXT":
        takes = "FOLDER" if param.name == "out" else takes
    default = "" if param.is_flag or param.default is None else str(param.default)
    flags = sorted(param.opts, key=len, reverse=True)
    return Option(tuple(flags), takes, param.help or "", default)


def _stages(recipe: Shipped) -> dict[str, str]:
    """Stage → verb of a shipped pipeline."""
    from medfm_cli.commands.run.recipe import RunRecipe
    from medfm_cli.recipe.load import read_extended

    model = RunRecipe.specialise(read_extended(recipe.path, "run").value, [])
    return {
        name: str(info.json_schema_extra["verb"])  # type: ignore[index,call-overload]
        for name, info in model.model_fields.items()
        if info.json_schema_extra
    }


def _keys(schema: dict[str, Any]) -> Iterator[Key]:
    definitions = schema.get("$defs", {})
    seen: set[tuple[str, str]] = set()
    for key in _block(schema, definitions, "", {}, ""):
        if (key.name, key.only) not in seen:
            seen.add((key.name, key.only))
            yield key


def _block(
    block: dict[str, Any], defs: dict[str, Any], prefix: str, over: dict[str, Any], only: str
) -> Iterator[Key]:
    required = set(block.get("required", []))
    for name, value in block.get("properties", {}).items():
        dotted = f"{prefix}{name}"
        default = over.get(name, value.get("default"))
        known = name in over or "default" in value
        options = _alternatives(value, defs)
        blocks = [option for option in options if "properties" in option]
        plain = [option for option in options if "properties" not in option]
        if plain or len(blocks) != 1:
            types = " or ".join(dict.fromkeys(_type(option) for option in options))
            shown = "required" if name in required else _shown(default) if known else ""
            text = value.get("description", "")
            choices = tuple(_choices(plain))
            yield Key(dotted, types, shown, _line(text), choices, only)
        for inner in blocks:
            here = default if isinstance(default, dict) and len(blocks) == 1 else {}
            which = _component(inner) if len(blocks) > 1 else ""
            label = f"{dotted}.{which}" if which else only
            yield from _block(inner, defs, f"{dotted}.", here, label)


def _alternatives(value: dict[str, Any], defs: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that a value may follow, references and unions opened."""
    if "$ref" in value:
        return [defs[value["$ref"].rpartition("/")[2]]]
    unions = value.get("anyOf") or value.get("oneOf") or value.get("allOf")
    if unions:
        return [inner for option in unions for inner in _alternatives(option, defs)]
    return [value]


def _component(block: dict[str, Any]) -> str:
    """`name: mae` or `kind: signal`: what tells the block from its alternatives."""
    for tag in ("name", "kind"):
        if value := block.get("properties", {}).get(tag, {}).get("const"):
            return f"{tag}: {value}"
    return ""


def _type(option: dict[str, Any] | bool) -> str:
    if isinstance(option, bool):
        return "any value"
    if "enum" in option or "const" in option:
        return " or ".join(f"`{choice}`" for choice in _choices([option]))
    match option.get("type"):
        case "object" if "properties" in option:
            return "block"
        case "object":
            inner = option.get("additionalProperties")
            return f"block of {_type(inner if isinstance(inner, dict) else {})}"
        case "array":
            items = option.get("items") or {}
            if "prefixItems" in option:
                return "list of " + ", ".join(_type(item) for item in option["prefixItems"])
            return f"list of {_type(items)}"
        case "integer":
            return "whole number" + _range(option)
        case "number":
            return "number" + _range(option)
        case "boolean":
            return "true or false"
        case "string":
            return "text"
        case "null":
            return "nothing"
    return "any value"


def _range(option: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {option[name]:g}" for name, sign in signs.items() if name in option]
    return f" ({', '.join(bounds)})" if bounds else ""


def _choices(options: list[dict[str, Any]]) -> Iterator[str]:
    for option in options:
        if option.get("type") == "boolean":
            yield from ("true", "false")
        values = option.get("enum", [option["const"]] if "const" in option else [])
        yield from (str(value) for value in values)


def _shown(default: Any) -> str:
    if default is None:
        return "nothing"
    return default if isinstance(default, str) and default else json.dumps(default)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
