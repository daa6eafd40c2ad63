"""JSON files that say what an artefact means hold a checksum over everything else in them.

Classes, thresholds and the hashes of other files stand in `dataset.json`, `config.json` and
`bundle.json`: a change of one word there would change answers and fit every other file. The
checksum finds changes by accident or by hand; it is no signature.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from pydantic import Field

from medfm_cli.errors import DataError
from medfm_cli.recipe import Part
from medfm_cli.runs.identity import digest

if TYPE_CHECKING:
    from pathlib import Path

KEY = "checksum"


class Sealed(Part):
    """The contents of such a file. `checksum` is filled in by `sealed`, before it is written."""

    checksum: str = Field("", description="sha256 of everything else in this file")

    def sealed(self) -> Self:
        """The same with its checksum."""
        content = json.loads(self.model_dump_json(exclude={KEY}))
        return self.model_copy(update={KEY: digest(content)})

    def to_file(self) -> str:
        """The text of the file."""
        return self.sealed().model_dump_json(indent=2) + "\n"


def check_seal(text: str | bytes, path: Path, *, hint: str) -> None:
    """See that a file is as it was written; its structure has been checked before.

    Args:
        text: what the file holds.
        path: where it is.
        hint: what to do where it is not.

    Raises:
        DataError: its checksum is missing or does not fit.
    """
    document = json.loads(text)
    expected = document.pop(KEY, "")
    if not expected:
        raise DataError(
            f"{path} has no checksum: it was changed, or an older version of medfm wrote it",
            hint=hint,
        )
    if digest(document) != expected:
        raise DataError(
            f"{path} was changed after it was written: its checksum does not fit", hint=hint
        )
