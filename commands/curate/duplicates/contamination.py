"""Contamination: which samples other datasets have too, or a model was trained on.

A sample is shared when its file, its content, a near copy of its image or its subject is there.
Of datasets all four are compared; a model's lineage lists the content it was trained on, by the
first digits of its hashes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.duplicates.contamination_summary import (
    KINDS,
    Compared,
    Contaminated,
    Example,
)
from medfm_cli.commands.curate.options.contamination import Contamination
from medfm_cli.commands.curate.options.deduplicate import Deduplicate
from medfm_cli.commands.curate.similarity.fingerprint_file import (
    Seen,
    has_fingerprints,
    key_of,
    read_fingerprints,
)
from medfm_cli.commands.curate.similarity.near import (
    ImageFingerprints,
    Thumbnails,
    near_across_sets,
)
from medfm_cli.commands.curate.similarity.perceptual import TURNS
from medfm_cli.data.card import check_file, read_card
from medfm_cli.data.manifest import CHUNK, FINGERPRINTS_FILE, MANIFEST_FILE
from medfm_cli.errors import DataError
from medfm_cli.models.config import read_config
from medfm_cli.runs.artefacts import find, holds

FILE, CONTENT, NEAR, SUBJECT = range(len(KINDS))
SHOWN = 12
"""Examples for the report, of all that was compared with."""
_ID = 16  # digits of a content hash in an image id
_SCHEMA = """
DROP TABLE IF EXISTS temp.shared;
CREATE TEMP TABLE shared (
  id INTEGER NOT NULL, against INTEGER NOT NULL, kind INTEGER NOT NULL, other TEXT NOT NULL,
  turn INTEGER NOT NULL DEFAULT 0, distance INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, against)
) WITHOUT ROWID;
"""


def contamination(
    catalog: Catalog, options: Contamination, *, near: Deduplicate, key: str, threads: int = 2
) -> Contaminated:
    """Compare what is kept, after the split, with everything that the recipe names.

    Args:
        catalog: after the split.
        options: what to compare with.
        near: what counts as a near copy.
        key: identifies the key of the pseudonyms.
        threads: how many search at a time.

    Raises:
        DataError: something named is neither a dataset nor a model, or is damaged.
    """
    catalog.db.executescript(_SCHEMA)
    done = Contaminated(threshold=options.threshold, of=options.of)
    for number, reference in enumerate(options.against):
        if holds(reference, "model") and not holds(reference, "dataset"):
            compared = _with_model(catalog, number, reference)
        else:
            root = find(reference, "dataset")
            compared = _with_dataset(catalog, number, reference, root, options, key)
            if options.near and compared.looked:
                _near(catalog, number, root, near, threads)
            if compared.same_key:
                _match(catalog, number, SUBJECT, "i.known AND i.subject = t.value", "subjects")
        _count(catalog, number, compared)
        done.compared.append(compared)
    _sum_up(catalog, done)
    return done


def fingerprints(catalog: Catalog) -> Iterator[Seen]:
    """The fingerprints of what is kept, one for each content, in the order of its hashes."""
    sql = (
        "SELECT content_sha, phash, thumb FROM items WHERE fate = 'kept' AND phash IS NOT NULL "
        "GROUP BY content_sha ORDER BY content_sha"
    )
    return (Seen(sha[:_ID], phash, thumb) for sha, phash, thumb in catalog.rows(sql))


def _with_dataset(
    catalog: Catalog, number: int, reference: str, root: Path, options: Contamination, key: str
) -> Compared:
    """Compare files and content; reports what else can be compared."""
    card = read_card(root)
    check_file(root / MANIFEST_FILE, card.manifest_sha256)
    if FINGERPRINTS_FILE in card.files and has_fingerprints(root):
        check_file(root / FINGERPRINTS_FILE, card.files[FINGERPRINTS_FILE])
    theirs = key_of(root)
    catalog.db.executescript(_tables("files", "images", "subjects"))
    for name, column in (
        ("files", "source_sha256"),
        ("images", "image_id"),
        ("subjects", "subject_id"),
    ):
        values = _column(root / MANIFEST_FILE, column)
        catalog.many(f"INSERT OR IGNORE INTO their_{name} VALUES (?)", values)  # noqa: S608
    catalog.execute(f"UPDATE OR IGNORE their_images SET value = substr(value, 1, {_ID})")  # noqa: S608
    # Of a file that holds many images, only the images themselves can be the same.
    _match(catalog, number, FILE, "i.part = '' AND i.file_sha = t.value", "files")
    _match(catalog, number, CONTENT, f"substr(i.content_sha, 1, {_ID}) = t.value", "images")
    return Compared(
        name=reference,
        kind="dataset",
        version=card.version,
        samples=card.counts.samples,
        looked=options.near and has_fingerprints(root),
        same_key=options.subjects and theirs == key,
        remarks=[*_unlooked(options, root), *_unknown(options, theirs, key)],
    )


def _unlooked(options: Contamination, root: Path) -> Iterator[str]:
    if options.near and not has_fingerprints(root):
        yield "it has no fingerprints of this version of medfm: near copies were NOT looked for"


def _unknown(options: Contamination, theirs: str | None, key: str) -> Iterator[str]:
    if options.subjects and theirs != key:
        remark = "made with another key" if theirs else "of an unknown key"
        yield f"its pseudonyms are {remark}: subjects were NOT compared"


def _with_model(catalog: Catalog, number: int, reference: str) -> Compared:
    """Compare content with what the lineage lists."""
    config = read_config(find(reference, "model"))
    steps = config.lineage.steps
    catalog.db.executescript(_tables("images"))
    listed = chain.from_iterable(
        (seen.images or "").split() for step in steps for seen in step.seen
    )
    catalog.many("INSERT OR IGNORE INTO their_images VALUES (?)", ((name,) for name in listed))
    digits = catalog.one("SELECT max(length(value)) FROM their_images") or _ID
    _match(catalog, number, CONTENT, f"substr(i.content_sha, 1, {digits}) = t.value", "images")
    remarks = ["a lineage lists content alone: near copies and subjects were NOT compared"]
    silent = [step.recipe for step in steps if not step.seen]
    silent += [step.recipe for step in steps for seen in step.seen if seen.images is None]
    if silent or not steps:
        what = ", ".join(dict.fromkeys(silent)) or "it"
        remarks.append(
            f"its lineage does not list what {what} was trained on: name those datasets as well"
        )
    return Compared(
        name=reference,
        kind="model",
        version=config.weights_sha256,
        samples=catalog.one("SELECT count(*) FROM their_images"),
        remarks=remarks,
    )


def _tables(*names: str) -> str:
    return "".join(
        f"DROP TABLE IF EXISTS temp.their_{name};"
        f"CREATE TEMP TABLE their_{name} (value TEXT PRIMARY KEY) WITHOUT ROWID;"
        for name in names
    )


def _column(path: Path, name: str) -> Iterator[tuple[str]]:
    """One column of a manifest, streamed."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK, columns=[name]):
                yield from ((value,) for value in batch.column(0).to_pylist())
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"cannot read {path}: {reason}", hint="copy the dataset again") from None


