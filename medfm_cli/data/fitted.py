"""Images fitted to the model's input: decoded in a batch, or kept in memory once decoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.images import ImageStore
from medfm_cli.data.preprocess import fit


@dataclass(frozen=True, kw_only=True)
class FittedImages:
    """Read, decode and fit the images at some positions of `rows`.

    Picklable: this is what a loading worker gets.
    """

    store: ImageStore
    rows: NDArray[np.int64]
    size: int
    channels: int

    @property
    def nbytes(self) -> int:
        """Bytes of all images together, fitted."""
        return len(self.rows) * self.channels * self.size**2

    def shape(self, count: int) -> tuple[int, int, int, int]:
        """The shape of `count` images together."""
        return count, self.channels, self.size, self.size

    def read(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at these positions: uint8 `[len(positions), channels, size, size]`.

        Raises:
            DataError: an image cannot be read; the sample is named.
        """
        images = np.empty(self.shape(len(positions)), dtype=np.uint8)
        self.read_into(images, positions)
        return images

    def read_into(self, images: NDArray[np.uint8], positions: NDArray[np.int64]) -> None:
        """As `read`, into memory that is there already."""
        rows = self.rows[positions].tolist()
        self.store.announce(rows)
        for index, row in enumerate(rows):
            images[index] = self.one(row)

    def one(self, row: int) -> NDArray[np.uint8]:
        """One image by its row: uint8 `[channels, size, size]`."""
        return fit(self.store.image(row), size=self.size, channels=self.channels)


class CachedImages:
    """Fitted images kept in memory from the first time they are asked for."""

    def __init__(self, source: FittedImages, *, threads: int = 1) -> None:
        self._source = source
        self._threads = threads
        self._images = np.empty(source.shape(len(source.rows)), dtype=np.uint8)
        self._there = np.zeros(len(source.rows), dtype=bool)

    def read(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """As `FittedImages.read`."""
        if not self._there[positions].all():
            self._fill(positions[~self._there[positions]])
        return self._images.take(positions, axis=0)

    def _fill(self, positions: NDArray[np.int64]) -> None:
        parts = np.array_split(positions, min(self._threads, len(positions)))
        with ThreadPoolExecutor(len(parts)) as pool:
            for part, images in zip(parts, pool.map(self._source.read, parts), strict=True):
                self._images[part] = images
        self._there[positions] = True
