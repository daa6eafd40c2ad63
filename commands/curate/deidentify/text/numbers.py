"""Patterns of dates, ages, numbers of people and papers, telephones and addresses of computers."""

from __future__ import annotations

from functools import partial

from medfm_cli.commands.curate.deidentify.text.patterns import Pattern, only, pattern

_MONTH = r"""(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?
    |Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"""
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ORDINAL = r"(?:st|nd|rd|th)?"
_MON = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:(?:19|20)\d\d)"
_TIME = r"""(?:[T\x20]{1,2}(?:at\x20)?[0-2]?\d:[0-5]\d(?::[0-5]\d)?(?:\.\d+)?
    (?:\x20?[AaPp]\.?[Mm]\b\.?)?(?:Z|[+-]\d\d:?\d\d)?)?"""
_NO_NUMBER_BEFORE = r"(?<![\d/.-])"
_NO_NUMBER_AFTER = r"(?![\d/-])"
_UNIT = r"(?!\x20?(?:mg|ml|cc|cm|mm|kg|years?|yrs?|months?|weeks?|days?|hours?|%))"
_STRONG = r"""(?:MRN|M\.R\.N\.|MR\x20?(?=\#)|med(?:ical)?\.?\x20?rec(?:ord)?s?|accession|acct
    |account|SSN|unit\x20record|reg(?:istration)?\.?|social\x20security|DEA|NPI|NHS|passport|medicare|medicaid|subscriber|beneficiary
    |requisition)"""
"""Labels after which a number is one of a person, or of a paper that leads to one."""
_WEAK = r"""(?:hospital|acc|case|chart|encounter|visit|specimen|order|study|exam|patient|pt|member
    |policy|insurance|health\x20plan|licen[cs]e|claim|group|device|serial|model|lot|job|document
    |dictation|record|file|room|ID)"""
"""Labels that need `number` or `#` before what follows is one."""
_NUMBER = r"(?:\x20?(?:number|no\.|num\.|nr\.|id|identifier|code)(?![a-z]))"
_EXTENSION = r"(?:\x20?(?:x|ext\.?)\x20?\d{1,6})?"
_CALLED = r"""(?:phone|telephone|tel|cell|mobile|fax|pager|beeper|call(?:ed)?|ext(?:ension)?
    |contact)"""
_WHEN = r"(?:on|since|dated?|until|till|through|from|before|after|by|as\x20of)"
_NO_DATE = r"(?!\x20?(?:of|strength|murmur|pain|scale|mg|cm|mm|weeks|days))"


_number = partial(pattern, digits=True)


def _four_digits(text: str) -> bool:
    return sum(letter.isdigit() for letter in text) >= 4


def _octets(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))


