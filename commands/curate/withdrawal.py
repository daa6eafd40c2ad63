"""Subjects who withdrew: they are nowhere in what is written, and only counted.

The file of the recipe (`withdraw:`) holds one patient's identifier or pseudonym a line. Identifiers
are turned into pseudonyms as they are read; neither is repeated anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.reading.staging import WITHDRAWN, Staging
from medfm_cli.data.manifest import MANIFEST_FILE
from medfm_cli.errors import DataError
from medfm_cli.runs import Callout, Run
from medfm_cli.runs.atomic import write_json
from medfm_cli.runs.blocks import Block

REASON = "the subject withdrew"
REMEMBERED = ("checkpoints", "withdrawn.json")
CHUNK = 65536
_PSEUDONYM = re.compile(r"[a-z]+-[0-9a-f]{16}")
_QUOTED = re.compile(rb'"([a-z]+-[0-9a-f]{16})"')
_GONE = "FROM items WHERE subject IN (SELECT subject FROM withdrawn)"


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal came to.

    Attributes:
        listed: identifiers in the file.
        matched: of them, those that occur in the source.
    """

    listed: int
    matched: int


def lines(path: Path) -> list[str]:
    """The identifiers in a withdrawal file; empty lines and those that begin with # say nothing.

    Raises:
        DataError: it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DataError(
            f"the withdrawal file '{path}' cannot be read: {error.strerror}",
            hint="withdraw takes a text file, one patient's identifier or pseudonym a line",
        ) from None
    stripped = (line.strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in stripped if line and not line.startswith("#")))


def withdraw(catalog: Catalog, path: Path, names: Pseudonyms, run: Run) -> Withdrawal:
    """Take all items of the subjects out of the catalog; only their number stays, as refusals.

    Raises:
        DataError: the file cannot be read.
    """
    listed = lines(path)
    catalog.execute("CREATE TEMP TABLE withdrawn (line INTEGER, subject TEXT)")
    catalog.execute(
        "CREATE TEMP TABLE gone (unit INTEGER, entry INTEGER, frame INTEGER, part TEXT)"
    )
    catalog.many("INSERT INTO withdrawn VALUES (?, ?)", _pseudonyms(listed, names))
    refused = _refused_files(catalog, names)
    matched = catalog.one(
        "SELECT count(DISTINCT line) FROM withdrawn WHERE subject IN (SELECT subject FROM items)"
    )
    catalog.execute(f"INSERT INTO gone SELECT unit, entry, frame, part {_GONE}")
    catalog.execute(
        "INSERT INTO refused (entry, file, block, frame, file_sha, step, reason, source) "
        f"SELECT entry, file, block, frame, '', '{WITHDRAWN}', '{REASON}', '' {_GONE}"
    )
    catalog.execute(f"DELETE {_GONE}")
    catalog.many(
        f"UPDATE refused SET file_sha = '', step = '{WITHDRAWN}', reason = '{REASON}', "  # noqa: S608
        "source = '' WHERE file = ?",
        ((file,) for file in refused),
    )
    return _with_first_try(run, Withdrawal(len(listed), int(matched)))


def erase(catalog: Catalog, staging: Staging) -> None:
    """Take what withdrew out of the staging's rows, once the dataset is written."""
    units = [row[0] for row in catalog.rows("SELECT DISTINCT unit FROM gone ORDER BY unit")]
    for unit in units:
        rows = catalog.rows("SELECT entry, frame, part FROM gone WHERE unit = ?", unit)
        staging.withdraw(unit, {tuple(row) for row in rows}, REASON)


def report_blocks(withdrawn: Withdrawal, catalog: Catalog, run: Run) -> list[Block]:
    """What the report says: numbers alone, and who still holds what was withdrawn."""
    samples = catalog.one(f"SELECT count(*) FROM refused WHERE step = '{WITHDRAWN}'")  # noqa: S608
    blocks: list[Block] = [
        Callout(
            "note",
            f"{withdrawn.matched} of {withdrawn.listed} identifiers in the withdrawal file occur "
            f"in the source; {samples} of their samples were left out. They are in no file of the "
            "dataset, and the quarantine lists their number only.",
        )
    ]
    subjects = {row[0] for row in catalog.rows("SELECT subject FROM withdrawn")}
    if holders := sorted(_holders(run, subjects)):
        blocks.append(
            Callout(
                "warn",
                f"Subjects who withdrew are still in older runs: {', '.join(holders)}. Delete "
                "these folders; models that were trained on them have to be trained again.",
            )
        )
    return blocks


def _pseudonyms(listed: list[str], names: Pseudonyms) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(listed):
        yield number, names.of("subject", line)
        if _PSEUDONYM.fullmatch(line):
            yield number, line


def _refused_files(catalog: Catalog, names: Pseudonyms) -> list[int]:
    """Files that could not be read and belong, by a table, to somebody who withdrew."""
    rows = catalog.rows(
        "SELECT DISTINCT r.file, n.subject FROM refused r JOIN notes n ON n.file = r.file "
        "WHERE n.subject <> ''"
    )
    gone = {row[0] for row in catalog.rows("SELECT subject FROM withdrawn")}
    return [file for file, subject in rows if names.of("subject", subject) in gone]


def _with_first_try(run: Run, withdrawn: Withdrawal) -> Withdrawal:
    """The numbers of the first try: later ones no longer see the erased subjects."""
    path = run.path(*REMEMBERED)
    try:
        before = Withdrawal(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        before = withdrawn
    best = Withdrawal(withdrawn.listed, max(withdrawn.matched, before.matched))
    write_json(path, asdict(best))
    return best


def _holders(run: Run, subjects: set[str]) -> Iterator[str]:
    """Other run directories in the same folder that hold somebody of `subjects`."""
    own = run.dir.resolve()
    for folder in run.dir.parent.iterdir():
        if folder.is_symlink() or not folder.is_dir():
            continue
        for place in (folder, folder / "previous"):
            if place.resolve() != own and _holds(place, subjects):
                yield str(place.relative_to(run.dir.parent))


def _holds(folder: Path, subjects: set[str]) -> bool:
    """Whether a run's manifest, or the staging of one that never ended, names a subject."""
    manifest = folder / "dataset" / MANIFEST_FILE
    try:
        if manifest.is_file():
            with pq.ParquetFile(manifest) as file:
                batches = file.iter_batches(CHUNK, columns=["subject_id"])
                return any(not subjects.isdisjoint(b.column(0).to_pylist()) for b in batches)
        for path in (folder / "checkpoints" / "units").glob("*.jsonl"):
            with path.open("rb") as rows:
                for line in rows:
                    names = {name.decode("ascii") for name in _QUOTED.findall(line)}
                    if not subjects.isdisjoint(names):
                        return True
    except (OSError, KeyError, pa.ArrowException):
        return False
    return False
