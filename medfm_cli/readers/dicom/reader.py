"""DICOM, single and multi-frame, with and without its file header (pydicom, pylibjpeg)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom import geometry, header, person
from medfm_cli.readers.dicom.file import (
    IN_MEMORY,
    damage_as_unreadable,
    is_gzip,
    opened,
    quiet,
)
from medfm_cli.readers.item import Item, ReadOptions, evenly
from medfm_cli.samples.content import Image2D

if TYPE_CHECKING:
    from pydicom import Dataset

    from medfm_cli.readers.dicom.slices import Slice

_VALUE_REPRESENTATIONS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OW PN SH SL SQ SS ST TM UI UL UN US".split()
)


def sniff(head: bytes) -> bool:
    """Whether the file, gzipped or not, has the DICOM mark, or begins as a data set without it."""
    return _unpacked(head)[128:132] == b"DICM" or _begins_bare(head)


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The image, or up to `options.frames` evenly spaced frames, as windowed for a screen.

    With `options.whole` the frames of a scan are one `Volume` and those of a video one `Video`. A
    waveform gives a `Signal` for each of its multiplex groups.

    `facts` holds technical facts only. The patient, study and institution are handed over apart
    (`subject`, `study`, `site`) for the caller to pseudonymise.
    """
    with quiet(), damage_as_unreadable():
        dataset = opened(path)
        common = header.common(dataset) | person.about(dataset)
        if "WaveformSequence" in dataset:
            from medfm_cli.readers.dicom.waveform import signals

            items = signals(dataset, options, common)
        else:
            items = _images(dataset, path, options, common)
    while True:
        with quiet(), damage_as_unreadable():
            item = next(items, None)
        if item is None:
            return
        yield item


def read_group(paths: Sequence[Path], options: ReadOptions) -> Iterator[Item]:
    """The volume whose slices these files hold, whatever their order.

    Raises:
        Unreadable: no two of them make a volume, or (after the volume) some of them could not be
            read and are missing from it.
    """
    from medfm_cli.readers.dicom.series import series

    with quiet(), damage_as_unreadable():
        yield from series(paths, options)


def slice_in(path: Path) -> Slice | None:
    """What the header says of the slice that a file holds, None when it holds none."""
    from medfm_cli.readers.dicom.series import glimpse

    with quiet():
        return glimpse(path)


def _images(
    dataset: Dataset, path: Path, options: ReadOptions, common: dict[str, Any]
) -> Iterator[Item]:
    from medfm_cli.readers.dicom.pixels import Decoder

    header.refuse_what_is_no_image(dataset)
    decoder = Decoder(dataset, path if path.stat().st_size > IN_MEMORY else None)
    if decoder.rows * decoder.columns > options.max_pixels:
        raise Unreadable(f"an image of {decoder.rows * decoder.columns / 1e6:.0f} megapixels")
    facts = decoder.facts() | header.facts(dataset)
    common = common | {"notes": header.notes(dataset)}
    if geometry.is_tiled(dataset) and decoder.frames == 1:
        from medfm_cli.readers.dicom import mosaic

        yield from mosaic.items(decoder, options, facts, common)
        return
    if options.whole and decoder.frames > 1:
        from medfm_cli.readers.dicom import frames

        kind = frames.kind_of(dataset)
        if kind != "apart":
            take = frames.volumes if kind == "volume" else frames.video
            yield from take(decoder, options, facts, common)
            return
    for frame in evenly(decoder.frames, options.frames):
        pixels, display = decoder.image(frame)
        noted = common | {"notes": (*common["notes"], *decoder.remarks)}
        yield Item(Image2D(pixels), facts | {"display": display}, frame=frame, **noted)


def _unpacked(head: bytes) -> bytes:
    """What a gzipped file begins with; any other head as it is."""
    if not is_gzip(head):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 132)
    except zlib.error:
        return b""


def _begins_bare(head: bytes) -> bool:
    """A first element of group 2 or 8, explicit or implicit, of either byte order."""
    if len(head) < 16:
        return False
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group = int.from_bytes(head[0:2], order)
        element = int.from_bytes(head[2:4], order)
        if group not in (0x0002, 0x0008) or element > 0x0080:
            continue
        if head[4:6] in _VALUE_REPRESENTATIONS:
            return True
        if int.from_bytes(head[4:8], order) <= 128:
            return True
    return False
