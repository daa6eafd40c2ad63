"""Label rules: parsed with all their problems, and true exactly where Python would say so."""

from __future__ import annotations

import ast
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.commands.curate.tables.open import rows
from medfm_cli.commands.curate.tables.rule_logic import parse_cell
from medfm_cli.commands.curate.tables.rule_parser import parse
from medfm_cli.commands.curate.tables.rules import Rules, problems


def take(rule: str, column: str = "", **row: Any) -> bool | None:
    """Whether a rule takes a row; None where it cannot be told."""
    rules = Rules({"yes": rule}, column)
    taken = rules.match(row)
    return None if rules.counts.missing else bool(taken)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("age > 50", True),
        ("age>50.5 and sex == 'F'", True),
        ('not age > 50 or sex != "F"', False),
        ("18 <= age < 60", False),
        ("sex in ['F', 'M']", True),
        ("age in [62, 63]", True),
        ("sex not in ['M']", True),
        ("'effusion' in report", True),
        ("'NORM' in codes", True),
        ("'SR' in list", True),
        ("codes.NORM > 50", True),
        ("codes.MI > 50", False),
        ("codes.MI == 0", False),
        ("not (codes.MI > 0)", True),
        ("codes.MI is missing", True),
        ("codes.NORM is not missing", True),
        ("note is missing", True),
        ("note > 3", None),
        ("not note > 3", None),
        ("note > 3 or age > 50", True),
        ("note > 3 and age > 99", False),
        ("sex > 3", None),
        ("date < '2001-01-01'", True),
        ("pacemaker == true", True),
        ("pacemaker == false", False),
        ("`odd name` == 1", True),
        ("codes.`1AVB` == 0", True),
        ("1 == codes.1AVB + 1", "problem"),
        ("AGE > 50", None),
    ],
)
def test_what_rules_say(rule: str, expected: Any) -> None:
    row = {
        "age": "63",
        "sex": " F ",
        "report": "small effusion",
        "codes": "{'NORM': 100.0, '1AVB': 0}",
        "list": '["SR", "X"]',
        "note": "nan",
        "date": "1999-05-06",
        "pacemaker": "True",
        "odd name": "1.0",
    }
    if expected == "problem":
        with pytest.raises(ValueError, match=r"character 17: '\+' has no meaning"):
            take(rule, **row)
    else:
        assert take(rule, **row) is expected


def test_keys_of_the_label_column_come_first() -> None:
    row = {"scp": "{'NORM': 80, 'age': 1}", "age": "63", "sex": "F"}
    assert take("NORM > 50 and age == 1 and sex == 'F'", "scp", **row) is True
    assert take("MI > 50", "scp", **row) is False
    assert take("MI > 50", "scp", **row | {"scp": ""}) is None
    assert take("MI > 50", "scp", **row | {"scp": "{'NORM': nan}"}) is None
    assert take("scp == 3", "scp", scp="3") is True


