"""What deduplicating found, for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from medfm_cli.runs.blocks import Table


class Pair(NamedTuple):
    """Two near copies by id: the first is the second, turned; bits in which their hashes differ."""

    one: int
    other: int
    turn: str
    distance: int


@dataclass(frozen=True)
class Cluster:
    """A cluster: its number, how many it linked, and the ids of some of them, its centre first.

    `turns` says for every member shown how it lies when compared with the first, where that is
    known; `subjects` and `labels` are numbers of different ones.
    """

    number: int
    size: int
    members: tuple[int, ...]
    turns: tuple[str, ...]
    subjects: int
    labels: int


@dataclass
class DuplicateSummary:
    """What is left, and what was found.

    Attributes:
        tied: groups of patients that share pixels, each now one subject.
        shared_widely: images of so many patients that they tie nobody.
        contradicted: images whose copies have different labels; they have none now.
        crossed: images with copies in several splits of the official split.
        same_file, same_content, nearly: duplicates that were left out, by how they are the same.
        pairs: pairs of near copies.
        turned: those of them that are turned or flipped.
        clusters: groups of near copies that stay together.
        clustered: samples in them.
        disputed: clusters whose members have different labels.
        crossing: clusters with members in several splits of the official split.
        taken_apart: chains of near copies that were too long to stay together whole.
        unseen: images that show nothing, so that nothing can be said of copies.
        largest: the largest clusters.
        doubtful: the pairs that are least alike.
    """

    tied: int = 0
    shared_widely: int = 0
    contradicted: int = 0
    crossed: int = 0
    same_file: int = 0
    same_content: int = 0
    nearly: int = 0
    pairs: int = 0
    turned: int = 0
    clusters: int = 0
    clustered: int = 0
    disputed: int = 0
    crossing: int = 0
    taken_apart: int = 0
    unseen: int = 0
    largest: list[Cluster] = field(default_factory=list)
    doubtful: list[Pair] = field(default_factory=list)

    def table(self) -> Table:
        """How many copies there were of each kind."""
        rows: list[list[str | int | float | None]] = [
            ["the same file", self.same_file, "left out"],
            ["the same content in another file or frame", self.same_content, "left out"],
            ["nearly the same image", self.nearly, "left out"],
            ["nearly the same image", self.clustered, f"kept together in {self.clusters} groups"],
        ]
        return Table(["Copies", "Samples", "What was done"], [row for row in rows if row[1]])

    def remarks(self) -> list[str]:
        """What a careful reader should know of near copies, one sentence each."""
        counted = [
            (self.disputed, f"{self.disputed} groups of near copies have different labels."),
            (self.crossing, f"{self.crossing} groups of near copies cross the official split."),
            (
                self.taken_apart,
                f"{self.taken_apart} chains of near copies are so long that they were taken apart: "
                "every member is a near copy of its group's centre, others may lie across groups.",
            ),
            (self.unseen, f"{self.unseen} images show nothing that could be compared."),
        ]
        return [sentence for count, sentence in counted if count]
