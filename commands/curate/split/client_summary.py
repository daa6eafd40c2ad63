"""What came of a client partition, for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from medfm_cli.runs.blocks import Cell, Table

PUBLIC = "public"
"""The server's part."""
MOST_COLUMNS = 12


@dataclass
class Client:
    """What one client holds: samples of train and val, subjects, sites, labels, modalities."""

    name: str
    train: int = 0
    val: int = 0
    subjects: int = 0
    sites: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)


@dataclass
class Partitioned:
    """The clients and how they came about.

    Attributes:
        scheme: iid, dirichlet, quantity, site or modality.
        clients: in the order of their names.
        public: the server's part.
        repaired: groups that moved so that every client has enough samples.
        few: clients that have fewer training samples than configured, whole sites being whole.
        lacking: the modalities that each client was to lack.
        against: samples of subjects that no client has all modalities of; they went to those that
            lack fewest.
    """

    scheme: str
    clients: list[Client] = field(default_factory=list)
    public: Client = field(default_factory=lambda: Client(PUBLIC))
    repaired: int = 0
    few: list[str] = field(default_factory=list)
    lacking: list[list[str]] = field(default_factory=list)
    against: int = 0

    @property
    def skew(self) -> float:
        """How far the clients' labels are from those of all: the mean total variation distance.

        0 where all have the same shares of labels; clients count by their samples.
        """
        return _distance([client.labels for client in self.clients])

    def tables(self) -> list[Table]:
        """Sizes of the clients, then their labels and modalities."""
        everyone = [*self.clients, *([self.public] if self.public.train else [])]
        rows: list[list[Cell]] = [[c.name, c.train, c.val, c.subjects, c.sites] for c in everyone]
        caption = f"Clients ({self.scheme}). Label shares differ from the mean by {self.skew:.3f}."
        caption += " (Total variation distance: 0 is alike, 1 is nothing in common.)"
        found = [Table(["Client", "Train", "Val", "Subjects", "Sites"], rows, caption)]
        found += _spread("Labels of the clients.", everyone, [c.labels for c in everyone])
        modalities = [c.modalities for c in everyone]
        if len(set().union(*modalities)) > 1:
            found += _spread("Modalities of the clients.", everyone, modalities)
        return found

    def remarks(self) -> list[str]:
        """What a careful reader should know, one sentence each."""
        remarks = []
        if self.repaired:
            remarks.append(f"{self.repaired} groups moved so that every client has enough samples.")
        if self.few:
            remarks.append(f"Fewer training samples than configured: {', '.join(self.few)}.")
        if self.against:
            remarks.append(
                f"{self.against} samples are of subjects with modalities that no client has all "
                "of; they went to clients that lack fewest."
            )
        return remarks


def _spread(title: str, clients: Sequence[Client], counts: Sequence[Counter[str]]) -> list[Table]:
    total = sum(counts, Counter[str]())
    names = [name for name, _ in sorted(total.items(), key=lambda x: (-x[1], x[0]))][:MOST_COLUMNS]
    if not names:
        return []
    rows: list[list[Cell]] = [
        [client.name, *(count[name] for name in names)]
        for client, count in zip(clients, counts, strict=True)
    ]
    if len(total) > len(names):
        title += f" The commonest {len(names)} of {len(total)}."
    return [Table(["Client", *names], rows, title)]


def _distance(counts: Sequence[Counter[str]]) -> float:
    everyone = sum(counts, Counter[str]())
    total = everyone.total()
    found = 0.0
    for count in counts:
        own = count.total()
        if own:
            gap = sum(abs(count[name] / own - n / total) for name, n in everyone.items())
            found += own / total * gap / 2
    return found