def test_rules_are_counted() -> None:
    rules = Rules({"normal": "NORM > 50", "old": "age > 80", "other": "otherwise"}, "codes")
    table = [
        ({"codes": "{'NORM': 100}", "age": "20"}, ("normal",)),
        ({"codes": "{'NORM': 100}", "age": "90"}, ("normal", "old")),
        ({"codes": "{'MI': 100}", "age": "20"}, ("other",)),
        ({"codes": "{'MI': 100}", "age": ""}, ()),
        ({"codes": "", "age": "81"}, ("old",)),
    ]
    for row, expected in table:
        assert rules.match(row) == expected
    counts = rules.counts
    assert counts.matched == {"normal": 2, "old": 2, "other": 1}
    assert (counts.rows, counts.none, counts.missing, counts.several) == (5, 0, 1, 1)
    assert Rules({"a": "x > 1"}).label({"x": "0"}) == ""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", ["at character 1: the rule is empty"]),
        ("NORM", ["at character 1: say what 'NORM' is compared with"]),
        ("NORM >", ["at character 7: the rule ends where a column, a number or a text was"]),
        ("NORM = 5", ["at character 6: compare with =="]),
        ("(NORM > 5", ["at character 1: a parenthesis that is not closed"]),
        ("NORM > 5)", ["at character 9: ')' was not expected here"]),
        ("NORM > 5 MI > 5", ["at character 10: 'MI' was not expected here"]),
        ('sex == "F', ["at character 8: a text that is not closed"]),
        ("sex in [F, 'M']", ["at character 9: a list holds numbers and texts in quotes"]),
        ("sex in ['M'", ["at character 8: a list that is not closed"]),
        ("sex in 5", ["at character 8: 'in' needs a list, a text or a column"]),
        ("sex == ['F']", ["at character 8: a list can only stand after 'in'"]),
        ("3 > 2", ["at character 1: this compares no column and no key"]),
        ("x is 5", ["at character 6: only 'missing' can stand after 'is'"]),
        ("5 is missing", ["at character 1: only a column or a key can be missing"]),
        ("x > 5 and otherwise", ["at character 11: 'otherwise' must be the whole rule"]),
        ("x == missing", ["at character 6: write 'NAME is missing'"]),
        ("x == 1 && y == 2", ["at character 8: write 'and'"]),
        ("x not 5", ["at character 3: 'in' was expected after 'not'"]),
        ("x ? 1 # y", ["at character 3: '?' has no", "at character 7: '#' has no"]),
        ("3 > 2 or x in 5", ["at character 1: this compares", "at character 15: 'in' needs"]),
        ("(" * 51 + "x > 1" + ")" * 51, ["at character 51: too many levels"]),
        ("x > 1 " * 2000, ["at character 10000: a rule of more than 10000 characters"]),
        ("__import__('os') == 1", ["at character 1: '__import__' cannot stand before a bracket"]),
        (
            "x.__class__.__mro__ == (1).real",
            ["at character 24: a column, a number or"],
        ),
    ],
)
def test_all_problems_of_a_rule_have_their_places(rule: str, expected: list[str]) -> None:
    found = [str(problem) for problem in parse(rule)[1]]
    assert len(found) == len(expected), found
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start.split(": ")[0])
        assert start.split(": ")[1] in problem


def test_all_problems_of_all_rules_are_told_at_once() -> None:
    found = problems({"a": "x >", "b": "y = 3", "c": "otherwise", "d": " Otherwise ", "e": "z > 1"})
    assert [line.split(":")[0] for line in found] == ["rule 'a'", "rule 'b'", "rule 'd'"]
    with pytest.raises(ValueError, match=r"rule 'a': at character 4.*; rule 'b'"):
        Rules({"a": "x >", "b": "y = 3"})
    assert problems({"a": "otherwise"}) == ["rule 'a': 'otherwise' needs another rule beside it"]


def test_names_that_nothing_is_called_are_told() -> None:
    rules = Rules({"a": "NORM > 5 and agee > 3 and sex == 'F'"}, "scp")
    assert rules.names() == ("NORM", "agee", "sex")
    (problem,) = rules.unknown_names(["age", "sex", "scp"], ["NORM", "SR"])
    assert "'agee' is not a column of the table and not a key in its column 'scp'" in problem
    assert "age" in problem.split(";")[1]


NAMES = ("a", "b", "c")
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, -1.25])
OPERATOR = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    negated = st.builds("not {}".format, inner)
    joined = st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
    return negated | joined | st.builds("({})".format, inner)


SIDE = st.sampled_from(NAMES) | NUMBERS.map(str)
TEST = (
    st.builds("{} {} {}".format, st.sampled_from(NAMES), OPERATOR, SIDE)
    | st.builds("{} {} {} {} {}".format, SIDE, OPERATOR, st.sampled_from(NAMES), OPERATOR, SIDE)
    | st.builds("{} in {}".format, st.sampled_from(NAMES), st.lists(NUMBERS, max_size=3))
    | st.builds("{} not in {}".format, st.sampled_from(NAMES), st.lists(NUMBERS, max_size=3))
)


