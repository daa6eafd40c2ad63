"""The derive step: questions from labels, and clients of a federation, as the recipe asks.

What is cut from samples (slices, frames, windows, one shape) is cut by the workers: see `parts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.clients import partition
from medfm_cli.commands.curate.instruction_records import write_instructions
from medfm_cli.commands.curate.instructions import Instructed, instruct
from medfm_cli.commands.curate.ledger import Ledger
from medfm_cli.commands.curate.options.derive import Derive
from medfm_cli.commands.curate.partitioned import Partitioned
from medfm_cli.runs.blocks import Table


@dataclass(frozen=True)
class Derived:
    """What was derived; None where it was not asked for."""

    clients: Partitioned | None = None
    instructions: Instructed | None = None

    def tables(self) -> list[Table]:
        """Of the clients, then of the questions."""
        return [table for part in self._parts() for table in part.tables()]

    def remarks(self) -> list[str]:
        """What a careful reader should know, one sentence each."""
        return [text for part in self._parts() for text in part.remarks()]

    def _parts(self) -> list[Partitioned | Instructed]:
        return [part for part in (self.clients, self.instructions) if part is not None]


def derive(ledger: Ledger, options: Derive, *, seed: int) -> Derived:
    """Set `items.client` and add to `items.turns`.

    Args:
        ledger: split.
        options: what to derive.
        seed: of everything random in it.

    Raises:
        DataError: the clients that are asked for cannot be made.
    """
    clients = partition(ledger, options.clients, seed=seed) if options.clients else None
    asked = instruct(ledger, options.instructions, seed=seed) if options.instructions else None
    return Derived(clients, asked)


def write_derived(root: Path, options: Derive) -> None:
    """Write what lies beside the manifest of the finished dataset folder `root`."""
    if options.instructions is not None and options.instructions.export:
        write_instructions(root)
