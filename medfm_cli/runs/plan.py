"""What a run would do and need: the answer of `--dry-run`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        lines: one sentence each.
        disk_bytes: what the run will write, roughly.
        memory_bytes: the estimated peak.
    """

    lines: list[str] = field(default_factory=list)
    disk_bytes: int = 0
    memory_bytes: int = 0


def size_text(size: int) -> str:
    """A number of bytes for people, in the unit that suits it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            value = size / factor
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{size} bytes"