COMPUTERS: tuple[Pattern, ...] = (
    pattern("EMAIL", r"\b[\w.%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b"),
    pattern("URL", r"\b(?:https?://|ftp://|www\.)[^\s<>\"')\],]+", any_case=True),
    pattern("IP", r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)", only(_octets)),
    pattern("IP", r"(?<![\w:])(?:[\dA-Fa-f]{1,4}:){7}[\dA-Fa-f]{1,4}(?![\w:])"),
    pattern("IP", r"(?<![\w:])(?:[\dA-Fa-f]{2}[:-]){5}[\dA-Fa-f]{2}(?![\w:])"),
)
NUMBERS: tuple[Pattern, ...] = (
    _number("ID", r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"),  # social security
    _number(
        "ID",
        rf"""(?<![A-Za-z])(?:{_STRONG}{_NUMBER}?(?:\x20?[\#:]|\x20is|\x20of|)
        |{_WEAK}(?:{_NUMBER}\x20?[\#:]?|\x20?[\#:])(?:\x20is)?)[\x20\#:,]{{0,4}}
        (?P<x>[A-Za-z]{{0,4}}[-/.]?\d[\w-]*(?:[-/.]\w+){{0,3}})(?!\w){_UNIT}""",
        only(_four_digits),
        any_case=True,
    ),
    _number(
        "ID",
        rf"(?<![A-Za-z]){_WEAK}\x20(?P<x>[A-Z]{{0,3}}-?\d{{5,}}(?:-\d+)*)(?![\w%])",
        any_case=True,
    ),
    _number("ID", r"(?<![\w.])[A-Z]{1,4}-?\d{2,4}-\d{3,}(?![\w-])"),  # S12-34567
    _number("ID", r"(?<![\w.-])[A-Z]{1,4}-?\d{5,}(?![\w-])"),
    _number(
        "PHONE",
        rf"(?<![\w-])(?:\+?\d{{1,3}}[\x20.-])?\(\d{{3}}\)\x20?\d{{3}}[\x20.-]\d{{4}}{_EXTENSION}(?!\w)",
        any_case=True,
    ),
    _number(
        "PHONE",
        rf"""(?<![\w.-])(?:\+?1[\x20.-])?[2-9]\d{{2}}[\x20.-]\d{{3}}[\x20.-]\d{{4}}{_EXTENSION}
        (?![\w-])""",
        any_case=True,
    ),
    _number("PHONE", r"(?<!\w)\+\d{1,3}(?:[\x20.()-]{1,2}\d{1,8}){2,5}(?!\w)"),
    _number(
        "PHONE",
        r"(?<![\w.-])\d{3}[\x20.-]\d{4}(?=\x20?\(?(?:home|cell|work|office|mobile|day)\b)",
    ),
    _number(
        "PHONE",
        rf"""\b{_CALLED}\b(?:\x20(?:number|no\.?|at|is|on|him|her|us|me)){{0,3}}[\x20.:\#]{{0,3}}
        (?P<x>\(?\d{{3,}}\)?(?:[\x20.-]\d{{3,4}}){{0,3}})(?![\w/%])""",
        any_case=True,
    ),
)
DATES: tuple[Pattern, ...] = (
    _number("DATE", rf"{_NO_NUMBER_BEFORE}{_YEAR}([-/.]){_MON}\1{_DAY}{_TIME}{_NO_NUMBER_AFTER}"),
    _number(
        "DATE",
        rf"{_NO_NUMBER_BEFORE}{_MON}([-/]){_DAY}\1(?:{_YEAR}|\d\d){_TIME}{_NO_NUMBER_AFTER}",
    ),
    _number(
        "DATE",
        rf"""{_NO_NUMBER_BEFORE}{_DAY}([-/.]){_MON}\1(?:{_YEAR}|(?<=/)\d\d){_TIME}
        {_NO_NUMBER_AFTER}""",
    ),
    _number(
        "DATE", rf"{_NO_NUMBER_BEFORE}{_MON}\.{_DAY}\.(?:{_YEAR}|\d\d)(?![\d/.-]*\d)"
    ),  # 1.4.07
    _number(
        "DATE",
        rf"""(?<![\d.-]){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])
        (?:[T\x20]?[0-2]\d[0-5]\d(?:[0-5]\d)?)?(?![\d-])""",
    ),  # 20070104
    _number(
        "DATE",
        rf"""\b{_MONTH}\x20{_DAY}{_ORDINAL}
        (?:,?\x20{{1,2}}(?:of\x20)?'?(?:{_YEAR}|\d\d\b{_UNIT}(?!\x20[a-z])))?{_TIME}(?!\d)""",
        any_case=True,
    ),  # January 4th, 2007
    _number(
        "DATE",
        rf"""\b{_DAY}{_ORDINAL}[\x20-](?:of\x20)?{_MONTH}(?:[\x20,-]{{1,2}}(?:{_YEAR}|\d\d))?{_TIME}
        (?!\w)""",
        any_case=True,
    ),  # 4 Jan 2007
    _number(
        "DATE", rf"\b{_MONTH}(?:,|\x20of|\x20in)?\x20(?:'?{_YEAR}\b|['’]\d\d\b)", any_case=True
    ),
    _number("DATE", rf"{_NO_NUMBER_BEFORE}{_MON}/{_YEAR}{_NO_NUMBER_AFTER}"),
    _number(
        "DATE",
        rf"\b{_WHEN}(?:\x20date)?:?\x20(?P<x>{_MON}[/-]{_DAY}){_NO_NUMBER_AFTER}{_NO_DATE}",
        any_case=True,
    ),
)
AGES: tuple[Pattern, ...] = (
    _number(
        "AGE",
        r"""(?<![\d./-])(?P<x>9\d|1[0-3]\d)
        (?=(?:\x20|\x20?-\x20?)?(?:years?\b|yrs?\b|y\.?/?o\b|y\.o))""",
        any_case=True,
    ),
    _number(
        "AGE",
        r"""\b(?:aged?|age\x20of|age\x20is|turned|turns)[\x20:]{1,3}(?P<x>9\d|1[0-3]\d)
        (?!\d|[/%.]\d|\x20?(?:days?|weeks?|months?|hours?|minutes?))""",
        any_case=True,
    ),
    _number("AGE", r"(?<![\d./-])(?P<x>9\d|1[0-3]\d)(?=[MF]\b)"),
)
LONG_NUMBERS: tuple[Pattern, ...] = (pattern("ID", r"(?<![\w./+-])\d{7,}(?![\w/%]|\.\d)"),)
"""Numbers of so many digits measure nothing in a report."""
