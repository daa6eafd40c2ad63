"""One file that holds images: a MedMNIST `.npz`, a volume, a multi-frame DICOM."""

from __future__ import annotations

from pathlib import Path

from medfm_cli.commands.curate.sources.base import File, Listing, stamp_of
from medfm_cli.commands.curate.sources.medmnist_files import official


class SingleSource:
    """The one file; an official MedMNIST file is known by its md5 and brings its class names."""

    def __init__(self, path: Path, *, by_content: bool = False) -> None:
        self.path = path
        self.by_content = by_content
        known = official(path)
        self.public = known is not None
        self.modality = known.modality if known else ""
        self.licences: tuple[str, ...] = (known.licence,) if known else ()
        self.classes = known.classes if known else {}

    def fingerprint(self) -> str:
        """Changes with the file's name, size, and time or content."""
        return self.survey().fingerprint()

    def survey(self) -> Listing:
        """The one file."""
        status = self.path.stat()
        stamp = stamp_of(str(self.path), status, by_content=self.by_content)
        file = File(self.path.name, str(self.path), status.st_size, stamp)
        return Listing([file], folder=self.path.parent)

    def open(self, work: Path) -> Listing:
        """The same: nothing has to be fetched."""
        del work
        return self.survey()


def holds_records(path: Path) -> bool:
    """Whether a table or text is read as samples although the recipe names no reader."""
    from medfm_cli.readers import Unreadable, sniff

    try:
        return bool(sniff(path).name)
    except (Unreadable, OSError):
        return False
