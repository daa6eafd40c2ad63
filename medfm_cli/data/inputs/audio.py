"""Audio as its log-mel spectrogram: loudness over time and pitch."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from medfm_cli.data.inputs.base import NetworkInput, Shape, centre, refuse, resampled
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Audio, Content

QUIETEST = 1e-10
"""Power below which nothing is distinguished."""


class AudioInput(NetworkInput):
    """Log-mel spectrogram: float32 `[1, mels, frames]`, frames = `seconds` × `rate` / `hop`.

    The channels are averaged and resampled to `rate`. Of a longer recording the middle is used, a
    shorter one is repeated: recordings of heart and lungs are periodic, and silence at the end
    would let a network recognise files by their length. Then, with S the short-time Fourier
    transform (Hann window of `n_fft` samples centred at every `hop`-th, ends reflected) and W the
    mel filters:

        dB = 10 log₁₀(W |S|²),  less its largest value, cut at −`range_db`

    and (dB − `mean`) / `std`, both measured over the training samples, as AST does
    (Gong et al. 2021). What is loudest in a recording is 0 dB, so the gain of a microphone does
    not matter.
    """

    kind: Literal["audio"] = "audio"

    rate: int = Field(ge=100, description="samples a second")
    seconds: float = Field(gt=0, description="length of the input")
    mels: int = Field(64, ge=4, description="bands of pitch")
    n_fft: int = Field(512, ge=16, description="samples of a window")
    hop: int = Field(160, ge=1, description="samples from a window to the next")
    fmin: float = Field(20.0, ge=0, description="lowest frequency in Hz")
    fmax: float | None = Field(None, gt=0, description="highest in Hz; null: half the rate")
    range_db: float = Field(
        80.0, gt=0, description="what is this much below the loudest is silence"
    )
    mean: float = Field(-40.0, description="of the decibels, over the training samples")
    std: float = Field(20.0, gt=0, description="of the decibels, over the training samples")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.fmin < self.top <= self.rate / 2:
            raise ValueError(f"fmin < fmax ≤ {self.rate / 2:g} Hz (half the rate) does not hold")
        if self.samples < max(self.hop, self.n_fft // 2 + 1):
            raise ValueError("the input is shorter than a window")
        if not self.filters().any(axis=1).all():
            raise ValueError(f"{self.mels} bands are too many for windows of {self.n_fft} samples")
        return self

    @property
    def top(self) -> float:
        """The highest frequency in Hz."""
        return self.rate / 2 if self.fmax is None else self.fmax

    @property
    def samples(self) -> int:
        """Samples of audio that an input shows."""
        return round(self.seconds * self.rate)

    @property
    def shape(self) -> Shape:
        """`(1, mels, frames)`."""
        return 1, self.mels, self.samples // self.hop

    def filters(self) -> NDArray[np.float32]:
        """The mel filters, `[mels, n_fft / 2 + 1]`."""
        return mel_filters(self.rate, self.n_fft, self.mels, self.fmin, self.top)

    def fit(self, content: Content) -> NDArray[np.float32]:
        """A recording as `[1, mels, frames]`.

        Raises:
            DataError: it is no audio, or empty.
        """
        return ((self.decibels(content) - self.mean) / self.std)[None].astype(np.float32)

    def decibels(self, content: Content) -> NDArray[np.float32]:
        """The spectrogram before it is standardised, `[mels, frames]` in −`range_db` … 0."""
        if not isinstance(content, Audio):
            raise refuse(content, "audio")
        if not content.values.size:
            raise DataError("the recording is empty")
        waveform = np.nan_to_num(content.values).mean(axis=0)
        waveform = centre(waveform, max(1, round(self.seconds * content.rate)))
        waveform = resampled(waveform, old=content.rate, new=self.rate)
        power = self.filters() @ spectrogram(_filled(waveform, self.samples), self.n_fft, self.hop)
        decibels = 10 * np.log10(np.maximum(power, QUIETEST))
        loudest: NDArray[np.float32] = np.maximum(decibels - decibels.max(), -self.range_db)
        return loudest


def spectrogram(waveform: NDArray[np.float32], n_fft: int, hop: int) -> NDArray[np.float32]:
    """|S|² of audio `[T]`, `[n_fft / 2 + 1, T // hop]`; frame k is centred at sample k · hop."""
    padded = np.pad(waveform, n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: len(waveform) // hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return (np.abs(np.fft.rfft(frames * window, axis=-1)) ** 2).T.astype(np.float32)


@lru_cache(maxsize=8)
def mel_filters(rate: int, n_fft: int, mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Triangles of height 1, evenly spaced in mel: `[mels, n_fft / 2 + 1]`.

    HTK's scale, m = 2595 log₁₀(1 + f / 700), and no normalisation by width: the defaults of
    torchaudio.
    """
    low, high = (2595 * math.log10(1 + frequency / 700) for frequency in (fmin, fmax))
    corners = 700 * (10 ** (np.linspace(low, high, mels + 2) / 2595) - 1)
    left, peak, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    at = np.fft.rfftfreq(n_fft, 1 / rate)
    triangles = np.minimum((at - left) / (peak - left), (right - at) / (right - peak))
    filters: NDArray[np.float32] = np.maximum(triangles, 0).astype(np.float32)
    filters.setflags(write=False)
    return filters


def _filled(waveform: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The first `count` samples of the audio, repeated where it is shorter."""
    return np.resize(waveform, count) if len(waveform) < count else waveform[:count]
