"""What a dataset shares with others, for the report and the gate."""

from __future__ import annotations

from dataclasses import dataclass, field

from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs.blocks import Table

KINDS = ("the same file", "the same content", "a near copy", "the same subject")
"""How a sample can be shared, the surest first; each sample counts once."""


@dataclass(frozen=True)
class Example:
    """A shared sample: our item, and what it is shared with.

    `other` is the image id there, or the file's hash or the subject, by `kind`; a near copy of ours
    is theirs, turned (`turn`), with hashes that differ in `distance` bits.
    """

    item: int
    against: str
    kind: str
    other: str
    turn: str = ""
    distance: int = 0


@dataclass
class Compared:
    """One dataset or model that was compared with.

    Attributes:
        name: as the recipe names it.
        kind: dataset or model.
        version: of a dataset, or the hash of the model's weights.
        samples: how many it has, or its lineage lists.
        looked: whether near copies were looked for.
        same_key: whether subjects were compared.
        shared: how → split → our samples that are shared.
        remarks: what was not compared, and why.
    """

    name: str
    kind: str
    version: str
    samples: int
    looked: bool = False
    same_key: bool = False
    shared: dict[str, dict[str, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass
class Contaminated:
    """All that was compared with.

    Attributes:
        threshold: share that the recipe allows.
        of: `all`, or `test` where the share of the test split counts.
        samples: how many count.
        contaminated: how many of them are shared with anything.
        compared: each dataset and model.
        examples: some of what is shared, the nearest first.
    """

    threshold: float = 0.0
    of: str = "all"
    samples: int = 0
    contaminated: int = 0
    compared: list[Compared] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share that is held against the threshold."""
        return self.contaminated / self.samples if self.samples else 0.0

    @property
    def gate(self) -> str | None:
        """Why the gate is not met, None when it is."""
        if self.share <= self.threshold:
            return None
        what = "samples of the test split" if self.of == "test" else "samples"
        return (
            f"{self.contaminated} of {self.samples} {what} ({self.share:.1%}) are shared with "
            f"{', '.join(each.name for each in self.compared if each.shared)}; "
            f"{self.threshold:.1%} are allowed"
        )

    def metrics(self) -> dict[str, int]:
        """The numbers that scripts read; nothing where nothing was compared."""
        return {"contaminated": self.contaminated} if self.compared else {}

    def table(self) -> Table:
        """Shared samples by what they are shared with, how, and split."""
        rows: list[list[str | int | float | None]] = [
            [each.name, how, *(counts.get(split, 0) for split in SPLITS), sum(counts.values())]
            for each in self.compared
            for how, counts in each.shared.items()
        ]
        rows += [[each.name, "nothing", 0, 0, 0, 0] for each in self.compared if not each.shared]
        return Table(["Against", "Shared", *SPLITS, "All"], rows)

    def remarks(self) -> list[str]:
        """What was not compared, one sentence each."""
        return [f"{each.name}: {remark}." for each in self.compared for remark in each.remarks]
