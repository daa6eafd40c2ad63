"""The options that every verb has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options that every verb has.

    Attributes:
        out: the folder in which run directories are made.
        dry_run: print the plan and write nothing.
        json: print exactly one JSON document on stdout.
        level: 0 quiet, 1 normal, 2 verbose.
        force: start again what is already done.
        processes: how many processes train together.
    """

    out: str = "runs"
    dry_run: bool = False
    json: bool = False
    level: int = 1
    force: bool = False
    processes: int = 1


def level_of(quiet: bool, verbose: bool) -> int:
    """How much the console prints: 0 quiet, 1 normal, 2 verbose."""
    return 0 if quiet else 2 if verbose else 1
