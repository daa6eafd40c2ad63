"""Samples of every kind that is no picture, drawn: volumes, videos, signals, sound, stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.report.drawings import planes as three
from medfm_cli.commands.curate.report.drawings import video as strips
from medfm_cli.commands.curate.report.drawings.audio import recordings
from medfm_cli.commands.curate.report.drawings.channels import channels
from medfm_cli.commands.curate.report.drawings.ecg import ecg, is_twelve_lead
from medfm_cli.commands.curate.report.drawings.series import stays
from medfm_cli.commands.curate.report.selection import Shown, of_labels, values
from medfm_cli.commands.curate.written import Stored, StoredSample
from medfm_cli.runs import Figure, Run
from medfm_cli.runs.blocks import Block
from medfm_cli.runs.figures import image_sheet, save
from medfm_cli.samples.content import Audio, Series, Signal, Video, Volume

MOST = {"volume": 4, "video": 4, "signal": 4, "audio": 4, "series": 3}
"""Samples of a kind that are drawn, at most."""
_PLANE, _FRAME = 270, 140

Pairs = list[tuple[Shown, StoredSample]]


def volume_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Three planes of each volume."""
    tiles: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    outlined = hounsfield = False
    for item, sample in pairs:
        volume, mask = sample.content, sample.mask
        assert isinstance(volume, Volume)  # noqa: S101
        fits = mask is not None and mask.shape == volume.voxels.shape[:3]
        tiles += three.planes(volume, _PLANE, mask if fits else None)
        captions += [item.title(three.about(volume)), "", ""]
        outlined |= fits
        hounsfield |= volume.unit == "HU"
    save(
        image_sheet(tiles, captions, 3, tile=_PLANE, headings=three.NAMES),
        run.path("figures", "volumes.png"),
    )
    caption = "Volumes in three planes, in true proportions; the patient's right is on the left."
    if hounsfield:
        caption += " CT at level 40, width 400 HU."
    if outlined:
        caption += " Outlined is the segmentation of the source, each label in its colour."
    alt = f"{len(pairs)} volumes in axial, coronal and sagittal planes"
    return [Figure("figures/volumes.png", caption, alt, wide=True)]


def video_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """A strip of frames of each video."""
    tiles: list[NDArray[np.uint8] | None] = []
    captions: list[str] = []
    for item, sample in pairs:
        video = sample.content
        assert isinstance(video, Video)  # noqa: S101
        frames = strips.strip(video, _FRAME)
        blank = strips.FRAMES - len(frames)
        tiles += [*frames, *[None] * blank]
        captions += [item.title(strips.about(video)), *[""] * (strips.FRAMES - 1)]
    sheet = image_sheet(tiles, captions, strips.FRAMES, tile=_FRAME)
    save(sheet, run.path("figures", "videos.png"))
    caption = "Videos as strips, from their first to their last frame that was taken."
    return [Figure("figures/videos.png", caption, f"Frames of {len(pairs)} videos", wide=True)]


def signal_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Each signal: a twelve-lead ECG on its paper, anything else by its channels."""
    blocks: list[Block] = []
    told: set[str] = set()
    for number, (item, sample) in enumerate(pairs, 1):
        signal = sample.content
        assert isinstance(signal, Signal)  # noqa: S101
        name = f"signal-{number}.svg"
        if is_twelve_lead(signal):
            drawing = ecg(signal, item.title(), sample.row["sample_id"])
            caption = "Twelve-lead ECGs; every lead stands on its median, nothing is filtered."
        else:
            drawing = channels(signal, item.title())
            caption = "Other signals, every channel between its lowest and highest value."
        save(drawing, run.path("figures", name))
        said = caption in told
        told.add(caption)
        alt = f"{item.title()}: signal drawn"
        blocks.append(Figure(f"figures/{name}", "" if said else caption, alt, wide=True))
    return blocks


def sound_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Wave and spectrogram of each recording."""
    found = [
        (sample.content, item.title())
        for item, sample in pairs
        if isinstance(sample.content, Audio)
    ]
    save(recordings(found), run.path("figures", "sounds.svg"))
    caption = (
        "Sound: its wave, and its log-mel spectrogram from 70 dB below the loudest (dark) to the "
        "loudest (bright)."
    )
    alt = f"Waves and spectrograms of {len(found)} recordings"
    return [Figure("figures/sounds.svg", caption, alt, wide=True)]


def stay_sheet(pairs: Pairs, run: Run) -> list[Block]:
    """Small multiples of some stays."""
    found = [
        (sample.content, item.title(f"stay {number}"))
        for number, (item, sample) in enumerate(pairs, 1)
        if isinstance(sample.content, Series)
    ]
    save(stays(found), run.path("figures", "stays.svg"))
    caption = (
        "Series of measurements, one panel a variable, one colour a stay; each dot is a "
        "measurement, and lines between them are no more than a guide."
    )
    alt = f"Measurements of {len(found)} stays over time"
    return [Figure("figures/stays.svg", caption, alt, wide=True)]


_DRAWN: dict[str, tuple[str, Callable[[Pairs, Run], list[Block]]]] = {
    "volume": ("The volumes", volume_sheet),
    "video": ("The videos", video_sheet),
    "signal": ("The signals", signal_sheet),
    "audio": ("The sound", sound_sheet),
    "series": ("The stays", stay_sheet),
}


def drawn_kinds(ledger: Ledger, stored: Stored, run: Run) -> list[tuple[str, str, list[Block]]]:
    """For every such kind that there is: its name, a title, and its sheet."""
    chapters: list[tuple[str, str, list[Block]]] = []
    for kind, (title, draw) in _DRAWN.items():
        pairs = _pairs(ledger, stored, kind)
        if pairs:
            chapters.append((kind, title, draw(pairs, run)))
    return chapters


def _pairs(ledger: Ledger, stored: Stored, kind: str) -> Pairs:
    """Samples of a kind: of each modality some, of as many labels as there are."""
    names = values(ledger, "modality", kind, MOST[kind])
    each = max(1, MOST[kind] // max(1, len(names)))
    chosen = [
        item
        for name in names
        for item in of_labels(ledger, "kind = ? AND modality = ?", kind, name, limit=each)
    ]
    found = stored.samples(item.sha for item in chosen)
    return [(item, found[item.sha]) for item in chosen if item.sha in found]
