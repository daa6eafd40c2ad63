"""Series and sounds as maps in time: as measured, as seen, painted from that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from medfm_cli.commands.pretrain.objectives.figures.traces import spans
from medfm_cli.runs import Figure
from medfm_cli.runs.axes import round_steps
from medfm_cli.runs.colormaps import DEVIATION, LOUDNESS, coloured
from medfm_cli.runs.drawing import Drawing
from medfm_cli.runs.svg import INK, SOFT
from medfm_cli.samples.payload import png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.figures.reconstruction import Shown
    from medfm_cli.data.inputs import AudioInput, SeriesInput

STAYS: Final = 3
VARIABLES: Final = 24
"""Of the stays that are drawn, those measured most often."""
SOUNDS: Final = 4
REACH: Final = 3.0
"""Deviations from the mean at which the colours end."""
_WIDTH, _TOP, _NAMES, _GAP, _CELL, _HEAD, _FOOT = 860.0, 20.0, 92.0, 18.0, 12.0, 26.0, 30.0
_NEVER, _COVER = (236, 236, 232, 0), (128, 128, 128, 255)
_BAR = "#16222c"
_SHARP = 8


def series(shown: Shown) -> Figure:
    """Draw some stays one below the other: what was measured, and the same with paint on it."""
    wanted = cast("SeriesInput", shown.preprocessing)
    samples, count = shown.samples, min(STAYS, len(shown.captions))
    known = samples.known[:count].cpu().numpy()
    often = np.argsort(-known.sum(axis=(0, 2)), kind="stable")[:VARIABLES]
    rows = sorted(row for row in often.tolist() if known[:, row].any())
    across = (_WIDTH - _NAMES - _GAP) / 2
    step = _HEAD + _CELL * len(rows) + _FOOT
    drawing = Drawing(_WIDTH, _TOP + count * step + 14)
    for place, word in enumerate(("as measured", "painted over the hidden hours")):
        at = (_NAMES + place * (across + _GAP), 13)
        drawing.text(at, word, size=11, colour=SOFT)
    for number in range(count):
        top = _TOP + number * step
        drawing.text((0, top + 15), shown.captions[number], size=12.5, bold=True, room=_WIDTH * 0.6)
        hidden = samples.hidden[number].any(dim=0).cpu().numpy()
        for row, variable in enumerate(rows):
            y = top + _HEAD + _CELL * (row + 0.8)
            drawing.text((_NAMES - 8, y), wanted.variables[variable], size=10, colour=INK,
                         anchor="end", room=_NAMES - 10)  # fmt: skip
        for place, part in enumerate(samples[:2]):
            left = _NAMES + place * (across + _GAP)
            values = part[number].float().cpu().numpy()[rows]
            cells = _cells(values, known[number, rows])
            drawing.picture((left, top + _HEAD), (across, _CELL * len(rows)), png(_large(cells)))
            _hours(drawing, wanted, hidden, (left, top + _HEAD), (across, _CELL * len(rows)))
    _scale(drawing, _TOP + count * step)
    path = shown.run.path("figures", "reconstructions.svg")
    drawing.save(path)
    how = (
        "(black bars). Left: as measured, each hour and variable that was; right: the same with "
        "the hidden hours painted by the autoencoder, where something had been measured to "
        "compare with. Colours are standard deviations from the mean of the training samples. "
    )
    alt = "Maps of variables over hours, as measured and painted, with bars over the hidden hours."
    return Figure(f"figures/{path.name}", shown.about("stays", how, count), alt, wide=True)


def audio(shown: Shown) -> Figure:
    """Draw some sounds, three spectrograms in a row."""
    wanted = cast("AudioInput", shown.preprocessing)
    samples, count = shown.samples, min(SOUNDS, len(shown.captions))
    left, height = 54.0, 120.0
    across = (_WIDTH - left - 2 * _GAP) / 3
    step = 24 + height + _FOOT
    drawing = Drawing(_WIDTH, _TOP + count * step)
    words = ("sound", f"seen ({1 - shown.ratio:.0%})", "painted from it")
    for place, word in enumerate(words):
        drawing.text((left + place * (across + _GAP), 13), word, size=11, colour=SOFT)
    for number in range(count):
        top = _TOP + number * step
        drawing.text((left, top + 14), shown.captions[number], size=12.5, bold=True, room=_WIDTH)
        top += 24
        for place, part in enumerate((samples.values, samples.values, samples.painted)):
            picture = _loudness(part[number, 0].float().cpu().numpy(), wanted)
            if place == 1:
                picture[samples.hidden[number, 0].cpu().numpy()[::-1]] = _COVER
            corner = (left + place * (across + _GAP), top)
            drawing.picture(corner, (across, height), png(_large(picture)))
            _ticks(drawing, wanted.seconds, "s", corner, (across, height))
        for y, hertz in ((top + 9, wanted.top), (top + height, wanted.fmin)):
            drawing.text((left - 6, y), f"{hertz:g} Hz", size=10, colour=SOFT, anchor="end")
    path = shown.run.path("figures", "reconstructions.svg")
    drawing.save(path)
    how = (
        "(grey) and painted by the autoencoder; the patches it saw are shown as they were. "
        "Loudness over time and pitch, in decibels below the loudest; bright is loud. "
    )
    alt = "Threes of spectrograms: a sound, the same with most patches hidden, the painting."
    return Figure(f"figures/{path.name}", shown.about("sounds", how, count), alt, wide=True)


def _cells(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Variables over hours as colours `[F, T, 4]`; what was not measured lets the page through."""
    colours = coloured((values / REACH + 1) / 2, DEVIATION)
    opaque = np.concatenate([colours, np.full((*known.shape, 1), 255, np.uint8)], axis=-1)
    return np.where(known[..., None], opaque, np.array(_NEVER, np.uint8))


