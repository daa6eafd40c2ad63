"""What is said of each file outside of it: a table's rows, the folders it lies in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate import columns, folders
from medfm_cli.commands.curate.columns import Choice
from medfm_cli.commands.curate.matching import ENOUGH, Matcher
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import File, Listing
from medfm_cli.commands.curate.tables import Rows, delimiter, read_rows
from medfm_cli.errors import DataError

LARGEST_TABLE = 256 << 20
"""Larger files are not tried as a table unasked, in bytes."""
MOST_TORN = 0.5
"""From this share of files with contradicting rows on, a table does not hold their labels."""
Resolve = Callable[[str, Any, str], None]


@dataclass(slots=True)
class Note:
    """What is said of one file; empty text where nothing is.

    `shared` tells that the row could mean several files; `torn` that rows contradict each other.
    """

    label: str = ""
    subject: str = ""
    study: str = ""
    site: str = ""
    split: str = ""
    modality: str = ""
    anatomy: str = ""
    row: int = -1
    shared: bool = False
    torn: bool = False


@dataclass
class Notes:
    """What is said of all files.

    Attributes:
        by_file: file's number in the listing → what is said of it.
        origin: `table`, `folders`, `field`, `own` (what the files themselves say) or `none`.
        table: the table that was used.
        labelled: whether the notes carry labels.
        absent: what rows of the table name that is not there.
        columns: names of the table's columns.
    """

    by_file: dict[int, Note] = field(default_factory=dict)
    origin: str = "none"
    table: Path | None = None
    labelled: bool = False
    absent: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()

    def of(self, index: int) -> Note:
        """The note of a file, made when it has none yet."""
        return self.by_file.setdefault(index, Note())


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
        _from_table(notes, recipe, listing, read_rows(table), resolve)
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
        files, share, _ = _files_column(rows, matcher)
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


def _from_table(
    notes: Notes, recipe: CurateRecipe, listing: Listing, rows: Rows, resolve: Resolve
) -> None:
    notes.columns = tuple(rows.header)
    matcher = Matcher([file.name for file in listing.files])
    files, by_folder = _chosen_files_column(recipe, rows, matcher, resolve)
    taken = [files]
    picked: dict[str, Choice] = {}
    for key, asked, find in (
        ("subject", recipe.subject, columns.find_subject),
        ("site", recipe.site, columns.find_site),
        ("modality", recipe.modality, columns.find_modality),
        ("anatomy", recipe.anatomy, columns.find_anatomy),
        ("split.official", recipe.split.official, columns.find_split),
        ("study", "auto", columns.find_study),
    ):
        choice = _pick(key, asked, rows, find, taken)
        if choice:
            picked[key] = choice
            taken.append(choice.column)
            if asked == "auto" and key != "study":
                resolve(key, choice.column, choice.why)
    label = _pick_label(recipe, rows, taken, resolve)
    if label:
        notes.labelled, notes.origin = True, "table"
        picked["label"] = label
    if by_folder and "subject" not in picked and recipe.subject == "auto":
        picked["subject"] = Choice((files,), "")
        resolve("subject", files, "its values are the names of the folders that images lie in")
    _fill(notes, rows, files, picked, matcher.in_folder if by_folder else matcher.find, by_folder)


def _chosen_files_column(
    recipe: CurateRecipe, rows: Rows, matcher: Matcher, resolve: Resolve
) -> tuple[str, bool]:
    """The column that names the files, and whether it names folders instead.

    Raises:
        DataError: none does.
    """
    asked = recipe.label_spec().files
    if asked != "auto":
        column = columns.named(asked, rows.header, rows.path, "labels.files")
        cells = rows.column(column)
        share = matcher.share(cells)
        by_folder = share < ENOUGH <= matcher.share(cells, folders=True)
        if share == 0 and not by_folder:
            raise _no_match(rows, f"the column '{column}'")
        return column, by_folder
    column, share, by_folder = _files_column(rows, matcher)
    if share == 0:
        raise _no_match(rows, "no column")
    why = f"{share:.0%} of its values name {'folders' if by_folder else 'files'} of the source"
    resolve("labels.files", column, why)
    return column, by_folder


def _files_column(rows: Rows, matcher: Matcher) -> tuple[str, float, bool]:
    """The column that names most files, else most folders; the share of its values that do."""
    for by_folder in (False, True):
        shares = {
            name: matcher.share(rows.column(name), folders=by_folder)
            for name in rows.header
            if not by_folder or columns.is_key(rows, name)
        }
        if not shares:
            break
        best = max(shares, key=lambda name: (shares[name], name.lower() in columns.FILE_NAMES))
        if shares[best] >= ENOUGH:
            return best, shares[best], by_folder
    shares = {name: matcher.share(rows.column(name)) for name in rows.header}
    best = max(shares, key=lambda name: shares[name])
    return best, shares[best], False


def _no_match(rows: Rows, what: str) -> DataError:
    return DataError(
        f"{what} of '{rows.path}' names a file of the source",
        hint=f"its columns are {columns.listed(rows.header)}; name the right one with labels.files",
    )


def _pick(
    key: str,
    asked: str,
    rows: Rows,
    find: Callable[..., Choice | None],
    taken: Sequence[str],
) -> Choice | None:
    """The column for one meaning: the one that is asked for, or the one that is found."""
    if asked == "auto":
        return find(rows, but=taken)
    words = {
        "subject": ("none", "folders"),
        "site": ("none",),
        "split.official": ("none", "keep"),
    }
    if asked in words.get(key, ()):
        return find(rows, but=taken) if asked == "keep" else None
    if key in ("modality", "anatomy") and asked not in rows.header:
        return None  # one name for all images
    return Choice((columns.named(asked, rows.header, rows.path, key),), "named in the recipe")


def _pick_label(
    recipe: CurateRecipe, rows: Rows, taken: Sequence[str], resolve: Resolve
) -> Choice | None:
    """The label's column.

    Raises:
        DataError: the recipe asks for labels from this table, and no column can be told to be it.
    """
    spec = recipe.label_spec()
    if recipe.labels == "none" or spec.field or spec.folders:
        return None
    if spec.column != "auto":
        column = columns.named(spec.column, rows.header, rows.path, "labels.column")
        return Choice((column,), "named in the recipe")
    choice = columns.find_label(rows, but=taken)
    if choice:
        resolve("labels.column", ", ".join(choice.columns), choice.why)
    elif spec.file is not None:
        raise DataError(
            f"no column of '{rows.path}' can be told to be the label",
            hint=f"name it: 'labels={{file: {spec.file}, column: NAME}}'; "
            f"its columns are {columns.listed(rows.header)}",
        )
    return choice


def _fill(
    notes: Notes,
    rows: Rows,
    files: str,
    picked: dict[str, Choice],
    find: Callable[[str], list[int]],
    by_folder: bool,
) -> None:
    """Write what the rows say into the notes of the files that they mean."""
    cells = {
        key: _spelt(rows, choice.columns) if len(choice.columns) > 1 else rows.column(choice.column)
        for key, choice in picked.items()
    }
    for number, cell in enumerate(rows.column(files)):
        if not cell:
            continue
        found = find(cell)
        if not found:
            notes.absent.append(cell)
        for index in found:
            note = notes.of(index)
            said = {key: values[number] for key, values in cells.items()}
            again = note.row >= 0
            for key, value in said.items():
                name = "split" if key == "split.official" else key
                value = columns.split_name(value) if name == "split" else value
                if again and value != getattr(note, name):
                    note.torn = note.torn or name == "label"
                setattr(note, name, value)
            note.row = number
            note.shared = not by_folder and len(found) > 1
    notes.absent = sorted(set(notes.absent))


def _spelt(rows: Rows, names: Iterable[str]) -> list[str]:
    """For every row the column that holds 1."""
    flags = {name: rows.column(name) for name in names}
    ones = {"1", "1.0", "true"}
    return [
        next((name for name, values in flags.items() if values[i].lower() in ones), "")
        for i in range(len(rows.values))
    ]


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
    labelled = [index for index, note in notes.by_file.items() if note.label]
    torn = [index for index in labelled if notes.by_file[index].torn]
    if torn and len(torn) > MOST_TORN * len(labelled):
        raise DataError(
            f"'{notes.table}' has several rows with different labels for {len(torn)} of "
            f"{len(labelled)} files, such as '{files[torn[0]].name}'",
            hint="give a table with one row an image, or labels=none",
        )
