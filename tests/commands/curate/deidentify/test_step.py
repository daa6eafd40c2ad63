"""One sample without the people in it: texts, times, ages, facts, pixels."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.step import deidentify
from medfm_cli.commands.curate.deidentify.times import moved, shifted
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.readers.item import Item, Turn
from medfm_cli.samples.content import Image2D, Row, Series, Text, Video, Volume

NAMES = Pseudonyms(b"k" * 32)
BUILTIN = Deidentify(text="builtin")


def picture(text: str = "", *, shade: int = 12) -> np.ndarray:
    """A smooth picture with a line of text in a corner."""
    y, x = np.mgrid[:256, :256]
    pixels = np.clip(shade + 60 + 50 * np.sin(x / 40) * np.cos(y / 50), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text((8, 8), text, fill=255, font=ImageFont.load_default(14))
    return np.asarray(image)


def test_a_text_keeps_what_is_medical_and_loses_who_it_is() -> None:
    note = (
        "Patient: John Q. Public, MRN: 00482913, seen on 03/04/2011 by Dr. Meredith Grey at St. "
        "Anne Hospital. Phone (555) 010-4477. A 93-year-old man with Parkinson disease and a Baker "
        "cyst; Foley catheter placed. BP 120/80."
    )
    done = deidentify(Item(Text(note), text=note, turns=(Turn("Who?", note),)), BUILTIN, NAMES)
    assert isinstance(done.item.content, Text)
    for text in (done.item.content.text, done.item.text, done.item.turns[0].answer):
        for secret in ("Public", "482913", "2011", "Meredith", "Grey", "Anne", "010-4477", "93"):
            assert secret not in text
        for kept in ("Parkinson disease", "Baker cyst", "Foley catheter", "120/80", "[NAME]"):
            assert kept in text
    assert done.removed["NAME"] == 6
    assert "text: NAME taken out" in done.notes


def test_nothing_to_do_gives_the_very_same_content() -> None:
    item = Item(Image2D(picture()), facts={"bits": 8, "display": "window"}, age=44.0)
    done = deidentify(item, BUILTIN, NAMES)
    assert done.item.content is item.content
    assert done.item == item
    assert (done.notes, done.reason) == ((), "")


def test_a_maker_that_stands_for_the_hospital_is_no_identifier() -> None:
    item = Item(Image2D(picture()), site="GE MEDICAL SYSTEMS")
    assert deidentify(item, BUILTIN, NAMES).marks
    named = replace(item, facts={"manufacturer": "G.E. Medical Systems"})
    assert not deidentify(named, BUILTIN, NAMES).marks


def test_a_picture_without_text_loads_no_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.setattr("medfm_cli.commands.curate.deidentify.step.finder", load)
    deidentify(Item(Image2D(picture())), Deidentify(text="presidio"), NAMES)


def test_switched_off_leaves_all_but_says_what_was_seen() -> None:
    item = Item(Text("Dr. Grey"), subject="PAT-001942", time="2011-03-04", age=95.0)
    done = deidentify(item, Deidentify(on=False), NAMES)
    assert done.item == item
    assert done.marks == {NAMES.mark("pat 001942"), NAMES.mark("001942")}


def test_times_of_one_subject_move_together_and_intervals_stay() -> None:
    first, second, other = (
        shifted(time, person, BUILTIN, NAMES)
        for time, person in (
            ("2011-03-04T10:20:30", "A"),
            ("2011-03-18", "A"),
            ("2011-03-04T10:20:30", "B"),
        )
    )
    assert first is not None and second is not None
    assert first.endswith("T10:20:30")
    days = date.fromisoformat(second) - date.fromisoformat(first[:10])
    assert days.days == 14
    assert first[:10] != "2011-03-04" and first != other


def test_a_time_of_nobody_is_dropped_as_no_interval_could_be_kept() -> None:
    assert shifted("2011-03-04", None, BUILTIN, NAMES) is None
    assert shifted("2011-03-04", None, Deidentify(dates="keep"), NAMES) == "2011-03-04"
    assert shifted("2011-03-04", "A", Deidentify(dates="drop"), NAMES) is None


@given(st.text(max_size=20), st.integers(1, 3650))
def test_a_shift_is_never_none_and_never_too_far(person: str, limit: int) -> None:
    days = NAMES.shift(person, limit)
    assert days != 0
    assert abs(days) <= limit


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-3650, 3650))
def test_moving_dates_agrees_with_the_calendar(day: date, days: int) -> None:
    from datetime import timedelta

    later = day + timedelta(days=days)
    assert moved(day.isoformat(), days) == later.isoformat()
    assert moved(day.strftime("%Y%m%d"), days) == later.strftime("%Y%m%d")
    assert moved(f"{day.isoformat()} 08:30", days) == f"{later.isoformat()} 08:30"


@pytest.mark.parametrize("text", ["yesterday", "2011-13-40", "0001-01-01", "", "11/3/2011"])
def test_what_is_no_date_does_not_stay(text: str) -> None:
    assert moved(text, -400) is None


def test_the_old_are_ninety_everywhere() -> None:
    series = Series(np.zeros((1, 1), np.float32), np.zeros(1), static={"Age": 97.0, "ICUType": 1.0})
    done = deidentify(Item(series, age=97.0, facts={"age": 97}), BUILTIN, NAMES).item
    assert isinstance(done.content, Series)
    assert (done.age, done.facts["age"]) == (90.0, 90)
    assert done.content.static == {"Age": 90.0, "ICUType": 1.0}


def test_a_table_row_loses_the_cells_that_name_someone() -> None:
    row = Row(
        {
            "PatientName": "Doe",
            "phone_number": "5550104477",
            "age": 92.0,
            "SBP": 120.0,
            "comment": "saw Dr. Grey on 3/4/2011",
            "sex": "F",
            "zip": "02139",
        }
    )
    done = deidentify(Item(row), BUILTIN, NAMES).item.content
    assert isinstance(done, Row)
    assert done.cells == {
        "PatientName": None,
        "phone_number": None,
        "age": 90.0,
        "SBP": 120.0,
        "comment": "saw Dr. [NAME] on [DATE]",
        "sex": "F",
        "zip": None,
    }


def test_facts_that_are_words_of_somebody_do_not_stay() -> None:
    facts = {
        "modality": "CT",
        "manufacturer": "Siemens Healthcare",
        "spacing": [0.5, 0.5],
        "frames": 3,
        "transfer_syntax": "JPEG 2000 Image Compression (Lossless Only)",
        "comments": "call the wife",
        "operator": "JD",
        "study_date": "20110304",
        "kvp": 120.0,
        "protocol": "Dr. Grey thorax",
        "note": "x",
        "series": {"patient_name": "Doe", "number": 2},
        "lead": "seen 03/04/2011",
        "long": "a" * 65,
    }
    kept = deidentify(Item(Image2D(picture()), facts=facts), BUILTIN, NAMES).item.facts
    assert kept == {
        "modality": "CT", "manufacturer": "Siemens Healthcare", "spacing": [0.5, 0.5], "frames": 3,
        "transfer_syntax": "JPEG 2000 Image Compression (Lossless Only)", "kvp": 120.0,
        "series": {"number": 2},
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["image", "video", "volume"])
def test_burned_in_text_is_flagged_painted_over_or_quarantined(kind: str) -> None:
    pixels = picture("SMITH JOHN 1942-03-17")
    stack = np.stack([pixels] * 6)
    content = {"image": Image2D(pixels), "video": Video(stack), "volume": Volume(stack)}[kind]
    flagged = deidentify(Item(content), BUILTIN, NAMES)
    assert flagged.notes == ("burned-in text suspected",)
    assert flagged.item.content is content
    blanked = deidentify(Item(content), replace_options(burned_in="blank"), NAMES)
    assert blanked.notes == ("burned-in text masked",)
    assert deidentify(blanked.item, BUILTIN, NAMES).notes == ()
    changed = blanked.item.content.array != content.array
    assert changed.any()
    assert not changed[..., 60:, :].any()
    refused = deidentify(Item(content), replace_options(burned_in="quarantine"), NAMES)
    assert refused.reason == "burned-in text suspected"
    assert deidentify(Item(content), replace_options(burned_in="off"), NAMES).notes == ()


def replace_options(**values: str) -> Deidentify:
    """The built-in options with other values."""
    return Deidentify.model_validate(BUILTIN.model_dump() | values)


def test_a_file_that_declares_text_is_blanked_without_being_asked() -> None:
    item = Item(Image2D(picture("SMITH JOHN")), facts={"burned_in": "YES"})
    assert deidentify(item, BUILTIN, NAMES).notes == ("burned-in text masked",)
    unseen = replace(item, content=Image2D(picture()))
    assert deidentify(unseen, BUILTIN, NAMES).notes == ("burned-in text declared, none found",)
    assert deidentify(unseen, replace_options(burned_in="blank"), NAMES).reason


def test_further_pictures_of_a_document_are_searched_too() -> None:
    item = Item(Image2D(picture()), pictures=(Image2D(picture()), Image2D(picture("SMITH JOHN"))))
    assert deidentify(item, BUILTIN, NAMES).notes == ("burned-in text suspected",)
    clean = deidentify(item, replace_options(burned_in="blank"), NAMES).item
    assert clean.content is item.content and clean.pictures[0] is item.pictures[0]
    assert (clean.pictures[1].pixels != item.pictures[1].pixels).any()


@pytest.mark.realdata
def test_reports_that_were_cleaned_before_stay_as_they_are(shared_data: Path) -> None:
    table = shared_data / "reports_iu_xray" / "indiana_reports.csv"
    with table.open(encoding="utf-8") as file:
        texts = [f"{row['findings']} {row['impression']}" for row in csv.DictReader(file)]
    changed = [t for t in texts if deidentify(Item(Text(t)), BUILTIN, NAMES).item.content.text != t]  # type: ignore[union-attr]
    assert len(texts) > 2800
    assert len(changed) <= 3
