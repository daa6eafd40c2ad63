"""What is said of each file outside of it: a table's rows, the folders it lies in."""

from __future__ import annotations

from pathlib import Path

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.metadata import folders
from medfm_cli.commands.curate.metadata.file_metadata import Notes, Resolve, set_field
from medfm_cli.commands.curate.metadata.from_table import SAMPLE, files_column, note_table
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.options.split import Split
from medfm_cli.commands.curate.sources.listing import files
from medfm_cli.commands.curate.sources.matching import ENOUGH, Matcher
from medfm_cli.commands.curate.tables import columns
from medfm_cli.commands.curate.tables.open import Rows, delimiter, read_rows
from medfm_cli.errors import DataError

LARGEST_TABLE = 256 << 20
"""Larger files are not tried as a table unasked, in bytes."""
MOST_TORN = 0.5
"""From this share of files with contradicting rows on, a table does not hold their labels."""


def annotate(
    ledger: Ledger,
    block: int,
    keys: SourceKeys,
    split: Split,
    names: Pseudonyms,
    resolve: Resolve,
) -> Notes:
    """Collect what the table and the folders say, choosing columns where the recipe says `auto`.

    Args:
        ledger: holds the files, and gets the notes.
        block: the number of the source.
        keys: what the recipe says of it.
        split: what the recipe says of splits.
        names: makes the pseudonyms.
        resolve: records what an `auto` became.

    Raises:
        DataError: the table does not fit the files, or it is not clear which column is meant.
    """
    spec = keys.label_spec()
    notes = Notes(block)
    table = keys.label_file(f for _, f in files(ledger, block)) or _own_table(keys, ledger, block)
    if table is None and keys.labels == "auto":
        table = _discover(ledger, block, resolve)
    if table is not None:
        notes.table = table
        ledger.execute(
            "UPDATE files SET role = 'table' WHERE block = ? AND path = ?", block, str(table)
        )
        note_table(notes, ledger, keys, split, table, names, resolve)
    if not notes.labelled:
        _labels_elsewhere(notes, keys, ledger, resolve)
    if spec.folders or notes.origin == "folders":
        notes.origin, notes.labelled = "folders", True
        classes = ((number, folders.class_of(f.name)) for number, f in files(ledger, block))
        set_field(ledger, "label", classes)
    _subjects_and_splits(ledger, block, keys, split, resolve)
    _check_torn(ledger, notes)
    return notes


def _own_table(keys: SourceKeys, ledger: Ledger, block: int) -> Path | None:
    """The source itself, when it is a table and not one of the files to read."""
    path = Path(keys.source or "").expanduser()
    sql = "SELECT 1 FROM files WHERE block = ? AND path = ?"
    if not path.is_file() or ledger.one(sql, block, str(path)):
        return None
    with path.open("rb") as file:
        return path if delimiter(file.read(4096)) else None


def _discover(ledger: Ledger, block: int, resolve: Resolve) -> Path | None:
    """The one table among the files that names most of the others and says whose or what they are.

    Raises:
        DataError: there are several.
    """
    found: list[Path] = []
    matcher = Matcher(ledger, block)
    for _, file in files(ledger, block, role=""):
        if file.name.count("/") > 1 or not 0 < file.size <= LARGEST_TABLE or not file.path:
            continue
        try:
            with Path(file.path).open("rb") as stream:
                if not delimiter(stream.read(4096)):
                    continue
        except OSError:  # it is refused, with the reason, when it is read
            continue
        if _useful(Path(file.path), matcher):
            found.append(Path(file.path))
    if len(found) > 1:
        listed = ", ".join(f"'{path.name}'" for path in found[:8])
        raise DataError(
            f"several tables of the source could hold the labels: {listed}",
            hint=f"say which, for example labels={found[0].name}, or labels=none",
        )
    if found:
        resolve("labels", found[0].name, "the only table that names the files and a label")
    return found[0] if found else None


def _useful(path: Path, matcher: Matcher) -> bool:
    try:
        rows = read_rows(path, SAMPLE)
    except DataError:  # it only begins like a table
        return False
    try:
        files, share, _ = files_column(rows, matcher)
        if share < ENOUGH:
            return False
        if columns.find_subject(rows, but=(files,)):
            return True
        label = columns.find_label(rows, but=_describing(rows, files), by_content=False)
    except DataError:
        return True  # ambiguous columns: the error that says so comes when it is used
    if label is None:
        return False
    return columns.torn_share(rows.column(files), rows.column(label.column)) <= MOST_TORN


def _describing(rows: Rows, files: str) -> list[str]:
    """Columns that mean something else than the label."""
    taken = [files]
    for find in (
        columns.find_site,
        columns.find_modality,
        columns.find_anatomy,
        columns.find_split,
    ):
        if choice := find(rows, but=taken):
            taken.append(choice.column)
    return taken


def _labels_elsewhere(notes: Notes, keys: SourceKeys, ledger: Ledger, resolve: Resolve) -> None:
    """Labels that are in no table: a field, folders, or what the files themselves say."""
    spec = keys.label_spec()
    if spec.field:
        notes.origin = "field"
        return
    if keys.labels == "none" or spec.folders:
        return
    why = folders.class_folders(file for _, file in files(ledger, notes.block))
    if why:
        notes.origin = "folders"
        resolve("labels", "folders", why)
    else:
        notes.origin = "own"


def _subjects_and_splits(
    ledger: Ledger, block: int, keys: SourceKeys, split: Split, resolve: Resolve
) -> None:
    """What the folders say of subjects and splits."""
    if keys.subject == "folders":
        above = ((number, f.name.rpartition("/")[0]) for number, f in files(ledger, block))
        set_field(ledger, "subject", above)
    if split.official not in ("auto", "keep"):
        return
    of_block = "WHERE split <> '' AND file IN (SELECT number FROM files WHERE block = ?)"
    if ledger.one(f"SELECT 1 FROM notes {of_block} LIMIT 1", block):  # noqa: S608
        return
    if folders.official_split(file for _, file in files(ledger, block, role="")):
        resolve("split.official", "folders", "folders are called train, val or test")
        sides = ((number, folders.split_of(f.name)) for number, f in files(ledger, block))
        set_field(ledger, "split", sides)
        return
    matcher = Matcher(ledger, block)
    listed = folders.split_lists((file for _, file in files(ledger, block)), matcher)
    if len(set(listed.values())) > 1:
        resolve("split.official", "lists", "text files called train, val or test name the images")
        set_field(ledger, "split", listed.items())


def _check_torn(ledger: Ledger, notes: Notes) -> None:
    """Refuse a table that contradicts itself about most files.

    Raises:
        DataError: more than half of the labelled files have rows with different labels.
    """
    of_block = "file IN (SELECT number FROM files WHERE block = ?)"
    table, where = ("patients", "block = ?") if notes.patients else ("notes", of_block)
    count = f"SELECT count(*) FROM {table} WHERE label <> '' AND {where}"  # noqa: S608
    labelled = ledger.one(count, notes.block)
    torn = ledger.one(f"{count} AND torn", notes.block)
    if not torn or torn <= MOST_TORN * labelled:
        return
    first = ledger.one(
        "SELECT name FROM files JOIN notes ON file = number "
        "WHERE block = ? AND torn AND label <> '' ORDER BY number LIMIT 1",
        notes.block,
    )
    what = "patients" if notes.patients else f"files, such as '{first}'"
    raise DataError(
        f"'{notes.table}' has several rows with different labels for {torn} of {labelled} {what}",
        hint="give a table with one row an image (or patient), or labels=none",
    )
