"""Names, dates and numbers in free text: found where they are, and nothing medical with them."""

from __future__ import annotations

import csv
import importlib.util
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.commands.curate.deidentify.text.clean import MODULES, clean, engine, finder
from medfm_cli.commands.curate.deidentify.text.find import find, settle
from medfm_cli.commands.curate.deidentify.text.patterns import Span
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.errors import EnvironmentProblem

HAS_PRESIDIO = all(importlib.util.find_spec(name) for name in MODULES)
needs_presidio = pytest.mark.skipif(not HAS_PRESIDIO, reason="the extra deid is not installed")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Seen by Dr. Okonkwo today.", "Seen by Dr. [NAME] today."),
        ("Drs. Lee and O'Brien agree.", "Drs. [NAME] and [NAME] agree."),
        ("Dr. X. The patient left.", "Dr. [NAME] The patient left."),
        ("PATIENT NAME: DOE, JOHN A", "PATIENT NAME: [NAME]"),
        ("SURGEON: , Ngozi Rossi, M.D.", "SURGEON: , [NAME]"),
        (
            "Electronically signed by Minji A. Park The end",
            "Electronically signed by [NAME] The end",
        ),
        ("his wife, Saoirse, called", "his wife, [NAME], called"),
        ("Ingrid Petrov is a pleasant 54-year-old woman", "[NAME] is a pleasant 54-year-old woman"),
        ("SMITH^JOHN", "[NAME]"),
        ("Linda Kowalczyk had a fever. Kowalczyk left.", "[NAME] had a fever. [NAME] left."),
        ("on 03/04/2011 and 3-4-11", "on [DATE] and [DATE]"),
        ("2011-03-04T10:15:22Z", "[DATE]"),
        ("January 4th, 2007; 4 Jan 2007; Jan 2007; 20070104", "[DATE]; [DATE]; [DATE]; [DATE]"),
        ("since 4/11", "since [DATE]"),
        ("Call (555) 010-4477 ext. 12", "Call [PHONE]"),
        ("pager 4477", "pager [PHONE]"),
        ("MRN: 00482913, SSN 123-45-6789", "MRN: [ID], SSN [ID]"),
        ("Specimen number S12-34567", "Specimen number [ID]"),
        ("me.you@there.example.org at https://x.org/a?b=1", "[EMAIL] at [URL]"),
        ("from 10.0.13.7", "from [IP]"),
        ("12 Oak Street, Riverton, OH 45011", "[ADDRESS]"),
        ("She moved to Maplewood, Oregon.", "She moved to [ADDRESS]."),
        ("admitted to St. Luke's Medical Center", "admitted to [HOSPITAL]"),
        ("Interpreter: Dmitri Davis", "Interpreter: [NAME]"),
        ("Radiologist Haruka Iyer was paged", "Radiologist [NAME] was paged"),
        ("seen by dr. rossi; the Mbeki family", "seen by dr. [NAME]; the [NAME] family"),
        ("973-3646 (home), Chart 528424", "[PHONE] (home), Chart [ID]"),
        ("in June '41 at the Ashland VA", "in [DATE] at the [HOSPITAL]"),
        ("a 93-year-old man; aged 101; 91 y/o", "a [AGE]-year-old man; aged [AGE]; [AGE] y/o"),
    ],
)
def test_what_identifies_is_replaced(text: str, cleaned: str) -> None:
    assert re.sub(r"\[NAME\],? M\.D\.?", "[NAME]", clean(text, find).text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Parkinson disease, a Baker cyst, Bell palsy and Graves disease.",
        "A Foley catheter and Kelly clamps were used; 3-0 Monocryl, #18-gauge needle.",
        "BP 120/80, strength 5/5, grade 2/6 murmur, 1.5 x 2.5 cm, pH 7.35, T1-T2, L4-5.",
        "Lasix 40 mg b.i.d., Tylenol 650 mg, 0.9% saline at 125 mL/hour, INR 2.1.",
        "The patient is an 11-1/2-year-old boy; in 1987 he had a total knee replacement.",
        "He may need surgery. The hospital course was uneventful. PATIENT: Male.",
        "ANESTHESIA: General. ASSISTANT: None. COMPARISON: None available.",
        "XXXX XXXX-year-old male with XXXX. Dr. XXXX XXXX was notified at XXXX hours.",
        "Follow up in 2 weeks; 90 mg daily; 95% saturation; FEV1 91% of predicted.",
        "[NAME] was seen on [DATE].",
        "",
        "??? --- ...",
    ],
)
def test_what_is_medical_stays(text: str) -> None:
    assert clean(text, find).text == text


