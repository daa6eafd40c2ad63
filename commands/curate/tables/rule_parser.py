"""The grammar of label rules: text to a small tree, with every problem by its position. No numpy.

or := and ("or" and)*            and := not ("and" not)*         not := "not" not | test
test := value (operator value)+ | name "is" ["not"] "missing" | "(" or ")"
value := number | text | true | false | missing | name ("." name)* | "[" value, … "]"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

LONGEST = 10_000
"""Longest rule, in characters."""
DEEPEST = 50
"""Most parentheses and negations inside of each other."""
OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "in", "not in")
_WORDS = frozenset({"and", "or", "not", "in", "is", "missing", "true", "false", "otherwise"})
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<name>\w+)
    | `(?P<quoted>[^`]*)`
    | "(?P<double>[^"]*)"
    | '(?P<single>[^']*)'
    | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|\.)
    | (?P<end>$)
    )""",
    re.X,
)
_HINTS = {
    "=": "compare with ==",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "<>": "compare with !=",
    '"': 'a text that is not closed: "',
    "'": "a text that is not closed: '",
    "`": "a name that is not closed: `",
}


class Problem(NamedTuple):
    """What is wrong, and at which character of the rule, from 1."""

    position: int
    message: str

    def __str__(self) -> str:
        return f"at character {self.position}: {self.message}"


@dataclass(frozen=True)
class Literal:
    """A number, a text, true, false, or a list of them."""

    value: Any


@dataclass(frozen=True)
class Name:
    """A column, or a key; more parts are keys inside of it."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Compare:
    """Sides with an operator between each two, all of which must hold."""

    sides: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """Whether a name says nothing; or, negated, something."""

    name: Name
    negated: bool


@dataclass(frozen=True)
class Logic:
    """`and`, `or` of several, `not` of one."""

    word: str
    parts: tuple[Node, ...]


Node = Literal | Name | Compare | Missing | Logic


class _Token(NamedTuple):
    kind: str  # number, name, quoted, text, sign, word, end
    text: str
    position: int


class _WrongError(Exception):
    """The rest of the rule makes no sense."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(position, message)


def parse(text: str) -> tuple[Node, list[Problem]]:
    """The tree of a rule, and all that is wrong with it; the tree is of use when nothing is."""
    if len(text) > LONGEST:
        return Literal(False), [Problem(LONGEST, f"a rule of more than {LONGEST} characters")]
    tokens, found = _tokens(text)
    parser = _Parser(tokens)
    try:
        node = parser.whole()
    except _WrongError as error:
        if not found:  # what has no meaning makes the rest of it look wrong too
            found.append(error.problem)
        node = Literal(False)
    return node, sorted([*found, *parser.problems])


def names_of(node: Node) -> Iterator[Name]:
    """The names in a tree, from left to right."""
    if isinstance(node, Name):
        yield node
    elif isinstance(node, Missing):
        yield node.name
    elif isinstance(node, Compare):
        for side in node.sides:
            yield from names_of(side)
    elif isinstance(node, Logic):
        for part in node.parts:
            yield from names_of(part)


def _tokens(text: str) -> tuple[list[_Token], list[Problem]]:
    tokens: list[_Token] = []
    found: list[Problem] = []
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            character = text[start]
            found.append(Problem(start + 1, _HINTS.get(character, f"'{character}' has no meaning")))
            if character in "\"'`":  # all that follows lies inside of it
                start = len(text)
            at = start + (2 if text[start : start + 2] in ("&&", "||") else 1)
            if at >= len(text):
                tokens.append(_Token("end", "", len(text) + 1))
                return tokens, found
            continue
        kind = match.lastgroup or "end"
        value = match[kind]
        position = match.start(kind) + (0 if kind in ("double", "single", "quoted") else 1)
        at = match.end()
        if kind in ("double", "single"):
            kind = "text"
        elif kind == "name" and value.lower() in _WORDS:
            kind, value = "word", value.lower()
        tokens.append(_Token(kind, value, position))
        if kind == "end":
            return tokens, found


