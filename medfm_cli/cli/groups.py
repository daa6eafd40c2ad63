"""Commands that hold commands: in our order, and helpful when a name is misspelt."""

from __future__ import annotations

import difflib
from typing import Any

from typer.core import TyperGroup

from medfm_cli.commands import VERBS


class Group(TyperGroup):
    """A group that lists verbs as VERBS does, and suggests the nearest for a misspelt name."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which people meet them."""
        order = {name: position for position, name in enumerate(VERBS)}
        return sorted(self.commands, key=lambda name: order.get(name, len(order)))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command for the first word; ends with a usage error when there is none."""
        if args and args[0] not in self.commands:
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], known, n=1)
            fix = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
            ctx.fail(f"there is no command '{args[0]}' ({fix})")
        return super().resolve_command(ctx, args)
