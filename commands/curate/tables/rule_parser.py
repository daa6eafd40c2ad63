"""The grammar of label rules: the text of a rule becomes a test of rows, or a list of problems.

Rules are a subset of Python's expressions, so Python's parser (`ast`) knows precedence, chains and
brackets. It never sees what a rule names: columns and literals are replaced by numbered names
first, and `missing` by None. Nothing is compiled or evaluated as Python. No numpy.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from medfm_cli.commands.curate.tables.rule_logic import Truth, combine, compare, negate

LONGEST = 10_000
"""Longest rule, in characters."""
DEEPEST = 50
"""Most parentheses and negations inside of each other."""
_KEY = r"(?:\w+|`[^`]*`)"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<operator>[=!]=|[<>]=?|(?:(?ai:not)\s+(?ai:in)|(?ai:is)\s+(?ai:not)|(?ai:in|is))(?![\w.]))
    | (?P<structure>[()\[\],.]|(?ai:and|or|not)(?![\w.]))
    | (?P<literal>(?ai:true|false|missing|otherwise)(?![\w.]))
    | (?P<column>{_KEY}(?:\s*\.\s*{_KEY})*)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<unknown>&&|\|\||["'`].*|\S)
    )""",
    re.VERBOSE | re.DOTALL,
)
_HINTS = {
    "=": "compare with ==",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    '"': 'a text that is not closed: "',
    "'": "a text that is not closed: '",
    "`": "a name that is not closed: `",
}
_TOO_DEEP = "too many levels of parentheses and 'not'"
_EXPECTED = "a column, a number or a text was expected"
_TRAPS = {
    r"_\d+ [(\[]": "'{text}' cannot stand before a bracket",
    r"(?<=[\de)\]] )(?=_|N|\(|\[)": "'{text}' was not expected here",
    r"(?<=[\d)\]] )not (?!in )": "'in' was expected after 'not'",
    r"(?<=[=<>n] )\(": _EXPECTED + ", not '('",
}
"""Parts of `_0 in [ _1 , _2 ]` that Python would accept, or report at another place."""
_SURPRISES = {
    "(": "a parenthesis that is not closed",
    "[": "a list that is not closed",
    "": f"the rule ends where {_EXPECTED}",
}


class Problem(NamedTuple):
    """What is wrong, and at which character of the rule, from 1."""

    position: int
    message: str

    def __str__(self) -> str:
        return f"at character {self.position}: {self.message}"


@dataclass(frozen=True)
class Column:
    """A column, or a key of a cell; more parts are keys inside of it."""

    parts: tuple[str, ...]


Values = Callable[[Column], Any]
"""Looks up the value of a column in one row."""
Test = Callable[[Values], Truth]
"""Whether a rule holds for one row."""


@dataclass(frozen=True)
class Rule:
    """A rule without problems: its test, and the columns that it names, from left to right."""

    test: Test
    columns: tuple[Column, ...]


class _Token(NamedTuple):
    kind: str  # a group of `_TOKEN`
    text: str
    position: int
    value: Any = None


def parse(text: str) -> tuple[Rule | None, list[Problem]]:
    """A rule, or all that is wrong with it."""
    if len(text) > LONGEST:
        return None, [Problem(LONGEST, f"a rule of more than {LONGEST} characters")]
    tokens = [_token(match) for match in _TOKEN.finditer(text)]
    if not tokens:
        return None, [Problem(1, "the rule is empty")]
    if problems := list(_unknown(tokens)):
        return None, problems
    parser = _Parser([*tokens, _Token("structure", "", len(text) + 1)])
    test = parser.parse()
    columns = tuple(token.value for token in tokens if isinstance(token.value, Column))
    return (None if parser.problems else Rule(test, columns)), sorted(parser.problems)


def _token(match: re.Match[str]) -> _Token:
    kind = match.lastgroup or ""
    text, position = match[kind], match.start(kind) + 1
    if kind in ("column", "text", "number"):
        return _Token(kind, text, position, _VALUES[kind](text))
    text = text.lower()
    return _Token(kind, text, position, {"true": True, "false": False}.get(text))


_VALUES: dict[str, Callable[[str], Any]] = {
    "column": lambda text: Column(tuple(key.strip("`") for key in re.findall(_KEY, text))),
    "text": lambda text: text[1:-1],
    "number": float,
}


def _unknown(tokens: list[_Token]) -> Iterator[Problem]:
    """Characters without a meaning; they make the rest of a rule look wrong too."""
    for token in tokens:
        if token.kind == "unknown":
            sign = token.text[0]
            yield Problem(token.position, _HINTS.get(sign, f"'{sign}' has no meaning"))
        elif token.text == "otherwise":
            yield Problem(token.position, "'otherwise' must be the whole rule")


