"""Metadata of each file from outside of it: the rows of a table, the folders it lies in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.metadata import folders
from medfm_cli.commands.curate.metadata.file_metadata import Resolve, SourceMetadata, set_field
from medfm_cli.commands.curate.metadata.from_table import SAMPLE, files_column, read_table_metadata
from medfm_cli.commands.curate.options.source import SourceKeys, SubjectPattern
from medfm_cli.commands.curate.options.split import Split
from medfm_cli.commands.curate.sources.listing import files
from medfm_cli.commands.curate.sources.matching import ENOUGH, Matcher
from medfm_cli.commands.curate.sources.named import label_table
from medfm_cli.commands.curate.tables import columns
from medfm_cli.commands.curate.tables.open import Rows, delimiter, read_rows
from medfm_cli.errors import DataError

LARGEST_TABLE = 256 << 20
"""Larger files are not searched for a table of labels, in bytes."""
MOST_CONFLICTING = 0.5
"""From this share of files with contradicting rows on, a table does not hold their labels."""


def collect_metadata(
    catalog: Catalog,
    block: int,
    keys: SourceKeys,
    split: Split,
    names: Pseudonyms,
    resolve: Resolve,
) -> SourceMetadata:
    """Collect metadata from the table and the folders; chooses columns where a key is `auto`.

    Args:
        catalog: holds the files, and gets the metadata.
        block: the number of the source.
        keys: what the recipe says of it.
        split: what the recipe says of splits.
        names: makes the pseudonyms.
        resolve: records what an `auto` became.

    Raises:
        DataError: the table does not fit the files, or it is not clear which column is meant.
    """
    spec = keys.label_spec()
    metadata = SourceMetadata(block)
    table = label_table(keys, (f for _, f in files(catalog, block))) or _own_table(
        keys, catalog, block
    )
    if table is None and keys.labels == "auto":
        table = _discover(catalog, block, resolve)
    if table is not None:
        metadata.table = table
        catalog.execute(
            "UPDATE files SET role = 'table' WHERE block = ? AND path = ?", block, str(table)
        )
        read_table_metadata(metadata, catalog, keys, split, table, names, resolve)
    if not metadata.labelled:
        _labels_elsewhere(metadata, keys, catalog, resolve)
    if spec.folders or metadata.origin == "folders":
        metadata.origin, metadata.labelled = "folders", True
        classes = ((number, folders.class_of(f.name)) for number, f in files(catalog, block))
        set_field(catalog, "label", classes)
    _subjects_and_splits(catalog, metadata, keys, split, resolve)
    _check_conflicts(catalog, metadata)
    return metadata


def _own_table(keys: SourceKeys, catalog: Catalog, block: int) -> Path | None:
    """The source itself, when it is a table and not one of the files to read."""
    path = Path(keys.source or "").expanduser()
    sql = "SELECT 1 FROM files WHERE block = ? AND path = ?"
    if not path.is_file() or catalog.one(sql, block, str(path)):
        return None
    with path.open("rb") as file:
        return path if delimiter(file.read(4096)) else None


def _discover(catalog: Catalog, block: int, resolve: Resolve) -> Path | None:
    """The one table among the files that names most of the others and says whose or what they are.

    Raises:
        DataError: there are several.
    """
    tables: list[Path] = []
    matcher = Matcher(catalog, block)
    for _, file in files(catalog, block, role=""):
        if file.name.count("/") > 1 or not 0 < file.size <= LARGEST_TABLE or not file.path:
            continue
        try:
            with Path(file.path).open("rb") as stream:
                if not delimiter(stream.read(4096)):
                    continue
        except OSError:  # it is refused, with the reason, when it is read
            continue
        if _useful(Path(file.path), matcher):
            tables.append(Path(file.path))
    if len(tables) > 1:
        listed = ", ".join(f"'{path.name}'" for path in tables[:8])
        raise DataError(
            f"several tables of the source could hold the labels: {listed}",
            hint=f"say which, for example labels={tables[0].name}, or labels=none",
        )
    if tables:
        resolve("labels", tables[0].name, "the only table that names the files and a label")
    return tables[0] if tables else None


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
    return (
        columns.conflicting_share(rows.column(files), rows.column(label.column)) <= MOST_CONFLICTING
    )


def _describing(rows: Rows, files: str) -> list[str]:
    """Columns that mean something else than the label."""
    used = [files]
    for find in (
        columns.find_site,
        columns.find_modality,
        columns.find_anatomy,
        columns.find_split,
    ):
        if choice := find(rows, but=used):
            used.append(choice.column)
    return used


def _labels_elsewhere(
    metadata: SourceMetadata, keys: SourceKeys, catalog: Catalog, resolve: Resolve
) -> None:
    """Labels that are in no table: a field, folders, or what the files themselves say."""
    spec = keys.label_spec()
    if spec.field:
        metadata.origin = "field"
        return
    if keys.labels == "none" or spec.folders:
        return
    why = folders.class_folders(file for _, file in files(catalog, metadata.block))
    if why:
        metadata.origin = "folders"
        resolve("labels", "folders", why)
    else:
        metadata.origin = "own"


def _subjects(
    catalog: Catalog, metadata: SourceMetadata, keys: SourceKeys, resolve: Resolve
) -> None:
    """What the names of folders and files say of subjects."""
    block = metadata.block
    if isinstance(keys.subject, SubjectPattern):
        _subjects_by_pattern(catalog, metadata, keys.subject)
    elif keys.subject == "folders":
        above = (
            (number, columns.person_folder(f.name) or f.name.rpartition("/")[0])
            for number, f in files(catalog, block)
        )
        set_field(catalog, "subject", above)
    elif keys.subject == "auto":
        if folders.person_folders(f for _, f in files(catalog, block, role="")):
            metadata.person_folders = True
            resolve("subject", "auto", "without other identifiers: folders named like patients")
        elif proposal := folders.number_pattern(_some_names(catalog, block)):
            pattern, count = proposal
            metadata.suggestion = (
                f"the files' names begin with numbers: subject={{pattern: '{pattern}'}} would "
                f"give {count} subjects"
            )


def _some_names(catalog: Catalog, block: int) -> Iterator[str]:
    return islice((file.name for _, file in files(catalog, block, role="")), SAMPLE)


def _subjects_by_pattern(
    catalog: Catalog, metadata: SourceMetadata, pattern: SubjectPattern
) -> None:
    """The subjects that the files' names hold; what the pattern does not fit is counted."""
    counts = Counter[bool]()

    def named() -> Iterator[tuple[int, str]]:
        for number, file in files(catalog, metadata.block, role=""):
            subject = pattern.find(file.name)
            counts[bool(subject)] += 1
            if subject:
                yield number, subject

    set_field(catalog, "subject", named())
    if counts[False]:
        metadata.warnings.append(
            f"subject.pattern fits the names of {counts[True]} of {counts.total()} files; each "
            "of the others counts as a subject of its own"
        )