class _Parser:
    """Recursive descent, one method a line of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self.problems: list[Problem] = []

    def whole(self) -> Node:
        """The whole rule."""
        if self._now.kind == "end":
            raise _WrongError(self._now.position, "the rule is empty")
        node = self._or()
        if self._now.kind != "end":
            raise _WrongError(self._now.position, f"'{self._now.text}' was not expected here")
        return node

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._now
        self._at += token.kind != "end"
        return token

    def _is(self, kind: str, *texts: str) -> bool:
        return self._now.kind == kind and self._now.text in texts

    def _or(self) -> Node:
        return self._joined("or", self._and)

    def _and(self) -> Node:
        return self._joined("and", self._not)

    def _joined(self, word: str, part: Any) -> Node:
        parts = [part()]
        while self._is("word", word):
            self._next()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Logic(word, tuple(parts))

    def _not(self) -> Node:
        if not self._is("word", "not"):
            return self._test()
        token = self._next()
        with_depth = self._deeper(token)
        node = Logic("not", (self._not(),))
        self._depth -= with_depth
        return node

    def _deeper(self, token: _Token) -> int:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _WrongError(token.position, "too many levels of parentheses and 'not'")
        return 1

    def _test(self) -> Node:
        if self._is("sign", "("):
            token = self._next()
            self._deeper(token)
            node = self._or()
            self._depth -= 1
            if not self._is("sign", ")"):
                raise _WrongError(token.position, "a parenthesis that is not closed")
            self._next()
            return node
        start = self._now
        left = self._value()
        if self._is("word", "is"):
            return self._missing(left, start)
        sides, operators = [left], []
        while (word := self._operator()) is not None:
            operators.append(word)
            at = self._now
            sides.append(self._value())
            inside = word in ("in", "not in")
            if inside and isinstance(sides[-1], Literal) and not _holds(sides[-1].value):
                self.problems.append(Problem(at.position, "'in' needs a list, a text or a column"))
            elif not inside and any(_is_list(side) for side in sides[-2:]):
                self.problems.append(Problem(at.position, "a list can only stand after 'in'"))
        if not operators:
            what = f"say what '{start.text}' is compared with"
            raise _WrongError(start.position, what)
        if not any(isinstance(side, Name) for side in sides):
            self.problems.append(Problem(start.position, "this compares no column and no key"))
        return Compare(tuple(sides), tuple(operators))

    def _missing(self, left: Node, start: _Token) -> Node:
        self._next()
        negated = self._is("word", "not")
        if negated:
            self._next()
        if not self._is("word", "missing"):
            raise _WrongError(self._now.position, "only 'missing' can stand after 'is'")
        self._next()
        if not isinstance(left, Name):
            raise _WrongError(start.position, "only a column or a key can be missing")
        return Missing(left, negated)

    def _operator(self) -> str | None:
        if self._is("sign", "==", "!=", "<=", ">=", "<", ">") or self._is("word", "in"):
            return self._next().text
        if self._is("word", "not"):
            token = self._next()
            if not self._is("word", "in"):
                raise _WrongError(token.position, "'in' was expected after 'not'")
            self._next()
            return "not in"
        return None

    def _value(self) -> Node:
        token = self._next()
        if token.kind == "number":
            return Literal(float(token.text))
        if token.kind == "text":
            return Literal(token.text)
        if token.kind == "word" and token.text in ("true", "false"):
            return Literal(token.text == "true")
        if token.kind in ("name", "quoted"):
            return self._name(token)
        if token.kind == "sign" and token.text == "[":
            return self._list(token)
        raise _WrongError(token.position, _unexpected(token))

    def _name(self, token: _Token) -> Name:
        parts = [token.text]
        while self._is("sign", "."):
            self._next()
            key = self._next()
            if key.kind not in ("name", "quoted", "word"):
                raise _WrongError(key.position, "a key was expected after the dot")
            parts.append(key.text)
        return Name(tuple(parts))

    def _list(self, token: _Token) -> Literal:
        values: list[Any] = []
        while not self._is("sign", "]"):
            at = self._now
            one = self._value()
            if not isinstance(one, Literal) or isinstance(one.value, tuple):
                what = "a list holds numbers and texts in quotes"
                self.problems.append(Problem(at.position, what))
            else:
                values.append(one.value)
            if self._is("sign", ","):
                self._next()
            elif not self._is("sign", "]"):
                raise _WrongError(token.position, "a list that is not closed")
        self._next()
        return Literal(tuple(values))


def _unexpected(token: _Token) -> str:
    if token.kind == "end":
        return "the rule ends where a column, a number or a text was expected"
    if token.text == "otherwise":
        return "'otherwise' must be the whole rule"
    if token.text == "missing":
        return "write 'NAME is missing'"
    return f"a column, a number or a text was expected, not '{token.text}'"


def _holds(value: Any) -> bool:
    return isinstance(value, tuple | str)


def _is_list(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, tuple)