@given(st.text(max_size=200))
def test_any_text_can_be_cleaned_and_cleaning_again_changes_nothing_named(text: str) -> None:
    cleaned = clean(text, find)
    assert sum(cleaned.counts.values()) == cleaned.text.count("[") - text.count("[") or "[" in text
    assert clean(cleaned.text, find).counts.total() <= cleaned.counts.total()


@given(st.lists(st.builds(Span, st.integers(0, 20), st.integers(0, 20), st.just("X")), max_size=8))
def test_settled_spans_never_overlap_and_the_first_stays_whole(spans: list[Span]) -> None:
    spans = [span for span in spans if span.start < span.end]
    settled = settle(spans)
    for one, next_ in pairwise(settled):
        assert one.end <= next_.start
    if spans:
        assert spans[0] in settled


def test_dates_stay_where_the_recipe_keeps_them() -> None:
    kept = clean("Dr. Okonkwo on 03/04/2011", find, keep=frozenset({"DATE"}))
    assert kept.text == "Dr. [NAME] on 03/04/2011"
    assert kept.removed == ("Okonkwo",)


def test_a_long_text_of_nothing_but_capitals_and_digits_ends_soon() -> None:
    for piece in ("A ", "Aa ", "1-", "Aa. ", "A^", "12/", "St. Mary ", "(555) "):
        clean(piece * 5000, find)


@pytest.mark.realdata
def test_of_real_transcripts_little_is_taken_out(shared_data: Path) -> None:
    csv.field_size_limit(sys.maxsize)
    table = shared_data / "text_mtsamples" / "mtsamples_part.csv"
    with table.open(encoding="utf-8") as file:
        texts = [row["transcription"] for row in csv.DictReader(file)]
    cleaned = [clean(text, find) for text in texts]
    words = sum(len(text.split()) for text in texts)
    assert sum(one.counts.total() for one in cleaned) < 0.002 * words
    together = " ".join(one.text for one in cleaned)
    for name in ("Tandoc", "Friesen", "Bonnani", "McDevitt", "Holmberg", "Stomel", "Radke"):
        assert name in " ".join(texts) and name not in together


def test_auto_is_what_is_installed_and_off_is_off() -> None:
    assert engine(Deidentify()) == ("presidio" if HAS_PRESIDIO else "builtin")
    assert engine(Deidentify(text="builtin")) == "builtin"
    assert engine(Deidentify(text="off")) == engine(Deidentify(on=False)) == "off"


def test_presidio_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    finder.cache_clear()
    with pytest.raises(EnvironmentProblem, match="presidio_analyzer"):
        finder("presidio")


@needs_presidio
@pytest.mark.filterwarnings("ignore")
def test_presidio_finds_names_without_a_hint_and_leaves_diseases() -> None:
    cleaned = clean(
        "Today Agnieszka Petrov reports less pain from her Baker cyst.", finder("presidio")
    )
    assert cleaned.text == "Today [NAME] reports less pain from her Baker cyst."
    medical = "Dyspnea. Cardiomegaly. Parkinson disease; Plavix and Lasix; Foley catheter."
    assert clean(medical, finder("presidio")).text == medical
