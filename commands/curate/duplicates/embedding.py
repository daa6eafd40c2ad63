"""Near copies by what a model sees: images whose features point the same way.

Every pair is compared, block by block, with the features on disk: exact, and quadratic in the
number of images; 100 000 images take minutes. Where it can be chosen, hashes find copies in a
fraction of that; features also find other images of the same thing.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.reading.staging import StagedPart, Staging
from medfm_cli.commands.curate.similarity.near import Links, all_links
from medfm_cli.extras import require
from medfm_cli.models.config import content_hash
from medfm_cli.runs.artefacts import find
from medfm_cli.samples.content import Image2D
from medfm_cli.samples.payload import decode

BLOCK = 2048
"""Images that are compared with as many others at a time: 16 MB of cosines."""
_ROWS = (
    "SELECT id, unit, part, entry, content_sha, parts FROM items WHERE fate = 'kept' AND "
    "kind = 'image' ORDER BY id"
)


def embedded_links(catalog: Catalog, staging: Staging, model: str, similarity: float) -> Links:
    """Pairs of images, by id, whose features have a cosine of at least `similarity`.

    Features are kept beside the catalog until the run is done: after a kill the images may be in
    the shards already and no longer in the staging.

    Raises:
        EnvironmentProblem: the extra train is not installed.
        DataError: there is no such model, or it is damaged.
    """
    require("torch", extra="train")
    directory = find(model, "model")
    ids, sources, shas = array("q"), array("q"), hashlib.sha256()
    for row in catalog.rows(_ROWS):
        ids.append(row["id"])
        sources.append(row["entry"] if not row["part"] else -row["id"] - 1)
        shas.update(row["content_sha"].encode())
    if len(ids) < 2:
        return all_links([])
    name = hashlib.sha256(f"{content_hash(directory)} {shas.hexdigest()}".encode()).hexdigest()
    path = catalog.path.with_name(f"features-{name[:16]}.npy")
    if not path.is_file():
        _write(path, len(ids), directory, _images(catalog, staging))
    features = np.load(path, mmap_mode="r", allow_pickle=False)
    links = all_links(_alike(features, similarity, np.frombuffer(sources, dtype=np.int64)))
    names = np.frombuffer(ids, dtype=np.int64)
    return links._replace(left=names[links.left], right=names[links.right])


def _images(catalog: Catalog, staging: Staging) -> Iterator[NDArray[np.uint8]]:
    """The images as they are stored; of one that is cut into tiles the middle one."""
    for row in catalog.rows(_ROWS):
        yield _image(row, staging)


def _image(row: sqlite3.Row, staging: Staging) -> NDArray[np.uint8]:
    parts = [StagedPart(*part) for part in json.loads(row["parts"])]
    part = parts[len(parts) // 2]
    with staging.payload_path(row["unit"]).open("rb") as file:
        file.seek(part.offset)
        data = file.read(next(iter(part.lengths.values())))
    content = decode(part.kind, data, json.loads(part.meta))
    if isinstance(content, Image2D):
        return content.pixels
    middle: NDArray[np.uint8] = content.array[len(content.array) // 2]  # unified to a volume
    return middle


def _write(path: Path, count: int, directory: Path, images: Iterator[NDArray[np.uint8]]) -> None:
    """Fill a file with features, under its name once it is whole."""
    from medfm_cli.training.embed import embed

    temporary = path.with_suffix(".tmp")
    done, out = 0, None
    for values in embed(directory, images):
        if out is None:
            shape = (count, values.shape[1])
            out = np.lib.format.open_memmap(temporary, "w+", dtype=np.float32, shape=shape)
        out[done : done + len(values)] = values
        done += len(values)
    del out  # written to the file
    temporary.replace(path)


def _alike(
    features: NDArray[np.float32], similarity: float, sources: NDArray[np.int64]
) -> Iterator[Links]:
    for start in range(0, len(features), BLOCK):
        mine = np.array(features[start : start + BLOCK])
        for other in range(start, len(features), BLOCK):
            cosines = mine @ np.array(features[other : other + BLOCK]).T
            i, j = np.nonzero(cosines >= similarity)
            i, j = i + start, j + other
            apart = (i < j) & (sources[i] != sources[j])
            if apart.any():
                none = np.zeros(int(apart.sum()), dtype=np.uint8)
                yield Links(i[apart], j[apart], none, none)
