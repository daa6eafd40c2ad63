"""Components that a recipe picks by name: listed and validated without importing them."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field

from medfm_cli.errors import UsageError
from medfm_cli.recipe.problems import did_you_mean

if TYPE_CHECKING:
    from medfm_cli.recipe.parts import Part


class Registry:
    """Names of components, each with the recipe block that sets it up.

    An options class has a field `name: Literal["mae"] = "mae"` and a class variable
    `implementation = "package.module:Class"`, which is imported only when a run needs it.
    Other packages add options classes through the entry point group; a recipe can name
    registered components only, never an import path.
    """

    def __init__(
        self, kind: str, options: list[type[Part]], *, entry_point_group: str | None = None
    ) -> None:
        self.kind = kind
        self._options = {_name(cls): cls for cls in options}
        self._group = entry_point_group

    def names(self) -> list[str]:
        """Every registered name, in the order of registration."""
        return list(self._all())

    def options(self, name: str) -> type[Part]:
        """The options class for `name`.

        Raises:
            UsageError: there is no such component.
        """
        known = self._all()
        if name not in known:
            fix = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise UsageError(f"there is no {self.kind} '{name}'", hint=fix)
        return known[name]

    def union(self) -> Any:
        """The type of a recipe field that holds one of the components."""
        classes = tuple(self._all().values())
        if len(classes) == 1:
            return classes[0]
        return Annotated[Union[classes], Field(discriminator="name")]  # noqa: UP007

    def load(self, options: Part) -> Any:
        """Import the implementation that `options` are for."""
        module, _, attribute = str(type(options).implementation).partition(":")  # type: ignore[attr-defined]
        return getattr(importlib.import_module(module), attribute)

    def _all(self) -> dict[str, type[Part]]:
        if self._group is None:
            return self._options
        for point in entry_points(group=self._group):
            if point.name not in self._options:
                self._options[point.name] = point.load()
        return self._options


def _name(options: type[Part]) -> str:
    return str(options.model_fields["name"].default)