@given(st.recursive(TEST, texts, max_leaves=8), st.tuples(*[NUMBERS] * 3))
def test_rules_are_true_where_python_says_so(rule: str, values: tuple[float, ...]) -> None:
    row = dict(zip(NAMES, values, strict=True))
    expected = bool(eval(rule, {"__builtins__": {}}, dict(row)))  # noqa: S307 - what is compared to
    assert take(rule, **{name: str(value) for name, value in row.items()}) is expected
    assert take(rule, "cell", cell=repr(row)) is expected


@given(st.recursive(TEST, texts, max_leaves=6), st.lists(st.sampled_from(NAMES), max_size=2))
def test_what_is_missing_never_makes_a_rule_surely_true_or_false(
    rule: str, gone: list[str]
) -> None:
    """A rule that is decided without a cell is decided in the same way whatever it holds."""
    row = dict.fromkeys(NAMES, "1") | dict.fromkeys(gone, "")
    told = take(rule, **row)
    if told is None:
        assert gone
        return
    for value in ("-7", "0", "0.5", "1", "9"):
        assert take(rule, **row | dict.fromkeys(gone, value)) is told


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_has_problems(text: str) -> None:
    for problem in parse(text)[1]:
        assert 1 <= problem.position <= len(text) + 1
    if not parse(text)[1]:
        Rules({"a": text}).match({"a": "1"})


def test_broken_rules_are_told_and_never_run() -> None:
    source = "NORM >= 50 and not (age < 18 or sex in ['F', \"M\"]) and x.`y z` is not missing"
    assert parse(source)[1] == []
    dice = random.Random(0)
    pieces = [*"()[]'\"`.,<>=! ", "and", "not", "in", "is", "missing", "9", "x", "__class__", "\0"]
    for _ in range(3000):
        text = source
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(text) + 1)
            text = text[:place] + dice.choice(pieces) + text[place + dice.randint(0, 3) :]
        if not parse(text)[1]:
            Rules({"a": text}, "c").match({"c": "{'NORM': 1}", "age": "3"})


@given(st.text(max_size=80) | st.builds("{{{}}}".format, st.text(max_size=40)))
def test_any_cell_is_read(cell: str) -> None:
    parse_cell(cell)


def test_cells_are_read_as_literals_only() -> None:
    assert parse_cell("{'NORM': 100.0, 'SR': 0.0}") == {"NORM": 100.0, "SR": 0.0}
    assert parse_cell('{"a": null}') == {"a": None}
    assert parse_cell("['a', 1]") == ["a", 1]
    for text in ("{'a': open('x')}", "[" * 9000, "{" + "-" * 9000 + "1}", "{'a': " + "1" * 70_000):
        assert parse_cell(text) == text


@pytest.mark.realdata
def test_the_codes_of_ptbxl_are_judged_as_pandas_does(shared_data: Path) -> None:
    import pandas as pd

    path = shared_data / "ecg_ptbxl" / "ptbxl_database.csv"
    frame = pd.read_csv(path)
    codes = frame["scp_codes"].map(ast.literal_eval)
    normal = codes.map(lambda found: found.get("NORM", 0) > 50)
    old = ~normal & (frame["age"] >= 60)
    rules = Rules(
        {"normal": "NORM > 50", "old": "not NORM > 50 and age >= 60", "abnormal": "otherwise"},
        "scp_codes",
    )
    header = list(frame.columns)
    found = [
        rules.label(dict(zip(header, row.cells, strict=True)))  # type: ignore[union-attr]
        for row in rows(path)
    ]
    expected = [
        "normal" if n else "old" if o else "abnormal" for n, o in zip(normal, old, strict=True)
    ]
    known = frame["age"].notna() | normal
    assert [f for f, k in zip(found, known, strict=True) if k] == [
        e for e, k in zip(expected, known, strict=True) if k
    ]
    assert known.all() or rules.counts.missing
    assert rules.counts.matched == dict(Counter(label for label in found if label))
    assert rules.counts.rows == len(frame)
