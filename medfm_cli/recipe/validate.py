"""pydantic's errors turned into sentences with a place and a way out."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any

from medfm_cli.recipe.parts import Part
from medfm_cli.recipe.problems import Problem, did_you_mean, in_order
from medfm_cli.recipe.tree import Key, Tree, dotted

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_NOUNS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "none_required": "nothing",
}


def problems_of(error: ValidationError, tree: Tree, model: type[Part]) -> list[Problem]:
    """Every problem in `error`, in the order of the file; alternatives of one value joined."""
    groups: dict[Key, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        groups.setdefault(_path(detail, tree), []).append(detail)
    problems = [
        _problem(path, details, tree, model)
        for path, details in groups.items()
        if not _is_other_member(path, details, groups)
    ]
    return in_order(problems)


def too_large(tree: Tree) -> list[Problem]:
    """Whole numbers of more than 64 bits: no key means one, and no library can take it."""
    found: list[Problem] = []

    def look(value: Any, path: Key) -> None:
        if isinstance(value, dict | list):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                look(inner, (*path, key))
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            message = "must be a whole number of at most 64 bits"
            found.append(Problem(tree.place(path), dotted(path), message))

    look(tree.value, ())
    return found


def _is_other_member(
    path: Key, details: list[ErrorDetails], groups: dict[Key, list[ErrorDetails]]
) -> bool:
    """Whether this only says that a block is not the text or number that it could be instead.

    The problem is reported for the keys inside of the block.
    """
    inside = any(len(other) > len(path) and other[: len(path)] == path for other in groups)
    return inside and all(_noun(detail) for detail in details)


def _path(detail: ErrorDetails, tree: Tree) -> Key:
    """The path in the recipe: pydantic's location less the names of union members."""
    path: Key = ()
    here = tree.value
    last = len(detail["loc"]) - 1
    for position, part in enumerate(detail["loc"]):
        inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if inside:
            here = here[part]
            path = (*path, part)
        elif position == last and detail["type"] == "missing":
            path = (*path, part)
    return path


def _problem(path: Key, details: list[ErrorDetails], tree: Tree, model: type[Part]) -> Problem:
    kinds = {detail["type"] for detail in details}
    key = dotted(path)
    if kinds == {"extra_forbidden"}:
        known = [name for name in fields_at(model, tree.value, path[:-1]) if name != path[-1]]
        fix = did_you_mean(str(path[-1]), known) or _listing(known)
        return Problem(tree.place(path, of_key=True), key, "unknown key", fix)
    if kinds == {"missing"}:
        place = tree.place(path[:-1], of_key=bool(path[:-1]))
        return Problem(place, key, "is required and missing", f"add `{path[-1]}: …`")
    return Problem(tree.place(path), key, _message(details), _fix(details))


def _message(details: list[ErrorDetails]) -> str:
    expected = [noun for detail in details if (noun := _noun(detail))]
    others = [_plain(detail) for detail in details if not _noun(detail)]
    if expected and not others:
        value = details[0]["input"]
        return f"expected {' or '.join(dict.fromkeys(expected))}, not {_shown(value)}"
    return "; ".join(dict.fromkeys(others))


def _noun(detail: ErrorDetails) -> str:
    if detail["type"] == "literal_error":
        return str(detail["ctx"]["expected"])
    return _NOUNS.get(detail["type"], "")


def _plain(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "union_tag_invalid":
            return f"there is no '{context['tag']}' here; known: {context['expected_tags']}"
        case "union_tag_not_found":
            return "says no `name`, so it is not clear which component is meant"
        case "value_error" | "assertion_error":
            return str(context.get("error", detail["msg"]))
        case _:
            message = detail["msg"]
            lowered = message[:1].lower() + message[1:]
            return (
                lowered.replace("input should be", "must be") + f", not {_shown(detail['input'])}"
            )


def _fix(details: list[ErrorDetails]) -> str:
    for detail in details:
        context = detail.get("ctx", {})
        listed = context.get("expected") or context.get("expected_tags")
        word = context.get("tag") or detail["input"]
        if listed and isinstance(word, str):
            known = [part.strip(" '") for part in str(listed).replace(" or ", ",").split(",")]
            if fix := did_you_mean(word, known):
                return fix
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _listing(known: list[str]) -> str:
    return f"known keys: {', '.join(known)}" if known else ""


def fields_at(model: type[Part], value: Any, path: Key) -> list[str]:
    """The keys that the block at `path` may have."""
    types_: list[Any] = [model]
    for part in path:
        types_ = [inner for type_ in types_ for inner in _inside(type_, part)]
        value = _item(value, part)
        types_ = [t for t in types_ if _is_named(t, value)] or types_
    blocks = [type_ for type_ in types_ if _is_part(type_)]
    return list(dict.fromkeys(name for block in blocks for name in block.model_fields))


def _inside(type_: Any, part: str | int) -> list[Any]:
    """The types that `part` of a value of this type may have."""
    if _is_part(type_):
        field = type_.model_fields.get(part)
        return _members(field.annotation) if field else []
    arguments = typing.get_args(type_)
    if typing.get_origin(type_) is dict:
        return _members(arguments[1])
    return _members(arguments[0]) if typing.get_origin(type_) is list else []


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union, through annotations; anything else is its own only one."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [member for one in typing.get_args(annotation) for member in _members(one)]
    return [annotation]


def _item(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    inside = isinstance(value, list) and isinstance(part, int) and part < len(value)
    return value[part] if inside else None


def _is_part(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Part)


def _is_named(type_: Any, value: Any) -> bool:
    """Whether the value says, by its name or its kind, that it is of this type."""
    if not _is_part(type_) or not isinstance(value, dict):
        return False
    fields = type_.model_fields
    tags = [tag for tag in ("name", "kind") if tag in value and tag in fields]
    return any(value[tag] == fields[tag].default for tag in tags)
