"""Figures of volumes, videos, signals, audio and time series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.report.drawings.audio import recordings
from medfm_cli.commands.curate.report.drawings.channels import channels
from medfm_cli.commands.curate.report.drawings.ecg import ecg, is_twelve_lead
from medfm_cli.commands.curate.report.drawings.planes import NAMES, planes
from medfm_cli.commands.curate.report.drawings.planes import about as volume_size
from medfm_cli.commands.curate.report.drawings.series import stays
from medfm_cli.commands.curate.report.drawings.tiles import FRAMES, strip
from medfm_cli.commands.curate.report.selection import Shown, of_labels, values
from medfm_cli.commands.curate.written import WrittenSample, WrittenSamples
from medfm_cli.runs import Figure, Run
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.samples.content import Audio, Series, Signal, Video, Volume

MOST = {"volume": 4, "video": 4, "signal": 4, "audio": 4, "series": 3}
"""Most samples of a kind that are drawn."""
_PLANE, _FRAME = 270, 140

Pairs = list[tuple[Shown, WrittenSample]]


def volume_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Three planes of each volume."""
    tiles: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    outlined = hounsfield = False
    for item, sample in pairs:
        volume, mask = sample.content, sample.mask
        assert isinstance(volume, Volume)  # noqa: S101
        fits = mask is not None and mask.shape == volume.voxels.shape[:3]
        tiles += planes(volume, _PLANE, mask if fits else None)
        captions += [item.title(volume_size(volume)), "", ""]
        outlined |= fits
        hounsfield |= volume.unit == "HU"
    save(
        image_sheet(tiles, captions, 3, tile=_PLANE, headings=NAMES),
        run.path("figures", "volumes.png"),
    )
    caption = "Volumes in three planes, in true proportions; the patient's right is on the left."
    if hounsfield:
        caption += " CT window: level 40, width 400 HU."
    if outlined:
        caption += " Outlines: the segmentation of the source, one colour a label."
    alt = f"{len(pairs)} volumes in axial, coronal and sagittal planes"
    return [Figure("figures/volumes.png", caption, alt, wide=True)]


def video_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """A strip of frames of each video."""
    tiles: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    for item, sample in pairs:
        video = sample.content
        assert isinstance(video, Video)  # noqa: S101
        frames = strip(video, _FRAME)
        blank = FRAMES - len(frames)
        tiles += [*frames, *[None] * blank]
        captions += [item.title(_video_size(video)), *[""] * (FRAMES - 1)]
    sheet = image_sheet(tiles, captions, FRAMES, tile=_FRAME)
    save(sheet, run.path("figures", "videos.png"))
    caption = "Videos as strips of frames, from the first to the last one that is stored."
    return [Figure("figures/videos.png", caption, f"Frames of {len(pairs)} videos", wide=True)]


def signal_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Each signal: a twelve-lead ECG on millimetre paper, others channel by channel."""
    blocks: list[Block] = []
    captions: set[str] = set()
    for number, (item, sample) in enumerate(pairs, 1):
        signal = sample.content
        assert isinstance(signal, Signal)  # noqa: S101
        name = f"signal-{number}.svg"
        if is_twelve_lead(signal):
            drawing = ecg(signal, item.title(), sample.row["sample_id"])
            caption = (
                "Twelve-lead ECGs at 25 mm/s and 10 mm/mV. Each lead is centred on its median and "
                "not filtered."
            )
        else:
            drawing = channels(signal, item.title())
            caption = "Other signals; each channel is scaled from its lowest to its highest value."
        save(drawing, run.path("figures", name))
        repeated = caption in captions
        captions.add(caption)
        alt = f"Signal: {item.title()}"
        blocks.append(Figure(f"figures/{name}", "" if repeated else caption, alt, wide=True))
    return blocks


def audio_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Waveform and spectrogram of each recording."""
    found = [
        (sample.content, item.title())
        for item, sample in pairs
        if isinstance(sample.content, Audio)
    ]
    save(recordings(found), run.path("figures", "audio.svg"))
    caption = (
        "Audio: the waveform, and the log-mel spectrogram from 70 dB below the maximum (dark) to "
        "the maximum (bright)."
    )
    alt = f"Waveforms and spectrograms of {len(found)} recordings"
    return [Figure("figures/audio.svg", caption, alt, wide=True)]


def series_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Small multiples of some stays."""
    found = [
        (sample.content, item.title(f"stay {number}"))
        for number, (item, sample) in enumerate(pairs, 1)
        if isinstance(sample.content, Series)
    ]
    save(stays(found), run.path("figures", "series.svg"))
    caption = (
        "Time series: one panel a variable, one colour a stay. Each dot is a measurement; the "
        "lines between them only guide the eye."
    )
    alt = f"Measurements of {len(found)} stays over time"
    return [Figure("figures/series.svg", caption, alt, wide=True)]


_DRAWN: dict[str, tuple[str, Callable[[Pairs, Run], list[Block]]]] = {
    "volume": ("Volumes", volume_sheet),
    "video": ("Videos", video_sheet),
    "signal": ("Signals", signal_sheet),
    "audio": ("Audio", audio_sheet),
    "series": ("Time series", series_sheet),
}


def drawn_kinds(
    catalog: Catalog, stored: WrittenSamples, run: Run
) -> list[tuple[str, str, list[Block]]]:
    """Kind, section title and figures of every such kind in the dataset."""
    chapters: list[tuple[str, str, list[Block]]] = []
    for kind, (title, draw) in _DRAWN.items():
        pairs = _pairs(catalog, stored, kind)
        if pairs:
            chapters.append((kind, title, draw(pairs, run)))
    return chapters


def _video_size(video: Video) -> str:
    """Size, number of frames and frame rate as text."""
    count, height, width = video.frames.shape[:3]
    text = f"{width} × {height}, {count} frames"
    return f"{text} at {video.rate:.3g} a second" if video.rate else f"{text}, rate UNKNOWN"


def _pairs(catalog: Catalog, stored: WrittenSamples, kind: str) -> Pairs:
    """Some samples of a kind: of every modality, with as many labels as possible."""
    names = values(catalog, "modality", kind, MOST[kind])
    each = max(1, MOST[kind] // max(1, len(names)))
    chosen = [
        item
        for name in names
        for item in of_labels(catalog, "kind = ? AND modality = ?", kind, name, limit=each)
    ]
    found = stored.samples(item.sha for item in chosen)
    return [(item, found[item.sha]) for item in chosen if item.sha in found]
