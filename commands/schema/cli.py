"""`medfm schema VERB`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    verb: Annotated[str, typer.Argument(help="The verb, or verb/name of a shipped pipeline.")],
) -> None:
    """Print the JSON Schema of a verb's recipes, for editors.

    For a pipeline, name its recipe (run/quickstart): its keys depend on its stages.
    """
    from medfm_cli.commands.schema.actions import print_schema

    print_schema(verb)