def _subjects_and_splits(
    catalog: Catalog, metadata: SourceMetadata, keys: SourceKeys, split: Split, resolve: Resolve
) -> None:
    """What the names of folders and files say of subjects and splits."""
    block = metadata.block
    _subjects(catalog, metadata, keys, resolve)
    if split.official not in ("auto", "keep"):
        return
    of_block = "WHERE split <> '' AND file IN (SELECT number FROM files WHERE block = ?)"
    if catalog.one(f"SELECT 1 FROM notes {of_block} LIMIT 1", block):  # noqa: S608
        return
    if folders.official_split(file for _, file in files(catalog, block, role="")):
        resolve("split.official", "folders", "folders are called train, val or test")
        sides = ((number, folders.split_of(f.name)) for number, f in files(catalog, block))
        set_field(catalog, "split", sides)
        return
    matcher = Matcher(catalog, block)
    listed = folders.split_lists((file for _, file in files(catalog, block)), matcher)
    if len(set(listed.values())) > 1:
        resolve("split.official", "lists", "text files called train, val or test name the images")
        set_field(catalog, "split", listed.items())


def _check_conflicts(catalog: Catalog, metadata: SourceMetadata) -> None:
    """Refuse a table that contradicts itself about most files.

    Raises:
        DataError: more than half of the labelled files have rows with different labels.
    """
    of_block = "file IN (SELECT number FROM files WHERE block = ?)"
    table, where = ("patients", "block = ?") if metadata.patients else ("notes", of_block)
    count = f"SELECT count(*) FROM {table} WHERE label <> '' AND {where}"  # noqa: S608
    labelled = catalog.one(count, metadata.block)
    conflicting = catalog.one(f"{count} AND torn", metadata.block)
    if not conflicting or conflicting <= MOST_CONFLICTING * labelled:
        return
    if not metadata.patients:
        _refuse_ambiguous_names(catalog, metadata, conflicting)
    first = catalog.one(
        "SELECT name FROM files JOIN notes ON file = number "
        "WHERE block = ? AND torn AND label <> '' ORDER BY number LIMIT 1",
        metadata.block,
    )
    what = "patients" if metadata.patients else f"files, such as '{first}'"
    raise DataError(
        f"'{metadata.table}' has several rows with different labels for "
        f"{conflicting} of {labelled} {what}",
        hint="give a table with one row an image (or patient), or labels=none",
    )


def _refuse_ambiguous_names(catalog: Catalog, metadata: SourceMetadata, conflicting: int) -> None:
    """Refuse a table whose rows contradict each other since a name in it is that of many files.

    Raises:
        DataError: it is so.
    """
    shared = catalog.one(
        "SELECT count(*) FROM notes WHERE torn AND shared AND file IN "
        "(SELECT number FROM files WHERE block = ?)",
        metadata.block,
    )
    if shared <= conflicting / 2:
        return
    raise DataError(
        f"names in '{metadata.table}' fit several files of the source each, in different folders",
        hint="write the path below the source in that column (folder/image.png), or set "
        "labels.files to a column that has it",
    )
