"""What a run would do and need: the answer of `--dry-run`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        lines: one sentence each.
        disk_bytes: what the run will write, at most.
        memory_bytes: the estimated peak.
    """

    lines: list[str] = field(default_factory=list)
    disk_bytes: int = 0
    memory_bytes: int = 0
