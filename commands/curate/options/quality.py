"""The quality block of the curate recipe: what a sample must be. Imports no numpy."""

from __future__ import annotations

from pydantic import Field

from medfm_cli.commands.curate.options.plausible import Range
from medfm_cli.recipe import Part


class Quality(Part):
    """What a sample must be; what is not goes to the quarantine with the reason.

    Every check is off when its value is null (numbers) or false (switches); `on: false` leaves
    only the limits that keep reading safe.
    """

    on: bool = Field(True, description="Whether samples are checked at all.")

    max_megapixels: int = Field(100, ge=1, le=178, description="Pixels of an image, at most.")
    max_file_mb: int = Field(2048, ge=1, description="Size of a file, at most.")
    seconds: int = Field(60, ge=1, description="Time that reading one file may take.")

    min_side: int = Field(24, ge=1, description="Shorter side of an image in pixels, at least.")
    max_aspect: float | None = Field(
        8.0, ge=1, description="Longer side of an image or frame over its shorter one, at most."
    )
    blank: bool = Field(True, description="Refuse images, volumes and videos of one value.")
    two_levels: bool = Field(True, description="Refuse images of two grey levels or colours.")
    text_share: float | None = Field(
        0.5, gt=0, le=1, description="Share of a image's content that may be printed text."
    )
    truncated: float | None = Field(
        0.1, gt=0, le=1, description="Share of the height that a grey, undecoded tail may have."
    )

    min_slices: int | None = Field(4, ge=1, description="Slices of a volume, at least.")
    min_volume_side: int | None = Field(8, ge=1, description="Side of its slices, at least.")
    min_frames: int | None = Field(2, ge=1, description="Frames of a video, at least.")
    still: bool = Field(True, description="Refuse videos in which nothing moves.")

    min_seconds: float | None = Field(
        0.5, gt=0, description="Length of a signal or a recording, at least."
    )
    max_missing: float | None = Field(
        0.5, ge=0, le=1, description="Share of a signal's or volume's values that may be missing."
    )
    flat_leads: int | None = Field(
        0,
        ge=0,
        description="Flat leads that an ECG may have; other signals: half of their channels.",
    )
    max_millivolt: float | None = Field(
        20.0, gt=0, description="Deflection of an ECG lead from its median, at most."
    )
    clipped: float | None = Field(
        0.05, gt=0, le=1, description="Share of the time a lead or sound may rest at its limits."
    )
    silence: float | None = Field(
        0.001, ge=0, lt=1, description="Sound that never exceeds this part of full scale is none."
    )

    plausible: dict[str, Range | None] = Field(
        default_factory=dict,
        description="Ranges of measurements, added to the table that medfm brings; null removes "
        "one of it. Values outside are set aside with a note.",
    )
    max_implausible: float | None = Field(
        0.2, ge=0, le=1, description="Share of a stay's values that may be set aside."
    )
    min_measurements: int | None = Field(
        1, ge=1, description="Measurements of a stay, or filled cells of a row, at least."
    )

    min_letters: int | None = Field(4, ge=1, description="Letters of a text, at least.")
    language: bool = Field(True, description="Refuse texts that are no language (codes, damage).")
