"""What a table says of files: which column means what, and which row means which file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from medfm_cli.commands.curate import columns
from medfm_cli.commands.curate.columns import Choice
from medfm_cli.commands.curate.matching import ENOUGH, Matcher
from medfm_cli.commands.curate.notes import Note, Notes, Resolve
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import Listing
from medfm_cli.commands.curate.tables import Rows
from medfm_cli.errors import DataError

Meant = Literal["files", "folders", "patients"]


def note_table(
    notes: Notes, recipe: CurateRecipe, listing: Listing, rows: Rows, resolve: Resolve
) -> None:
    """Write what a table says into the notes, choosing columns where the recipe says `auto`.

    Raises:
        DataError: no column names files, folders or patients, or it is not clear what one means.
    """
    notes.columns = tuple(rows.header)
    matcher = Matcher([file.name for file in listing.files])
    key, meant = _key_column(recipe, rows, matcher, resolve)
    taken = [] if meant == "patients" else [key]
    picked: dict[str, Choice] = {}
    for name, asked, find in (
        ("subject", recipe.subject, columns.find_subject),
        ("site", recipe.site, columns.find_site),
        ("modality", recipe.modality, columns.find_modality),
        ("anatomy", recipe.anatomy, columns.find_anatomy),
        ("split.official", recipe.split.official, columns.find_split),
        ("study", "auto", columns.find_study),
    ):
        choice = _pick(name, asked, rows, find, taken)
        if choice:
            picked[name] = choice
            taken.append(choice.column)
            if asked == "auto" and name != "study":
                resolve(name, choice.column, choice.why)
    label = _pick_label(recipe, rows, taken, resolve)
    if label:
        notes.labelled, notes.origin = True, "table"
        picked["label"] = label
    if meant == "folders" and "subject" not in picked and recipe.subject == "auto":
        picked["subject"] = Choice((key,), "")
        resolve("subject", key, "its values are the names of the folders that images lie in")
    _fill(notes, rows, key, picked, _finder(notes, matcher, meant))
    if meant == "files":
        _mark_shared(notes, rows.column(key), matcher)


def _key_column(
    recipe: CurateRecipe, rows: Rows, matcher: Matcher, resolve: Resolve
) -> tuple[str, Meant]:
    """The column that says which images a row means, and how: as files, folders or patients.

    Raises:
        DataError: none does.
    """
    asked = recipe.label_spec().files
    if asked != "auto":
        column = columns.named(asked, rows.header, rows.path, "labels.files")
        files, folders = (matcher.share(rows.column(column), folders=f) for f in (False, True))
        if files == folders == 0:
            raise no_match(rows, f"the column '{column}'")
        return column, "folders" if files < ENOUGH <= folders else "files"
    column, share, by_folder = files_column(rows, matcher)
    if share == 0:
        patient = columns.find_subject(rows)
        if patient is None:
            raise no_match(rows, "no column")
        why = "no column names files, so it is compared with the patients in the files' headers"
        resolve("labels.files", patient.column, why)
        return patient.column, "patients"
    meant: Meant = "folders" if by_folder else "files"
    resolve("labels.files", column, f"{share:.0%} of its values name {meant} of the source")
    return column, meant


def files_column(rows: Rows, matcher: Matcher) -> tuple[str, float, bool]:
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


def no_match(rows: Rows, what: str) -> DataError:
    """The error for a table that has nothing to do with the source."""
    return DataError(
        f"{what} of '{rows.path}' names a file of the source",
        hint=f"its columns are {columns.listed(rows.header)}; name the right one with labels.files",
    )


def _pick(
    name: str,
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
    if asked in words.get(name, ()):
        return find(rows, but=taken) if asked == "keep" else None
    if name in ("modality", "anatomy") and asked not in rows.header:
        return None  # one name for all images
    return Choice((columns.named(asked, rows.header, rows.path, name),), "named in the recipe")


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


def _finder(notes: Notes, matcher: Matcher, meant: Meant) -> Callable[[str], list[Note]]:
    """Gives the notes that a cell of the key column means."""
    if meant == "patients":
        return lambda cell: [notes.by_patient.setdefault(cell, Note())]
    find = matcher.in_folder if meant == "folders" else matcher.find
    return lambda cell: [notes.of(index) for index in find(cell)]


def _fill(
    notes: Notes,
    rows: Rows,
    key: str,
    picked: dict[str, Choice],
    find: Callable[[str], list[Note]],
) -> None:
    """Write what the rows say into the notes that they mean."""
    cells = {
        "split" if name == "split.official" else name: _spelt(rows, choice.columns)
        if len(choice.columns) > 1
        else rows.column(choice.column)
        for name, choice in picked.items()
    }
    absent: set[str] = set()
    for number, cell in enumerate(rows.column(key)):
        found = find(cell) if cell else []
        if cell and not found:
            absent.add(cell)
        for note in found:
            for name, values in cells.items():
                value = columns.split_name(values[number]) if name == "split" else values[number]
                if note.row >= 0 and name == "label" and value != note.label:
                    note.torn = True
                setattr(note, name, value)
            note.row = number
    notes.absent = sorted(absent)


def _mark_shared(notes: Notes, cells: Sequence[str], matcher: Matcher) -> None:
    """Mark files of which a row's name cannot tell which is meant."""
    for cell in cells:
        found = matcher.find(cell)
        for index in found if len(found) > 1 else ():
            notes.of(index).shared = True


def _spelt(rows: Rows, names: Iterable[str]) -> list[str]:
    """For every row the column that holds 1."""
    flags = {name: rows.column(name) for name in names}
    ones = {"1", "1.0", "true"}
    return [
        next((name for name, values in flags.items() if values[i].lower() in ones), "")
        for i in range(len(rows.values))
    ]
