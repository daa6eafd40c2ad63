"""What is said of each file outside of it: a table's rows, the folders it lies in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medfm_cli.commands.curate import columns, folders
from medfm_cli.commands.curate.matching import ENOUGH, Matcher
from medfm_cli.commands.curate.notes import Notes, Resolve
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import File, Listing
from medfm_cli.commands.curate.table_notes import files_column, note_table
from medfm_cli.commands.curate.tables import Rows, delimiter, read_rows
from medfm_cli.errors import DataError

LARGEST_TABLE = 256 << 20
"""Larger files are not tried as a table unasked, in bytes."""
MOST_TORN = 0.5
"""From this share of files with contradicting rows on, a table does not hold their labels."""


def annotate(recipe: CurateRecipe, listing: Listing, resolve: Resolve) -> Notes:
    """Collect what the table and the folders say, choosing columns where the recipe says `auto`.

    Raises:
        DataError: the table does not fit the files, or it is not clear which column is meant.
    """
    spec = recipe.label_spec()
    notes = Notes()
    table = recipe.label_file(listing) or _own_table(recipe, listing)
    unasked = table is None and recipe.labels == "auto"
    if unasked:
        table = _discover(listing, resolve)
    if table is not None:
        note_table(notes, recipe, listing, read_rows(table), resolve)
        notes.table = table
    if not notes.labelled:
        _labels_elsewhere(notes, recipe, listing, resolve)
    if spec.folders or notes.origin == "folders":
        notes.origin, notes.labelled = "folders", True
        for index, file in enumerate(listing.files):
            notes.of(index).label = folders.class_of(file.name)
    _subjects_and_splits(notes, recipe, listing, resolve)
    return notes


def _own_table(recipe: CurateRecipe, listing: Listing) -> Path | None:
    """The source itself, when it is a table."""
    path = Path(recipe.source).expanduser()
    if not path.is_file() or any(file.path == str(path) for file in listing.files):
        return None
    with path.open("rb") as file:
        return path if delimiter(file.read(4096)) else None


def _discover(listing: Listing, resolve: Resolve) -> Path | None:
    """The one table among the files that names most of the others and says whose or what they are.

    Raises:
        DataError: there are several.
    """
    found: list[Path] = []
    matcher: Matcher | None = None
    for file in listing.files:
        if file.name.count("/") > 1 or not 0 < file.size <= LARGEST_TABLE or not file.path:
            continue
        with Path(file.path).open("rb") as stream:
            if not delimiter(stream.read(4096)):
                continue
        matcher = matcher or Matcher([f.name for f in listing.files])
        if _useful(Path(file.path), matcher):
            found.append(Path(file.path))
    if len(found) > 1:
        names = ", ".join(f"'{path.name}'" for path in found)
        raise DataError(
            f"several tables of the source could hold the labels: {names}",
            hint=f"say which, for example labels={found[0].name}, or labels=none",
        )
    if found:
        resolve("labels", found[0].name, "the only table that names the files and a label")
    return found[0] if found else None


def _useful(path: Path, matcher: Matcher) -> bool:
    try:
        rows = read_rows(path)
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


def _labels_elsewhere(
    notes: Notes, recipe: CurateRecipe, listing: Listing, resolve: Resolve
) -> None:
    """Labels that are in no table: a field, folders, or what the files themselves say."""
    spec = recipe.label_spec()
    if spec.field:
        notes.origin = "field"
        return
    if recipe.labels == "none" or spec.folders:
        return
    why = folders.class_folders(listing.files)
    if why:
        notes.origin = "folders"
        resolve("labels", "folders", why)
    else:
        notes.origin = "own"


def _subjects_and_splits(
    notes: Notes, recipe: CurateRecipe, listing: Listing, resolve: Resolve
) -> None:
    """What the folders say of subjects and splits."""
    if recipe.subject == "folders":
        for index, file in enumerate(listing.files):
            notes.of(index).subject = file.name.rpartition("/")[0]
    if recipe.split.official not in ("auto", "keep"):
        return
    if any(note.split for note in notes.by_file.values()):
        return
    if folders.official_split(listing.files):
        resolve("split.official", "folders", "folders are called train, val or test")
        for index, file in enumerate(listing.files):
            notes.of(index).split = folders.split_of(file.name)
        return
    listed = folders.split_lists(listing.files, Matcher([file.name for file in listing.files]))
    if len(set(listed.values())) > 1:
        resolve("split.official", "lists", "text files called train, val or test name the images")
        for index, side in listed.items():
            notes.of(index).split = side


def check_torn(notes: Notes, files: Sequence[File]) -> None:
    """Refuse a table that contradicts itself about most files.

    Raises:
        DataError: more than half of the labelled files have rows with different labels.
    """
    labelled = [note for note in (notes.by_patient or notes.by_file).values() if note.label]
    torn = sum(note.torn for note in labelled)
    if torn and torn > MOST_TORN * len(labelled):
        first = next((f"'{files[i].name}'" for i, n in notes.by_file.items() if n.torn), "")
        what = f"files, such as {first}" if first else "patients"
        raise DataError(
            f"'{notes.table}' has several rows with different labels for {torn} of "
            f"{len(labelled)} {what}",
            hint="give a table with one row an image (or patient), or labels=none",
        )
