"""The annotation files of a source, and what each of its other files is annotated by.

What is found lies in two tables of the catalog: `annotations` (a file, and a reference to what is
said of it) and `absent` (what is said of nothing that is there). Annotation files get the role
`annotation`: they are accounted for, and not read as samples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from posixpath import normpath

from medfm_cli.commands.curate.annotations import box_table, coco, masks, voc
from medfm_cli.commands.curate.annotations import questions as turns
from medfm_cli.commands.curate.annotations.refs import BOXES, KINDS, Link, Listed, Missing, Ref
from medfm_cli.commands.curate.annotations.target_image import ImageFiles
from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.tables.open import header
from medfm_cli.errors import DataError
from medfm_cli.readers.records import Broken, json_stream, keys, open_records
from medfm_cli.readers.records.documents import NoDocumentError, document_of, is_documents
from medfm_cli.readers.records.json_stream import Damaged
from medfm_cli.readers.records.kinds import is_questions

HEAD = 4096
CHUNK = 500
"""Rows that are written in one go."""
_MEDIA = frozenset(
    {"png", "jpg", "jpeg", "bmp", "tif", "tiff", "gif", "webp", "npy", "npz", "dcm"}
    | {"nii", "gz", "mp4", "avi", "mpg", "mpeg", "mkv", "mov", "wav", "flac", "mp3"}
    | {"ogg", "dat", "hea", "edf", "atr", "mat", "parquet", "arrow", "tar", "zip"}
)
"""Endings of files that are not opened to see whether they hold annotations of others."""
_INFO = {"features", "_data_files", "_fingerprint", "splits"}
_INFO_FILES = frozenset({"dataset_info.json", "state.json", "dataset_dict.json"})
"""What `datasets` writes beside its Arrow files; the reader of those looks into it."""
_TABLES = """
CREATE TABLE IF NOT EXISTS annotations (  -- what is said of a file in another one
  file INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL, key TEXT NOT NULL,
  source INTEGER NOT NULL                 -- the annotation file
);
"""


@dataclass
class Counts:
    """What was found: annotated files by kind, annotation files by kind, and what was set aside.

    Attributes:
        files: kind → how many files are annotated by it.
        sources: kind → how many annotation files there are.
        absent: how many annotations are about nothing that is there, or cannot be read.
        doubled: how many files had boxes in a second place, which was not used.
    """

    files: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    absent: int = 0
    doubled: int = 0


def find_annotations(catalog: Catalog, block: int, kinds: Collection[str] = KINDS) -> Counts:
    """Fill the tables for the files of a source that have no other role.

    Args:
        catalog: holds the files, indexed.
        block: the number of the source.
        kinds: what is looked for, out of `KINDS`.
    """
    catalog.db.executescript(_TABLES)
    absent = "SELECT count(*) FROM (SELECT DISTINCT name, reason FROM absent WHERE block = ?)"
    before = catalog.one(absent, block)
    images = ImageFiles(catalog, block)
    if "mask" in kinds:
        _write(catalog, block, images, masks.find(catalog, block))
    for file, kind, head in _candidates(catalog, block):
        if kind == "info":
            images.use(file.number)
        elif kind == "documents":
            _reserve_images(file, images)
        elif kind in kinds:
            _write(catalog, block, images, _links(file, kind, head, images))
    catalog.execute("CREATE INDEX IF NOT EXISTS annotations_file ON annotations (file, kind)")
    catalog.execute(
        "UPDATE files SET role = (SELECT role FROM temp.used WHERE used.number = files.number) "
        "WHERE number IN (SELECT number FROM temp.used)"
    )
    counts = _count(catalog, block)
    counts.absent = catalog.one(absent, block) - before
    counts.doubled = _one_place(catalog, block)
    catalog.execute("DROP TABLE temp.used")
    return counts


def refs_of(catalog: Catalog, file: int) -> list[Ref]:
    """What is said of a file elsewhere, in the order of the annotation files and of their rows."""
    sql = "SELECT kind, path, key FROM annotations WHERE file = ? ORDER BY rowid"
    return [Ref(*row) for row in catalog.db.execute(sql, (file,))]


def _candidates(catalog: Catalog, block: int) -> Iterator[tuple[Listed, str, bytes]]:
    """The files that begin like annotations, each with its kind and its first bytes."""
    sql = "SELECT number, name, path, size FROM files WHERE block = ? AND role = '' ORDER BY number"
    for row in catalog.rows(sql, block):
        file = Listed(*row)
        ending = file.name.rpartition("/")[2].rpartition(".")[2].lower()
        if not file.path or not file.size or ending in _MEDIA or "." not in file.name:
            continue
        kind = ""
        with suppress(OSError, DataError, Damaged):
            with Path(file.path).open("rb") as stream:
                head = stream.read(HEAD)
            kind = _kind(file, head)
        if kind:
            yield file, kind, head


def _kind(file: Listed, head: bytes) -> str:
    """What a file seems to hold, empty for anything else."""
    if voc.sniff(head):
        return "voc"
    names = keys(head)
    if is_questions(names):
        return "turns"
    if json_stream.is_json(head):
        if is_documents(names):
            return "documents"
        if names & _INFO and file.name.rpartition("/")[2] in _INFO_FILES:
            return "info"
        maybe = names & {"images", "annotations", "categories", "info", "licenses"}
        if maybe and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return "coco" if coco.sniff(json_stream.list_keys(Path(file.path))) else ""
        return ""
    if names and box_table.columns(sorted(names)):
        return "boxes" if box_table.columns(header(Path(file.path))) else ""
    return ""


def _reserve_images(file: Listed, images: ImageFiles) -> None:
    """Images of interleaved documents are read with them, and not by themselves."""
    folder, slash, _ = file.name.rpartition("/")
    with suppress(OSError, DataError):
        for row in open_records(Path(file.path)).rows():
            if isinstance(row, Broken):
                continue
            with suppress(NoDocumentError):
                for name in document_of(row.cells)[1]:
                    plain = normpath(folder + slash + name.replace("\\", "/"))
                    if (number := images.called(plain)) is not None:
                        images.use(number, "companion")


def _links(file: Listed, kind: str, head: bytes, images: ImageFiles) -> Iterator[Link | Missing]:
    """What an annotation file says; nothing when it is not about files of this source."""
    if kind == "voc":  # surely an annotation, whatever it is about
        yield from voc.find(file, head, images.find)
        return
    finder = {"coco": coco.find, "boxes": box_table.find, "turns": turns.find}[kind]
    about = False
    with suppress(Damaged, DataError):
        about = any(isinstance(event, Link) for event in finder(file, images.find))
    if not about:
        return
    try:
        yield from finder(file, images.find)
    except (Damaged, DataError) as error:
        yield Missing(file.number, file.name, _short(error, file))


def _short(error: Damaged | DataError, file: Listed) -> str:
    """What went wrong, without the place of the file."""
    return str(error).replace(f"'{file.path}'", "the file")


def _write(
    catalog: Catalog, block: int, images: ImageFiles, events: Iterable[Link | Missing]
) -> None:
    """Write what was found, a few rows at a time."""
    events = iter(events)
    columns = ("file", "kind", "path", "key", "source")
    while chunk := list(islice(events, CHUNK)):
        links = [event for event in chunk if isinstance(event, Link)]
        catalog.insert("annotations", columns, ((e.file, *e.ref, e.source) for e in links))
        catalog.many(
            "INSERT INTO absent VALUES (?, ?, ?)",
            dict.fromkeys((block, e.name, e.reason) for e in chunk if isinstance(e, Missing)),
        )
        for number in dict.fromkeys(event.source for event in chunk):
            images.use(number)


def _count(catalog: Catalog, block: int) -> Counts:
    sql = (
        "SELECT kind, count(DISTINCT file), count(DISTINCT source) FROM annotations "
        "JOIN files ON files.number = annotations.file WHERE block = ? GROUP BY kind"
    )
    counts = Counts()
    for row in catalog.rows(sql, block):
        counts.files[row[0]], counts.sources[row[0]] = row[1], row[2]
    return counts


def _one_place(catalog: Catalog, block: int) -> int:
    """Keep the boxes of one kind and of one COCO file or table for each image.

    The kind that speaks of more images is kept. Gives for how many images there was another.
    """
    sql = (
        "SELECT kind, count(DISTINCT file) FROM annotations "
        "JOIN files ON files.number = annotations.file WHERE block = ? GROUP BY kind"
    )
    found = {row[0]: row[1] for row in catalog.rows(sql, block) if row[0] in BOXES}
    order = sorted(found, key=lambda kind: (-found[kind], BOXES.index(kind)))
    doubled = 0
    for place, kind in enumerate(order):
        for better in order[:place]:
            doubled += catalog.one(
                "SELECT count(DISTINCT file) FROM annotations WHERE kind = ? AND file IN "
                "(SELECT file FROM annotations WHERE kind = ?)",
                kind,
                better,
            )
            catalog.execute(
                "DELETE FROM annotations WHERE kind = ? AND file IN "
                "(SELECT file FROM annotations WHERE kind = ?)",
                kind,
                better,
            )
        catalog.execute(
            "DELETE FROM annotations WHERE kind = ?1 AND source > (SELECT min(source) FROM "
            "annotations AS other WHERE other.kind = ?1 AND other.file = annotations.file)",
            kind,
        )
    return doubled
