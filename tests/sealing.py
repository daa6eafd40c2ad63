"""A JSON file of an artefact changed as its writer would, with a checksum that fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medfm_cli.runs.identity import digest


def reseal(path: Path, **values: Any) -> None:
    """Change keys of the file and put the checksum right."""
    document = json.loads(path.read_text()) | values
    document.pop("checksum", None)
    path.write_text(json.dumps({**document, "checksum": digest(document)}))