def _loudness(values: NDArray[np.float32], wanted: AudioInput) -> NDArray[np.uint8]:
    """A standardised spectrogram `[mels, frames]` as colours `[…, 4]`, low sounds at the bottom."""
    decibels = values[::-1] * wanted.std + wanted.mean
    colours = coloured(1 + decibels / wanted.range_db, LOUDNESS)
    return np.concatenate([colours, np.full((*values.shape, 1), 255, np.uint8)], axis=-1)


def _large(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cells as squares of pixels: browsers would blur what they enlarge."""
    return cells.repeat(_SHARP, axis=0).repeat(_SHARP, axis=1)


def _hours(
    drawing: Drawing,
    wanted: SeriesInput,
    hidden: NDArray[np.bool_],
    corner: tuple[float, float],
    size: tuple[float, float],
) -> None:
    """Bars over what was hidden, and the hours below."""
    (left, top), (across, _) = corner, size
    pixels = across / len(hidden)
    for start, end in spans(hidden):
        bar = (left + start * pixels + 0.5, top - 6)
        drawing.box(bar, ((end - start) * pixels - 1, 4), colour=_BAR)
    hours = len(hidden) * wanted.step
    _ticks(drawing, hours, "h", corner, size)


def _ticks(
    drawing: Drawing,
    end: float,
    unit: str,
    corner: tuple[float, float],
    size: tuple[float, float],
) -> None:
    """Round numbers of time below a map."""
    (left, top), (across, height) = corner, size
    marks = round_steps(0, end, 6)
    for mark in marks:
        x = left + across * mark / end
        label = f"{mark:g} {unit}" if mark == marks[-1] else f"{mark:g}"
        drawing.text((x, top + height + 13), label, size=10, colour=SOFT,
                     anchor="end" if x > left + across - 12 else "middle")  # fmt: skip


def _scale(drawing: Drawing, top: float) -> None:
    """What the colours mean."""
    steps = np.linspace(0, 1, 61)[None]
    drawing.text((_NAMES - 8, top + 10), f"−{REACH:g} SD", size=10, colour=SOFT, anchor="end")
    drawing.picture((_NAMES, top + 1), (180, 10), png(coloured(steps, DEVIATION)))
    drawing.text((_NAMES + 188, top + 10), f"+{REACH:g} SD", size=10, colour=SOFT)
