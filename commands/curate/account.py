"""Where everything went: what was read is kept, a duplicate, or in the quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from medfm_cli.commands.curate.deduplicate import Duplicate, Unique
from medfm_cli.commands.curate.images import Described, Image
from medfm_cli.commands.curate.notes import Notes
from medfm_cli.commands.curate.split_images import Dealt
from medfm_cli.commands.curate.spool import Refused
from medfm_cli.data.card import Cutting


@dataclass
class Account:
    """The books of a run.

    Attributes:
        files: files that were opened.
        read: what they gave: images, and one entry for every file or rest of one that gave none.
        images: what is kept.
        duplicates: images with the pixels of a kept one.
        refused: what gave no image, with the name the dataset uses for its file.
        dropped: images that their label excludes, with the reason.
        left_out: names and reasons of what was seen and not opened (hidden files, links).
        absent: files that a table names and that are not there.
        cutting: how images were cut.
    """

    files: int
    read: int
    images: list[Image]
    duplicates: list[Duplicate]
    refused: list[tuple[str, Refused]]
    dropped: list[tuple[Image, str]]
    described: Described
    unique: Unique
    notes: Notes
    name: Callable[[str], str]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    dealt: Dealt = field(default_factory=Dealt)
    cutting: Cutting = field(default_factory=Cutting)

    def check(self) -> None:
        """Make sure that nothing was lost.

        Raises:
            RuntimeError: the numbers do not add up, which would be a bug.
        """
        quarantined = len(self.refused) + len(self.dropped)
        kept = len(self.images)
        if self.read != kept + len(self.duplicates) + quarantined:
            raise RuntimeError(
                f"{self.read} read ≠ {kept} kept + {len(self.duplicates)} duplicates "
                f"+ {quarantined} quarantined"
            )

    def counts(self) -> dict[str, int]:
        """The numbers that scripts read; `read` is the sum of the three after it."""
        return {
            "files": self.files,
            "read": self.read,
            "kept": len(self.images),
            "duplicates": len(self.duplicates),
            "quarantined": len(self.refused) + len(self.dropped),
            "not_opened": len(self.left_out),
            "subjects": len({image.subject for image in self.images}),
            "patients": len({image.subject for image in self.images if image.known}),
            "labelled": sum(image.labelled for image in self.images),
        }

    def reasons(self) -> Counter[tuple[str, str]]:
        """How often something was quarantined, by step and reason."""
        found = Counter((r.step, r.reason) for _, r in self.refused)
        found.update(("labels", reason) for _, reason in self.dropped)
        return found

    def worst_reasons(self) -> str:
        """The commonest reasons in one line."""
        common = self.reasons().most_common(3)
        return "; ".join(f"{count} × {reason}" for (_, reason), count in common)

    def source_hashes(self) -> set[str]:
        """The sha256 of every file that could be opened."""
        hashes = {image.row.file_sha for image in self.images}
        hashes |= {copy.image.row.file_sha for copy in self.duplicates}
        hashes |= {image.row.file_sha for image, _ in self.dropped}
        hashes |= {refused.file_sha for _, refused in self.refused}
        return hashes - {""}
