"""What a curation reads, and what it would do. Imports neither numpy nor any reader."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from medfm_cli.commands.curate.sources import File, LeftOut, walk
from medfm_cli.commands.curate.sources.named import is_packed, label_table, open_source
from medfm_cli.commands.curate.sources.vanished import must_stay
from medfm_cli.data.card import read_card
from medfm_cli.errors import DataError
from medfm_cli.extras import installed, missing
from medfm_cli.runs import Plan
from medfm_cli.runs.artefacts import find, holds
from medfm_cli.runs.plan import size_text

if TYPE_CHECKING:
    from medfm_cli.commands.curate.options.source import SourceKeys
    from medfm_cli.commands.curate.recipe import CurateRecipe

GROWTH = {"jpg": 8.0, "jpeg": 8.0, "gz": 4.0, "npz": 3.0, "dcm": 1.5}
"""How much larger pixels are as PNG than in a file of this ending, roughly."""
EACH = 6 << 10
"""What is written of a sample besides its pixels, in bytes, roughly: its record while it is read,
and its fingerprint, its row and what a tar adds in the end."""
ALWAYS = 1 << 20
"""What is written whatever there is: report, datasheet, descriptions."""


def inputs(recipe: CurateRecipe) -> dict[str, str]:
    """Each source by names, sizes and times of its files; everything else by content.

    Raises:
        DataError: a file, dataset or model that the recipe names does not exist.
        EnvironmentProblem: it names a model, and the extra `train` is not installed.
    """
    hashes: dict[str, str] = {}
    for name, block in recipe.blocks().items():
        prefix = f"sources.{name}." if name else ""
        with must_stay(block.source or name):
            source = open_source(block)
            hashes[f"{prefix}source"] = source.fingerprint()
            table = label_table(block, source.survey().files if is_packed(block) else ())
        if table is not None and table.is_file():
            key = "labels" if isinstance(block.labels, str) else "labels.file"
            hashes[prefix + key] = _sha256(table)
    if recipe.withdraw is not None:
        hashes["withdraw"] = _sha256(_withdrawal_file(recipe.withdraw))
    for number, reference in enumerate(recipe.contamination.against):
        hashes[f"contamination.against[{number}]"] = _artefact_hash(reference)
    if recipe.deduplicate.embedding is not None:
        if not installed("torch"):
            raise missing("torch", extra="train")
        hashes["deduplicate.embedding"] = _model_hash(recipe.deduplicate.embedding)
    return hashes


def plan(recipe: CurateRecipe) -> Plan:
    """Count files and bytes; estimate the disk space.

    Raises:
        EnvironmentProblem: an extra is missing; checked before an older run is put away.
    """
    for needed, module, extra in (
        (recipe.engine == "dask", "distributed", "dask"),
        (recipe.deidentify.text == "presidio", "presidio_analyzer", "deid"),
    ):
        if needed and not installed(module):
            raise missing(module, extra=extra)
    lines: list[str] = []
    size = ALWAYS
    for name, block in recipe.blocks().items():
        with must_stay(block.source or name):
            block_lines, more = _plan_of_source(block)
        lines += block_lines
        size += more
    lines.append(f"write about {size_text(size)}, half of it for a while only")
    return Plan(lines, disk_bytes=size)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _withdrawal_file(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise DataError(
            f"the withdrawal file '{name}' does not exist",
            hint="withdraw takes a text file, one patient's identifier or pseudonym a line",
        )
    return path


def _artefact_hash(reference: str) -> str:
    """The content hash of a model, else the version of a dataset."""
    if holds(reference, "model") and not holds(reference, "dataset"):
        return _model_hash(reference)
    return read_card(find(reference, "dataset")).version


def _model_hash(reference: str) -> str:
    from medfm_cli.models.config import content_hash  # needs numpy, as few recipes do

    return content_hash(find(reference, "model"))


def _plan_of_source(block: SourceKeys) -> tuple[list[str], int]:
    """What would be read of one source, one sentence each, and what would be written in bytes."""
    endings: Counter[str] = Counter()
    total = needed = left_out = 0
    inside: list[File] = []
    for entry in walk(open_source(block), None):
        if isinstance(entry, LeftOut):
            left_out += 1
            continue
        ending = _ending(entry.name)
        endings[ending] += 1
        total += entry.size
        needed += int(2 * entry.size * GROWTH.get(ending, 1.2)) + EACH * _samples(entry, ending)
        if is_packed(block):
            inside.append(entry)
    common = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in _most(endings))
    lines = [
        f"read {endings.total()} files ({total / 1e6:.1f} MB: {common}) of {block.source}",
        f"leave out {left_out} (hidden, links)" if left_out else "",
        f"labels: {label_table(block, inside) or block.label_word}",
        "" if total else "fetch the file first: it is in no cache",
    ]
    return [line for line in lines if line], needed


def _samples(file: File, ending: str) -> int:
    """How many samples a file holds, roughly: NumPy's archives say it, others count as one."""
    if ending != "npz" or not file.path:
        return 1
    count = 0
    with suppress(OSError, BadZipFile), ZipFile(file.path) as archive:
        for name in archive.namelist():
            if name.removesuffix(".npy").endswith("images"):
                with archive.open(name) as stream:
                    shape = re.search(rb"'shape': \((\d{1,12}),", stream.read(256))
                count += int(shape[1]) if shape else 0
    return max(1, count)


def _ending(name: str) -> str:
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot and len(ending) <= 5 and not ending.isdigit() else ""


def _most(endings: Counter[str]) -> list[tuple[str, int]]:
    common = endings.most_common(5)
    rest = sum(endings.values()) - sum(count for _, count in common)
    return [*common, ("others", rest)] if rest else common
