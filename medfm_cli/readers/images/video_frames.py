"""One video: which frames it has, and the decoding of a few of them without holding the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.optional import needed

MAX_FRAMES = 20_000_000
"""Most frames of a video: more than a week of them."""
SEEKABLE = ("mp4", "matroska", "avi")
"""Containers with an index, in which a frame is found without decoding all before it."""
DAMAGED = 0.1
"""The share of decoded packets that may be damaged."""


class VideoFile:
    """A video in an open file.

    Attributes:
        width, height: in pixels, as the container says.
        codec: FFmpeg's name of it.
        times: of the frames in the order they are shown, in ticks (`tick` seconds).
        notes: what was found on the way.
    """

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self._file, self._kind = file, kind
        self.times: list[int] = []
        self.notes: list[str] = []
        self._keys = 0
        self._timed = True
        with self._open() as (container, stream):
            context = stream.codec_context
            self.width, self.height, self.codec = context.width, context.height, context.name
            self.tick = float(stream.time_base or 0) or 1.0
            self._said = (stream.frames, float(container.duration or 0) / 1e6)
            self._average = float(stream.average_rate or 0)
        if not self.width or not self.height:
            raise Unreadable("a video without images", step="quality")

    def index(self) -> None:
        """Find the frames, without decoding any.

        Raises:
            Unreadable: there are none, too many, or fewer than the container says.
        """
        times: list[int | None] = []
        with self._open() as (container, stream):
            for packet in container.demux(stream):
                if packet.size:
                    times.append(packet.pts)
                    self._keys += packet.is_keyframe
                if len(times) > MAX_FRAMES:
                    raise Unreadable(f"a video of more than {MAX_FRAMES} frames")
        if not times:
            raise Unreadable("a video without frames", step="quality")
        if self._kind == "mp4" and len(times) < self._said[0]:
            raise Unreadable("a truncated video")
        known = {time for time in times if time is not None}
        self._timed = len(known) == len(times)
        self.times = sorted(known) if self._timed else list(range(len(times)))
        if self._kind == "matroska" and self.seconds < 0.9 * self._said[1] - 1:
            self.notes.append("it ends before the time that it claims: it may be cut")

    @property
    def rate(self) -> float:
        """Frames a second, by their times; 0 where it is unknown."""
        return self.rate_of(range(len(self.times))) or 0.0

    @property
    def seconds(self) -> float:
        """How long the video is."""
        return len(self.times) / self.rate if self.rate else 0.0

    def rate_of(self, numbers: Sequence[int]) -> float | None:
        """Frames a second of some of the frames, by their numbers; None where it is unknown."""
        if len(numbers) < 2:
            return self._average or None
        steps, first, last = len(numbers) - 1, numbers[0], numbers[-1]
        if self._timed:
            return round(steps / ((self.times[last] - self.times[first]) * self.tick), 6)
        return round(self._average * steps / (last - first), 6) or None

    def take(self, numbers: list[int], max_pixels: int) -> list[tuple[int, NDArray[np.uint8]]]:
        """The frames of these numbers, RGB `[H, W, 3]`, upright; those that cannot be decoded are
        left out and noted.

        Raises:
            Unreadable: too much of what was decoded is damaged, or nothing is left.
        """
        frames: list[tuple[int, NDArray[np.uint8]]] = []
        decoded, damaged = 0, 0
        with self._open(max_pixels) as (container, stream):
            jumps = self._kind in SEEKABLE and self._timed and self._keys > 2 * len(numbers)
            for group in [[number] for number in numbers] if jumps else [numbers]:
                if jumps:
                    container.seek(self.times[group[0]], stream=stream, backward=True)
                left = list(group)
                for frame, number in self._decode(container, stream):
                    decoded += 1
                    if frame is None or frame.is_corrupt:
                        damaged += 1
                    if frame is None or number < left[0]:
                        continue
                    while left and left[0] <= number:
                        last = left.pop(0)
                    frames.append((last, _upright(frame, max_pixels)))
                    if not left:
                        break
        if not frames or damaged > DAMAGED * decoded:
            raise Unreadable("a damaged video")
        if damaged or len(frames) < len(numbers):
            missing = len(numbers) - len(frames)
            self.notes.append(f"{damaged} packets are damaged, {missing} frames are missing")
        return frames

    def _decode(self, container: Any, stream: Any) -> Iterator[tuple[Any, int]]:
        """Frames in the order they are shown, with their numbers; None for what cannot be."""
        av = needed("av", extra="media")
        numbers = {time: number for number, time in enumerate(self.times)} if self._timed else {}
        count = -1
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                yield None, count
                continue
            for frame in frames:
                count = numbers.get(frame.pts, count + 1)
                yield frame, count

    @contextmanager
    def _open(self, max_pixels: int = 0) -> Iterator[tuple[Any, Any]]:
        """The container from its beginning, and its first stream of moving images."""
        av = needed("av", extra="media")
        self._file.seek(0)
        try:
            with av.open(
                self._file, "r", format=self._kind, options={"protocol_whitelist": "none"}
            ) as container:
                streams = [s for s in container.streams.video if not _is_cover(s)]
                if not streams:
                    raise Unreadable("a file of audio only, not a video", step="quality")
                context = streams[0].codec_context
                if context is None:
                    raise Unreadable("a video in an unknown codec")
                context.thread_count = 1  # the processors are shared out among processes
                if max_pixels:
                    context.options = {"max_pixels": str(max_pixels)}
                yield container, streams[0]
        except (av.FFmpegError, ValueError, IndexError, OverflowError):
            raise Unreadable("a damaged video, or one that cannot be decoded") from None
        except MemoryError:
            raise Unreadable("the video needs more memory than there is") from None


def _is_cover(stream: Any) -> bool:
    """Whether the stream is the image on the cover of a sound file."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _upright(frame: Any, max_pixels: int) -> NDArray[np.uint8]:
    """RGB, turned as the video's display matrix says."""
    if frame.width * frame.height > max_pixels:
        raise Unreadable(f"a video of {frame.width * frame.height / 1e6:.0f} megapixels")
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4  # counterclockwise, as NumPy turns
    return np.ascontiguousarray(np.rot90(pixels, turns))
