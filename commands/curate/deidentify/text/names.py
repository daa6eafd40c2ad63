"""Patterns of people's names, and of the places that they live in and go to."""

from __future__ import annotations

import re

from medfm_cli.commands.curate.deidentify.text.patterns import Pattern, only, pattern
from medfm_cli.commands.curate.deidentify.text.words import (
    FIRST_NAMES,
    NO_NAME,
    PLAIN_STATE_CODES,
    STATE_CODES,
    STATES,
)

_CAPITAL = r"[A-Z][a-z]+"
_WORD = r"(?:[A-Z](?:['’][A-Z])?[a-zA-ZÀ-ÿ]+(?:['’][a-z]{2,})?(?:-[A-Z][a-zA-ZÀ-ÿ]+)*)"
_INITIAL = r"(?:[A-Z]\.(?!\w)|[A-Z](?![\w.'’-]))"
_PARTICLE = r"(?:(?:van|von|der|den|de|la|le|del|di|da|dos|al|el|bin|ibn|St\.)\x20?)"
_PIECE = rf"(?:{_PARTICLE}*(?:{_WORD}|{_INITIAL}))"
_NAME = rf"(?:{_PIECE}(?:\x20{{1,2}}{_PIECE}){{0,3}})"
_LISTED = rf"(?:{_WORD},\x20?{_WORD}(?:\x20{_INITIAL})?)"
"""`Smith, John A.`"""
_AFTER_LABEL = r"[\x20\t]{0,3}[:,\#]{0,2}[\x20\t,]{0,3}"
"""Also as in `SURGEON: , Smith`."""
_TITLE = r"""(?:D[Rr]s?|Doctor|DOCTOR|M[Rr][Ss]?|M[Ss]|Miss|Mister|Prof|Professor|Nurse|Sister|Rev
    |Sgt|Officer)"""
_DEGREE = r"""(?:M\.?\x20?D|D\.?\x20?O|Ph\.?\x20?D|R\.?N|N\.?P|P\.?A\.?-?C|FACS|F\.A\.C\.S|DDS
    |D\.D\.S|DPM|CRNA|LCSW|RDMS|Esq|MBBS|FRCR)"""
_LABEL = r"""(?:patient(?:'s)?(?:\x20name)?|pt\.?(?:\x20name)?|name(?:\x20of\x20patient)?
    |(?:attending|referring|consulting|ordering|primary\x20care|interpreting|admitting|family
    |requesting)\x20(?:physician|doctor|provider|radiologist|surgeon|md)
    |physician|provider|radiologist|(?:co-?|assistant\x20)?surgeons?|assistants?|anesthesiologist
    |resident|interpreter|historian|informant|technologist|sonographer|operator|pathologist|cardiologist|nurse|scribe|witness
    |mother|father|next\x20of\x20kin|emergency\x20contact|guardian|attn|attention|dear|re|cc
    |from|to
    |(?:electronically\x20)?(?:signed|dictated|transcribed|reviewed|verified|authenticated|approved
    |interpreted|reported|read|performed|typed|edited|finali[sz]ed)(?:\x20and\x20\w+)?
    (?:\x20electronically)?\x20by)"""
_BEFORE_NAME = r"""(?:named|called|known\x20as|(?:is\x20a\x20)?patient\x20of
    |under\x20the\x20care\x20of|accompanied\x20by|my\x20patient,?|patient,|name\x20is|this\x20is
    |(?:wife|husband|daughter|son|sister|brother|mother|father|friend|sincerely|regards
    |yours\x20truly),?)"""
_BEFORE_TWO = r"""(?:(?:ordered|prepared|obtained|assisted|supervised|referred|seen|evaluated
    |managed|requested|witnessed|explained|entered|given|impression|note|report|accepted)\x20by
    |(?:reviewed|discussed|spoke|spoken|met|consulted|talked|conference|visited)\x20(?:with|to)
    |(?:case|care|names|consent|attention)\x20of
    |(?:radiologist|surgeon|nurse|anesthesiologist|therapist|attending|resident|technologist
    |pharmacist|interpreter|midwife|physician|cardiologist|pathologist|caregiver|neighbor))"""
"""What comes before a first and a last name, and before one capital as often something else."""
_ROAD = r"""(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl
    |Terrace|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Square|Sq|Trail)"""
