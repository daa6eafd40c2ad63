"""Videos: MP4, AVI, MPEG, Matroska, WebM and moving GIF through FFmpeg's libraries (PyAV).

The container is recognised by its content and opened from a file object with that demuxer alone
and no protocol, so that no playlist and no reference in a file can reach a network or another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.extras import installed
from medfm_cli.readers.images.video_frames import VideoFile
from medfm_cli.readers.item import Item, ReadOptions, evenly
from medfm_cli.samples.content import Image2D, Video
from medfm_cli.samples.to_uint8 import plain

MAX_BYTES = 1 << 30
"""Most bytes of the frames that are decoded from one video."""
_PICTURES = (
    b"heic",
    b"heix",
    b"hevc",
    b"mif1",
    b"msf1",
    b"avif",
    b"avis",
    b"jp2 ",
    b"jpx ",
)
_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip")


def sniff(head: bytes) -> bool:
    """Whether the file begins like one of the containers."""
    return bool(container(head))


def container(head: bytes) -> str:
    """FFmpeg's demuxer for a file that begins like this; empty for none."""
    if head[4:8] == b"ftyp":
        return "" if head[8:12] in _PICTURES else "mp4"
    if head[4:8] in _ATOMS and head[0] == 0:
        return "mp4"  # QuickTime of before there were brands
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"\x00\x00\x01\xba":
        return "mpeg"
    if head[:4] == b"\x00\x00\x01\xb3":
        return "mpegvideo"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "mpegts"
    return "gif" if head[:6] in (b"GIF87a", b"GIF89a") and _moves(head) else ""


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """One video if `options.whole`, else images of it.

    A video has up to `options.clip` frames, images are up to `options.frames`: evenly spaced, both
    ends included, upright; where all of them have equal channels they are grey. A video is refused
    where its container says that the end is missing, or where more than a tenth of what was decoded
    is damaged; less damage, and a missing end mark, is noted. Sound and titles are left out.
    """
    with path.open("rb") as file:
        kind = container(file.read(4096))
        video = VideoFile(file, kind)
        if video.width * video.height > options.max_pixels:
            raise Unreadable(f"a video of {video.width * video.height / 1e6:.0f} megapixels")
        video.index()
        positions = evenly(len(video.times), options.clip if options.whole else options.frames)
        if len(positions) * video.width * video.height * 3 > min(MAX_BYTES, options.max_values):
            raise Unreadable("a video whose frames need more memory than allowed")
        decoded = video.take(positions, options.max_pixels)
    facts: dict[str, Any] = {
        "format": kind,
        "codec": video.codec,
        "seconds": round(video.seconds, 3),
        "fps": round(video.rate, 3),
        "frames": len(video.times),
    }
    notes = (*video.notes, *_cut(path, kind))
    numbers, frames = [number for number, _ in decoded], _greyed([pixels for _, pixels in decoded])
    if options.whole:
        yield Item(Video(np.stack(frames), video.rate_of(numbers)), facts, notes=notes)
        return
    for number, pixels in zip(numbers, frames, strict=True):
        yield Item(Image2D(pixels), facts, frame=number, notes=notes)


def _greyed(frames: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """`[H, W]` each where every frame is grey, else `[H, W, 3]`."""
    if len({frame.shape for frame in frames}) > 1:
        raise Unreadable("a video with frames of several sizes")
    greys = [plain(frame) for frame in frames]
    return greys if all(grey.ndim == 2 for grey in greys) else frames


def _moves(head: bytes) -> bool:
    """Whether a GIF says near its beginning that it repeats, or that a frame has a duration.

    Without PyAV such a file is left to the reader of images, which takes its first frame.
    """
    delay = head.find(b"\x21\xf9\x04")
    lasting = delay >= 0 and head[delay + 4 : delay + 6] not in (b"\x00\x00", b"")
    return (lasting or b"NETSCAPE2.0" in head or b"ANIMEXTS1.0" in head) and installed("av")


def _cut(path: Path, kind: str) -> tuple[str, ...]:
    """A note on a file that lacks its end; refused where it says how long it should be."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(max(0, size - 64))
        tail = file.read()
    if kind == "avi" and int.from_bytes(head[4:8], "little") + 8 > size + 1:
        raise Unreadable("a truncated video")
    if kind == "gif" and not tail.rstrip(b"\x00\r\n").endswith(b";"):
        return ("the file has no end mark: it may be cut",)
    return ()
