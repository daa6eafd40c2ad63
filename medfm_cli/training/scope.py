"""Where one training of a run keeps its checkpoints, and what marks its records. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfm_cli.runs import Run

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One of the trainings of a run: each has checkpoints of its own and resumes by itself.

    The default is a run with a single training.

    Attributes:
        folder: below the run directory, such as `rounds/0003/site-a`; checkpoints are in its
            `checkpoints/`. No two trainings of a run share a folder.
        fields: carried by each of its lines in metrics.jsonl and log.jsonl, such as
            `{"round": 3, "site": "a"}`; names that no metric has.

    Raises:
        ValueError: the folder leads out of the run directory, or into checkpoints, or is written
            with `.` or `//`.
    """

    folder: str = ""
    fields: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = PurePosixPath(self.folder)
        inside = not path.is_absolute() and not {"..", CHECKPOINTS} & set(path.parts)
        if self.folder and (not inside or str(path) != self.folder):
            raise ValueError(f"{self.folder!r} cannot be the folder of a training")

    def checkpoints(self, run: Run) -> Path:
        """The folder of its checkpoints."""
        return run.path(*PurePosixPath(self.folder).parts, CHECKPOINTS)

    def metric(self, run: Run, **values: Any) -> None:
        """Append a line to metrics.jsonl."""
        run.metric(**self.fields, **values)

    def log(self, run: Run, event: str, **values: Any) -> None:
        """Append a line to log.jsonl."""
        run.log(event, **self.fields, **values)