_TOWN = rf"{_CAPITAL}(?:\x20{_CAPITAL}){{0,2}}"
_STATES = "|".join(STATES).replace(" ", r"\x20")
_CODES, _PLAIN_CODES = "|".join(STATE_CODES), "|".join(PLAIN_STATE_CODES)
_ZIP = r"\d{5}(?:-\d{4})?"
_HOUSE = r"""(?:(?:Memorial\x20|General\x20|Regional\x20|Community\x20|University\x20
    |Children['’]s\x20|Veterans\x20|County\x20|City\x20)*
    (?:Hospitals?|Medical\x20Cent(?:er|re)|Health(?:care|\x20System|\x20Cent(?:er|re)|\x20Care)
    |Clinics?|Infirmary|Hospice|Nursing\x20Home|Cancer\x20Cent(?:er|re)|Surgery\x20Cent(?:er|re)
    |Imaging(?:\x20Cent(?:er|re))?|Radiology|Rehabilitation\x20Cent(?:er|re)|Medical\x20Group
    |Sanatorium|Polyclinic))"""
_LIVES = r"""(?:comes|originally|farmer|lives|lived|living|resides|residing|resident\x20of|moved
    |relocated|born|grew\x20up|native\x20of|travel(?:l?ed|s)?|flew|works)"""
_WORDS = re.compile(r"[^\W\d_][\w'’-]*\.?")
_KINDS = re.compile(rf"{_HOUSE}.*$", re.VERBOSE)
_NO_HOUSE = NO_NAME | {
    *("the", "our", "this", "outside", "local", "general", "another", "pediatric", "surgery"),
    *("outpatient", "inpatient", "community", "vascular", "wound", "pain", "women's", "eye"),
}


def head(text: str) -> slice | None:
    """The words up to the first that is no name: of `Smith The` it is `Smith`."""
    end = 0
    for word in _WORDS.finditer(text):
        initial = end and word.end() == len(text) and word[0] in "ABCDEFGHJKLMNOPQRSTUVWXYZ"
        if _everyday(word[0]) and not initial:  # `Smith The`, but `SMITH, JOHN A`
            break
        end = word.end()
    return slice(0, end) if end else None


def _two(text: str) -> slice | None:
    """At least two names, neither of which is an everyday word."""
    part = head(text)
    return part if part and len(text[part].split()) > 1 else None


def _tail(text: str) -> slice | None:
    """The words after the last that is no name: of `The Jane Doe` it is `Jane Doe`."""
    start = 0
    for word in _WORDS.finditer(text):
        if _everyday(word[0]):
            start = word.end() + 1
    return slice(start, None) if start < len(text) else None


def _everyday(word: str) -> bool:
    if re.fullmatch(r"[A-Z]\.", word):  # an initial, even `A.`
        return False
    word = word.lower().rstrip(".")
    return word in NO_NAME or re.sub(r"['’]s?$", "", word) in NO_NAME


def _by_first_name(text: str) -> slice | None:
    """What begins with a common first name and continues with no everyday word."""
    if text.split()[0].lower() not in FIRST_NAMES:
        return None
    return _two(text)


def _has_a_name(text: str) -> bool:
    """Whether a hospital has a name, not only a kind (`The General Hospital`)."""
    return any(word.lower() not in _NO_HOUSE for word in _KINDS.sub("", text).split())


