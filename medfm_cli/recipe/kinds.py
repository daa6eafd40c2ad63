"""Telling blocks of a recipe apart by their kind."""

from __future__ import annotations

from typing import Any


def kind_of(value: Any) -> str:
    """The `kind` of a block, as values or as an object; what does not say is of images.

    For `pydantic.Discriminator`. Recipes and models of before there were kinds are of images.
    """
    if isinstance(value, dict):
        return str(value.get("kind", "image"))
    return str(getattr(value, "kind", "image"))
