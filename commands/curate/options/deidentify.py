"""The recipe's block `deidentify`. Imports neither numpy nor any library of texts or images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medfm_cli.recipe import Part


class DicomProfile(Part):
    """De-identified copies of the DICOM files, by the basic profile of DICOM PS3.15 (annex E).

    Each switch is one of the profile's own options. Whatever is kept makes it easier to find out
    whose images they are.
    """

    export: bool = Field(
        True, description="Write the copies to dataset/dicom, named by their new UIDs."
    )
    clean_descriptors: bool = Field(
        False,
        description="Keep descriptions (of study, series, protocol, …) with names, dates and "
        "numbers taken out, instead of dropping them.",
    )
    clean_content: bool = Field(
        False, description="Keep the contents of structured reports, cleaned in the same way."
    )
    keep_patient: bool = Field(
        False, description="Keep sex, age (at most 90 years), size, weight, smoking, pregnancy."
    )
    keep_device: bool = Field(
        False, description="Keep the station's name, serial numbers and identifiers of devices."
    )
    keep_institution: bool = Field(False, description="Keep the institution's name and address.")
    keep_uids: bool = Field(
        False, description="Keep the UIDs; anyone who has the originals can then join the copies."
    )
    keep_private: bool = Field(
        False,
        description="Keep the private elements that the standard lists as safe (diffusion, PET "
        "factors, …); all others always go.",
    )


class Deidentify(Part):
    """What is taken out of the data so that they name nobody."""

    on: bool = Field(
        True, description="Clean texts, times, ages and pixels. Identifiers never stay, even so."
    )
    secret: Literal["auto", "private", "public"] = Field(
        "auto",
        description="Key of the pseudonyms: private is this machine's own, public is known to "
        "all; auto: public for sources that are public anyway, else private.",
    )
    source_paths: Literal["auto", "hash", "keep"] = Field(
        "auto", description="File names in the manifest; auto: kept for public sources only."
    )
    text: Literal["auto", "off", "builtin", "presidio"] = Field(
        "auto",
        description="How names, dates and numbers are found in texts: builtin (patterns), presidio "
        "(a language model and the patterns; extra deid) or off; auto: presidio where it is "
        "installed, else builtin.",
    )
    burned_in: Literal["auto", "flag", "blank", "quarantine", "off"] = Field(
        "auto",
        description="What happens to images in which text is suspected: flag (a remark in the "
        "report), blank (the text is masked), quarantine (left out) or off; auto: blank "
        "where the file itself says that there is text, else flag.",
    )
    dates: Literal["shift", "keep", "drop"] = Field(
        "shift",
        description="Times: shift (by a number of days that is the same for all of a subject, so "
        "intervals stay true), keep, or drop.",
    )
    shift_days: int = Field(
        365, ge=1, le=3650, description="Dates move by at most so many days, never by none."
    )
    oldest: int = Field(
        90, ge=1, le=150, description="Ages from this one on are written as this one."
    )
    dicom: DicomProfile | None = Field(
        None, description="De-identified DICOM copies beside the dataset; null: none."
    )