def _match(catalog: Catalog, number: int, kind: int, same: str, table: str) -> None:
    """Note the kept items that another's table has; what is noted already stays as it is."""
    catalog.execute(
        "INSERT OR IGNORE INTO shared (id, against, kind, other) "  # noqa: S608
        f"SELECT i.id, ?, ?, t.value FROM items i CROSS JOIN their_{table} t ON {same} "
        "WHERE i.fate = 'kept'",
        number,
        kind,
    )


def _near(catalog: Catalog, number: int, root: Path, near: Deduplicate, threads: int) -> None:
    """Note the items of which the dataset in `root` has a near copy, with the nearest."""
    folder = catalog.path.parent
    ids, names = array("q"), array("q")
    with Thumbnails(folder) as mine, Thumbnails(folder) as theirs:
        ours = _image_fingerprints(_kept(catalog, number, ids), mine)
        others = _image_fingerprints(_numbered(read_fingerprints(root), names), theirs)
        links = near_across_sets(
            ours, others, distance=near.distance, turned=near.turned, threads=threads
        )
        best: dict[int, tuple[int, int, int]] = {}
        for left, right, turn, apart in links:
            for i, j, t, d in zip(
                *(part.tolist() for part in (left, right, turn, apart)), strict=True
            ):
                best[i] = min(best.get(i, (d, t, j)), (d, t, j))
    catalog.many(
        "INSERT OR IGNORE INTO shared (id, against, kind, other, turn, distance) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            (ids[i], number, NEAR, f"{names[j] & (1 << 64) - 1:016x}", t, d)
            for i, (d, t, j) in sorted(best.items())
        ),
    )


def _kept(catalog: Catalog, number: int, ids: array[int]) -> Iterator[tuple[int, bytes]]:
    """Hash and small image of the items that are not yet known to be shared."""
    sql = (
        "SELECT id, phash, thumb FROM items WHERE fate = 'kept' AND phash IS NOT NULL AND "
        "NOT EXISTS (SELECT 1 FROM shared WHERE shared.id = items.id AND against = ?) ORDER BY id"
    )
    for item, phash, thumb in catalog.rows(sql, number):
        ids.append(item)
        yield phash, thumb


def _numbered(rows: Iterator[Seen], names: array[int]) -> Iterator[tuple[int, bytes]]:
    """Hash and small image; an id of 16 hex digits is kept as a signed number."""
    for row in rows:
        value = int(row.image_id[:_ID], 16)
        names.append(value - (1 << 64) if value >> 63 else value)
        yield row.phash, row.thumb


def _image_fingerprints(rows: Iterator[tuple[int, bytes]], thumbs: Thumbnails) -> ImageFingerprints:
    hashes = array("q")
    for phash, thumb in rows:
        hashes.append(phash)
        thumbs.add(thumb)
    return ImageFingerprints(np.frombuffer(hashes, dtype=np.uint64), thumbs)


def _count(catalog: Catalog, number: int, compared: Compared) -> None:
    """Samples by kind and split."""
    sql = (
        "SELECT s.kind, i.split, count(*) FROM shared s JOIN items i USING (id) "
        "WHERE s.against = ? GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for kind, split, count in catalog.rows(sql, number):
        compared.shared.setdefault(KINDS[kind], {})[split] = count


def _sum_up(catalog: Catalog, done: Contaminated) -> None:
    """The share that counts, and the examples: the nearest of every kind, from every set."""
    where = "fate = 'kept'" + (" AND split = 'test'" if done.of == "test" else "")
    done.samples = catalog.one(f"SELECT count(*) FROM items WHERE {where}")  # noqa: S608
    done.contaminated = catalog.one(
        f"SELECT count(*) FROM items WHERE {where} AND id IN (SELECT id FROM shared)"  # noqa: S608
    )
    sql = (
        "SELECT id, against, kind, other, turn, distance FROM (SELECT *, row_number() OVER "
        "(PARTITION BY against, kind ORDER BY distance, id) AS place FROM shared) "
        "ORDER BY place, kind, against LIMIT ?"
    )
    done.examples = [
        Example(
            item=item,
            against=done.compared[against].name,
            kind=KINDS[kind],
            other=other,
            turn=TURNS[turn],
            distance=distance,
        )
        for item, against, kind, other, turn, distance in catalog.rows(sql, SHOWN)
    ]