PLACES: tuple[Pattern, ...] = (
    pattern(
        "ADDRESS",
        rf"""\b\d{{1,5}}[A-Z]?\x20(?:[NSEW]\.?\x20|North\x20|South\x20|East\x20|West\x20)?
        (?:{_CAPITAL}|\d{{1,3}}(?:st|nd|rd|th))(?:\x20{_CAPITAL}){{0,2}}\x20{_ROAD}\b\.?
        (?:,?\x20(?:Apt|Apartment|Suite|Ste|Unit|\#)\.?\x20?\w{{1,5}})?
        (?:,?\x20{{1,2}}{_TOWN},?\x20{{1,2}}(?:{_CODES}|{_STATES})\b)?(?:,?\x20{_ZIP})?""",
    ),
    pattern("ADDRESS", r"\bP\.?\x20?O\.?\x20Box\x20\d+", any_case=True),
    pattern(
        "ADDRESS",
        rf"""\b{_TOWN},\x20?(?:(?:{_CODES})\b\.?\x20{_ZIP}|(?:{_PLAIN_CODES})\b(?!\.?\w)
        |(?:{_STATES})\b(?:\x20{_ZIP})?)""",
    ),
    pattern(
        "ADDRESS",
        rf"\b(?:zip(?:\x20?code)?|postal\x20code)[\x20:]{{1,3}}(?P<x>{_ZIP})",
        any_case=True,
    ),
    pattern(
        "ADDRESS",
        rf"\b{_LIVES}(?:\x20(?:in|to|on|from|at|near|of)){{1,2}}\x20(?P<x>{_TOWN})",
        head,
    ),
    pattern(
        "HOSPITAL",
        rf"""\b(?:(?:St\.?|Saint|Mt\.?|Mount)\x20)?(?:[A-Z][\w'’.&-]*\x20){{1,4}}{_HOUSE}
        (?:\x20(?:of|at)\x20{_CAPITAL}(?:\x20{_CAPITAL})?)?\b""",
        only(_has_a_name),
    ),
    pattern(
        "ADDRESS",
        rf"""\b{_CAPITAL}(?:\x20{_CAPITAL}){{0,2}}\x20(?:Street|Avenue|Ave|Road|Rd|Boulevard|Blvd
        |Lane|Drive|Parkway|Highway|Terrace)\b""",
    ),
    pattern("ADDRESS", rf"\b(?:rural|downtown|near)\x20(?P<x>{_TOWN})", head),
    pattern(
        "HOSPITAL",
        rf"""\b(?:at|to|from|the|by)\x20(?P<x>{_CAPITAL}(?:\x20{_CAPITAL})?\x20
        (?:VA|VAMC|General|Memorial|Presbyterian|Methodist|Baptist|Mercy|Regional))\b
        (?!\x20(?:Surgery|Medicine|Anesthesia))""",
        only(_has_a_name),
    ),
    pattern(
        "HOSPITAL",
        rf"""\b(?:University\x20of\x20{_CAPITAL}(?:\x20{_CAPITAL})?
        |{_CAPITAL}(?:\x20{_CAPITAL})?\x20University|(?:Mayo|Cleveland)\x20Clinic|Johns\x20Hopkins
        |Kaiser\x20Permanente)\b""",
    ),
)
_PERSON = r"""(?:\d{1,3}[\x20-]|year|man|woman|male|female|gentleman|lady|boy|girl|patient|person
    |child|infant|toddler|smoker|retired)"""
PEOPLE: tuple[Pattern, ...] = (
    pattern(
        "NAME",
        rf"\b(?:D[Rr]s|Doctors|Messrs)\b\.?\x20{_NAME},?\x20(?:and|&)\x20(?P<x>{_NAME})",
        head,
    ),
    pattern(
        "NAME",
        rf"""\b(?P<x>{_PIECE}(?:\x20{_PIECE}){{1,2}})\x20(?:is|was)\x20an?\x20
        (?:[a-z-]+,?\x20){{0,4}}{_PERSON}""",
        _tail,
    ),
    pattern(
        "NAME",
        rf"""\b(?:pleasure\x20of\x20\w+ing|opportunity\x20to\x20\w+|thank\x20you\x20for\x20\w+ing)
        \x20(?:your\x20patient,?\x20)?(?P<x>{_PIECE}(?:\x20{_PIECE}){{0,2}})""",
        head,
    ),
    pattern("NAME", rf"(?<![A-Za-z]){_TITLE}\b\.?,?\x20{{1,2}}(?P<x>{_NAME})", head),
    pattern("NAME", rf"(?P<x>\b{_NAME}),?\x20?\b{_DEGREE}\b\.?", _tail),
    pattern(
        "NAME",
        rf"""(?i:\b{_LABEL})(?:\x20?:|\x20?,(?=\x20?Dr)|(?<=by)){_AFTER_LABEL}
        (?P<x>{_LISTED}|{_NAME})""",
        head,
    ),
    pattern("NAME", rf"(?i:\b{_BEFORE_NAME})\x20(?P<x>{_NAME})", head),
    pattern("NAME", rf"(?i:\b{_BEFORE_TWO})\x20(?P<x>{_PIECE}(?:\x20{_PIECE}){{1,2}})", _two),
    pattern("NAME", r"\b(?:dr|mr|mrs|ms)\b\.?\x20(?P<x>[a-z]{3,}(?:-[a-z]+)?)", head),
    pattern("NAME", rf"\b[Tt]he\x20(?P<x>{_WORD})\x20(?:family|household)\b", head),
    pattern("NAME", r"\b[A-Z][A-Za-z'’-]+\^[A-Z][A-Za-z'’^-]*"),
    pattern(
        "NAME",
        rf"\b[A-Z][a-zA-Z]+(?:\x20{_INITIAL})?\x20{{1,2}}{_PARTICLE}*{_WORD}",
        _by_first_name,
    ),
)
