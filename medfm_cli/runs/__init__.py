"""Run directories: identity, lock, records, results and report pages."""

from medfm_cli.runs.blocks import Callout, Facts, Figure, Section, Table, Text
from medfm_cli.runs.result import Result
from medfm_cli.runs.run import Run

__all__ = ["Callout", "Facts", "Figure", "Result", "Run", "Section", "Table", "Text"]
