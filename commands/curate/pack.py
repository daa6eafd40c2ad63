"""From the spool into shards: the payloads copied in the manifest's order, shard by shard.

Every finished shard is written down at once, so that a killed run goes on after the last of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from medfm_cli.commands.curate.images import Image
from medfm_cli.commands.curate.spool import Spool, Tile
from medfm_cli.data.manifest import SPLITS, Sample
from medfm_cli.data.shards import Location, Shard, ShardWriter
from medfm_cli.errors import RunFailed
from medfm_cli.runs.atomic import write_text


@dataclass(frozen=True, slots=True)
class Piece:
    """One sample to be: an image or a tile of it."""

    sample_id: str
    image: Image
    tile: Tile

    def facts(self) -> str:
        """The image's facts, and where in it the tile lies."""
        if len(self.image.row.tiles) == 1:
            return self.image.row.facts
        place = {"tile": [self.tile.y, self.tile.x]}
        return json.dumps(json.loads(self.image.row.facts) | place, sort_keys=True)

    def members(self, png: bytes) -> dict[str, bytes]:
        """The members of the tar."""
        image = self.image
        told = {
            "label": image.label if image.labels is None else image.labels,
            "modality": image.modality,
            "split": image.split,
            "subject": image.subject,
        }
        return {"png": png, "json": json.dumps(told, sort_keys=True, ensure_ascii=False).encode()}

    def sample(self, location: Location) -> Sample:
        """The row of the manifest."""
        image, tile = self.image, self.tile
        return Sample(
            sample_id=self.sample_id,
            image_id=image.image_id,
            subject_id=image.subject,
            study_id=image.study,
            site=image.site,
            split=image.split,
            modality=image.modality,
            anatomy=image.anatomy,
            label=image.label,
            labels=image.labels,
            height=tile.height,
            width=tile.width,
            channels=tile.channels,
            facts=self.facts(),
            source=image.source,
            source_sha256=image.row.file_sha,
            shard=location.shard,
            offset=location.offset,
            length=location.length,
        )


def pieces(images: Sequence[Image]) -> list[Piece]:
    """All samples in the manifest's order: by split, then by id, which is a hash of the pixels.

    So the order depends on the content alone, and neighbours have nothing in common.
    """
    found = []
    for image in images:
        tiles = image.row.tiles
        for number, tile in enumerate(tiles):
            suffix = f"-t{number:02d}" if len(tiles) > 1 else ""
            found.append(Piece(image.image_id + suffix, image, tile))
    return sorted(found, key=lambda piece: (SPLITS.index(piece.image.split), piece.sample_id))


class Packer:
    """Writes the shards of a dataset.

    Args:
        folder: where the shards go.
        journal: folder of one file a finished shard.
        spool: where the payloads are.
        shard_bytes: size of a shard, about.
    """

    def __init__(self, folder: Path, journal: Path, spool: Spool, *, shard_bytes: int) -> None:
        self.folder = folder
        self.journal = journal
        self.spool = spool
        self.shard_bytes = shard_bytes

    def pack(
        self, wanted: Sequence[Piece], *, between: Callable[[int], None]
    ) -> tuple[list[Shard], list[Location]]:
        """Write what is not yet written; give all shards and the place of every piece.

        Args:
            wanted: all samples in order.
            between: called after each sample with 1; may raise to stop the run.

        Raises:
            RunFailed: the spool lacks a payload.
            OSError: the disk refuses.
        """
        mark = self._mark(wanted)
        shards, locations = self._finished(mark)
        if len(locations) == len(wanted):
            return shards, locations
        pending: list[Location] = []
        reader = _PayloadReader(self.spool)
        writer = ShardWriter(self.folder, max_bytes=self.shard_bytes, start=len(shards))
        with writer, reader:
            for piece in wanted[len(locations) :]:
                finished = len(writer.finished)
                location = writer.add(piece.sample_id, piece.members(reader.read(piece)))
                if len(writer.finished) > finished:
                    self._note(mark, writer.finished[-1], pending)
                    pending = []
                pending.append(location)
                between(1)
            self._note(mark, writer.close()[-1], pending)
        return self._finished(mark)

    def _note(self, mark: str, shard: Shard, places: Sequence[Location]) -> None:
        """Write down a finished shard."""
        number = int(Path(shard.name).stem.partition("-")[2])
        entry = {
            "mark": mark,
            "shard": shard._asdict(),
            "places": [[place.offset, place.length] for place in places],
        }
        write_text(self._path(number), json.dumps(entry, separators=(",", ":")))

    def _path(self, number: int) -> Path:
        return self.journal / f"shard-{number:05d}.json"

    def _finished(self, mark: str) -> tuple[list[Shard], list[Location]]:
        """The shards that are written down and there, from the first on."""
        shards: list[Shard] = []
        locations: list[Location] = []
        for number in range(1 << 20):
            entry = _read(self._path(number))
            if entry is None or entry["mark"] != mark:
                break
            shard = Shard(**entry["shard"])
            path = self.folder / shard.name
            if not path.is_file() or path.stat().st_size != shard.bytes:
                break
            shards.append(shard)
            locations += [Location(shard.name, *place) for place in entry["places"]]
        for stale in list(self.journal.glob("shard-*.json")):
            if int(stale.stem.partition("-")[2]) >= len(shards):
                stale.unlink()
        return shards, locations

    def _mark(self, wanted: Sequence[Piece]) -> str:
        """Names what the shards hold and how they are cut; shards of another plan do not count."""
        digest = hashlib.sha256(f"{self.shard_bytes}\n".encode())
        for piece in wanted:
            digest.update(piece.sample_id.encode() + piece.members(b"")["json"])
        return digest.hexdigest()


class _PayloadReader:
    """Reads PNGs out of the spool; keeps a few files open."""

    MOST = 64

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._open: dict[int, int] = {}

    def read(self, piece: Piece) -> bytes:
        """The PNG of a piece."""
        unit, tile = piece.image.row.unit, piece.tile
        data = os.pread(self._descriptor(unit), tile.length, tile.offset)
        if len(data) != tile.length:
            raise RunFailed(
                f"the work file '{self.spool.pixels_path(unit)}' is cut short",
                hint="run again with --force",
            )
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, unit: int) -> int:
        if unit not in self._open:
            if len(self._open) >= self.MOST:
                os.close(self._open.pop(next(iter(self._open))))
            try:
                self._open[unit] = os.open(self.spool.pixels_path(unit), os.O_RDONLY)
            except FileNotFoundError:
                raise RunFailed(
                    "shards of the dataset were changed after they were written",
                    hint="run again with --force",
                ) from None
        return self._open[unit]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return entry