class _Parser:
    """Makes a test of the tokens, by way of Python's syntax tree; collects the problems."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.problems: list[Problem] = []
        self._tokens = tokens
        self._starts: list[int] = []  # where each token begins in the source for `ast`
        self._source = ""
        for number, token in enumerate(tokens):
            self._starts.append(len(self._source))
            word = token.text if token.kind in ("operator", "structure") else f"_{number}"
            self._source += ("None" if token.text == "missing" else word) + " "

    def parse(self) -> Test:
        """The test of the whole rule; of use if there are no problems."""
        level = 0
        for start, token in zip(self._starts, self._tokens, strict=True):
            level += (token.text == "(") - (token.text == ")")
            if level > DEEPEST:
                return self._wrong(start, _TOO_DEEP)
        for pattern, message in _TRAPS.items():
            if match := re.search(pattern, self._source):
                return self._wrong(match.start(), message)
        try:
            return self._test(ast.parse(self._source, mode="eval").body)
        except SyntaxError as error:
            offset = (error.offset or len(self._source)) - 1
            surprise = _SURPRISES.get(self._at(offset).text, "'{text}' was not expected here")
            return self._wrong(offset, surprise)
        except (RecursionError, MemoryError):
            return self._wrong(0, _TOO_DEEP)

    def _test(self, node: ast.expr, depth: int = 0) -> Test:
        if depth > DEEPEST:
            return self._wrong(node.col_offset, _TOO_DEEP)
        match node:
            case ast.UnaryOp(operand=part):
                inner = self._test(part, depth + 1)
                return lambda values: negate(inner(values))
            case ast.BoolOp(op=op, values=parts):
                tests = [self._test(part, depth + 1) for part in parts]
                decisive = isinstance(op, ast.Or)
                return lambda values: combine([t(values) for t in tests], decisive=decisive)
            case ast.Compare(left=left, ops=operators, comparators=others):
                return self._comparison(operators, [left, *others])
        return self._wrong(node.col_offset, "say what '{text}' is compared with")

    def _comparison(self, operators: list[ast.cmpop], sides: list[ast.expr]) -> Test:
        operands = [self._operand(side) for side in sides]
        for side, message in _mismatches(operators, operands):
            self._wrong(sides[side].col_offset, message)

        def test(values: Values) -> Truth:
            cells = [values(one) if isinstance(one, Column) else one for one in operands]
            triples = zip(operators, cells, cells[1:], strict=False)
            return combine([compare(*triple) for triple in triples], decisive=False)

        return test

    def _operand(self, node: ast.expr) -> Any:
        """A column, a number, a text, true, false, a tuple of those, or None for `missing`."""
        match node:
            case ast.Name() | ast.Constant():
                return self._at(node.col_offset).value
            case ast.List(elts=elements):
                values = [self._operand(element) for element in elements]
                for element, value in zip(elements, values, strict=True):
                    if value is None or isinstance(value, Column | tuple):
                        self._wrong(element.col_offset, "a list holds numbers and texts in quotes")
                return tuple(values)
        self._wrong(node.col_offset, _EXPECTED)
        return Column(())

    def _at(self, offset: int) -> _Token:
        return self._tokens[bisect_right(self._starts, offset) - 1]

    def _wrong(self, offset: int, message: str) -> Test:
        token = self._at(offset)
        self.problems.append(Problem(token.position, message.format(text=token.text)))
        return lambda _values: False


def _mismatches(operators: list[ast.cmpop], operands: list[Any]) -> Iterator[tuple[int, str]]:
    """What is wrong between the sides of a comparison: the number of a side, and the problem."""
    if None not in operands and not any(isinstance(one, Column) for one in operands):
        yield 0, "this compares no column and no key"
    for number, (operator, left, right) in enumerate(
        zip(operators, operands, operands[1:], strict=False)
    ):
        if isinstance(operator, ast.Is | ast.IsNot):
            if right is not None:
                yield number + 1, "only 'missing' can stand after 'is'"
            elif not isinstance(left, Column):
                yield number, "only a column or a key can be missing"
            elif len(operators) > 1:
                yield number + 1, "'is missing' cannot be part of a longer comparison"
        elif left is None or right is None:
            yield number + (right is None), "write 'NAME is missing'"
        elif isinstance(left, tuple):
            yield number, "a list can only stand after 'in'"
        elif not isinstance(operator, ast.In | ast.NotIn):
            if isinstance(right, tuple):
                yield number + 1, "a list can only stand after 'in'"
        elif isinstance(right, float | bool):
            yield number + 1, "'in' needs a list, a text or a column"
