"""What people see: text and progress on stderr, never on stdout, never a prompt."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console as RichConsole

    from medfm_cli.runs.blocks import Table

QUIET, NORMAL, VERBOSE = 0, 1, 2
LINE_EVERY_SECONDS = 5.0
WIDTH = 100


class Meter(Protocol):
    """Progress of one piece of work."""

    def advance(self, count: float = 1, note: str = "") -> None:
        """Count `count` more units done; `note` is shown beside the bar."""


class Console:
    """Messages, tables and progress on stderr.

    Attributes:
        level: QUIET shows warnings only, VERBOSE shows details too.
        run_dir: the run directory being worked in, where a bug leaves its traceback.
    """

    def __init__(self, level: int = NORMAL) -> None:
        self.level = level
        self.run_dir: Path | None = None
        self._rich: RichConsole | None = None

    def info(self, text: str) -> None:
        """Say something in passing."""
        if self.level >= NORMAL:
            self._write(text)

    def detail(self, text: str) -> None:
        """Say something that only -v shows."""
        if self.level >= VERBOSE:
            self._write(text, style="dim")

    def warn(self, text: str) -> None:
        """Say something that even --quiet shows."""
        self._write(f"warning: {text}", style="yellow")

    def error(self, text: str, hint: str | None = None) -> None:
        """Say what went wrong and what to do."""
        self._write(f"error: {text}", style="bold red")
        if hint:
            self._write(f"  → {hint}")

    def title(self, text: str) -> None:
        """Announce a stage."""
        if self.level >= NORMAL:
            self._write(text, style="bold")

    def table(self, table: Table) -> None:
        """Show a table of results."""
        if self.level < NORMAL:
            return
        from medfm_cli.runs.tables import show

        with _if_seen():
            show(table, self.rich)

    @contextmanager
    def progress(self, label: str, *, total: float | None, unit: str = "") -> Iterator[Meter]:
        """Progress of one piece of work: a bar on a terminal, a line now and then elsewhere."""
        if self.level < NORMAL:
            yield _Silent()
        elif sys.stderr.isatty():
            with _bar(self.rich, label, total, unit) as meter:
                yield meter
        else:
            lines = _Lines(self, label, total, unit)
            yield lines
            lines.finish()

    @property
    def rich(self) -> RichConsole:
        """The rich console on stderr (made when first needed)."""
        if self._rich is None:
            from rich.console import Console as RichConsole

            class Patient(RichConsole):
                """Rich ends the process when nobody reads any more; the work matters more."""

                def on_broken_pipe(self) -> None:
                    raise  # to where it is caught, as any other failure to write

            columns = os.environ.get("COLUMNS", "")
            width = int(columns) if columns.isdigit() else WIDTH
            self._rich = Patient(
                stderr=True,
                highlight=False,
                soft_wrap=True,
                width=None if sys.stderr.isatty() else width,
            )
        return self._rich

    def _write(self, text: str, style: str | None = None) -> None:
        with _if_seen():
            if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
                self.rich.print(text, style=style, markup=False)
            else:
                print(text, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def _if_seen() -> Iterator[None]:
    """Write to a terminal that may be gone by now: what cannot be shown is lost, no more."""
    try:
        yield
    except OSError:  # nor may Python fail on it when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class Silence(Console):
    """A console that shows nothing: the other ranks of a distributed run."""

    def __init__(self) -> None:
        super().__init__(QUIET)

    def _write(self, text: str, style: str | None = None) -> None:
        del text, style


class _Silent:
    def advance(self, count: float = 1, note: str = "") -> None:
        del count, note


class _Lines:
    """A line every few seconds, for logs."""

    def __init__(self, console: Console, label: str, total: float | None, unit: str) -> None:
        self.console, self.label, self.total, self.unit = console, label, total, unit
        self.done, self.note = 0.0, ""
        self.started = self.last = time.monotonic()

    def advance(self, count: float = 1, note: str = "") -> None:
        self.done += count
        self.note = note or self.note
        if time.monotonic() - self.last >= LINE_EVERY_SECONDS:
            self.last = time.monotonic()
            self._line()

    def finish(self) -> None:
        if self.done:
            self._line(f"in {time.monotonic() - self.started:.1f} s")

    def _line(self, tail: str = "") -> None:
        of = f"/{self.total:,.0f}" if self.total else ""
        parts = [f"{self.label}: {self.done:,.0f}{of} {self.unit}".rstrip(), self.note, tail]
        self.console.info(" · ".join(part for part in parts if part))


class _RichMeter:
    def __init__(self, progress: Any, task: Any) -> None:
        self.progress, self.task = progress, task

    def advance(self, count: float = 1, note: str = "") -> None:
        self.progress.advance(self.task, count)
        if note:
            self.progress.update(self.task, note=note)


@contextmanager
def _bar(console: RichConsole, label: str, total: float | None, unit: str) -> Iterator[Meter]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        Remaining(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        yield _RichMeter(progress, progress.add_task(label, total=total, note=""))
