"""Answer the CQL queries that FOLIO's clients send, over records held as dictionaries."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sandbox.folio.folding import fold
from sandbox.folio.refusals import Refusal, text

Record = Mapping[str, Any]
Test = Callable[[Record], bool]


class Query(NamedTuple):
    """A parsed query."""

    matches: Test
    exact: dict[str, list[str]]
    """Per index: the values of which a match must hold one exactly; lets a table use its own look-up."""
    after: str
    """All matches have an id greater than this: how clients page."""
    sort: list[tuple[str, bool]]
    """Index and whether descending, most important first."""


EVERYTHING = Query(lambda _: True, {}, "", [])
"""No query at all."""


class Clause(NamedTuple):
    """A part of a query."""

    matches: Test
    exact: dict[str, list[str]]
    after: str = ""


_TOKEN = re.compile(r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<sign>==|<>|<=|>=|=|<|>|\(|\)|/)|(?P<word>[^\s"()=<>/]+))')
_COMPARISONS = ("==", "=", "<>", "<", ">", "<=", ">=")
_WORD_RELATIONS = ("adj", "all", "any")


def parse(query: str) -> Query:
    """`externalSystemId==("a" or "b") sortBy id` as something to run.

    Raises:
        Refusal: 400, when the text is not CQL. FOLIO: mod-users UsersAPI.response, "CQL Parsing Error for".
    """
    return _Parser(query).query()


class _Parser:
    """Recursive descent, as cql-java does it: booleans have no precedence and bind to the left."""

    def __init__(self, query: str) -> None:
        self._text = query
        self._tokens = self._split()
        self._at = 0

    def query(self) -> Query:
        clause = self._clauses(self._clause)
        sort = self._sort()
        if self._peek() is not None:
            raise self._error()
        return Query(clause.matches, clause.exact, clause.after, sort)

    def _split(self) -> list[str]:
        tokens: list[str] = []
        position, end = 0, len(self._text.rstrip())
        while position < end:
            found = _TOKEN.match(self._text, position)
            if found is None:
                raise self._error()
            tokens.append(found.group().strip())
            position = found.end()
        return tokens

    def _clauses(self, one: Callable[[], Clause]) -> Clause:
        left = one()
        while (word := self._word()) in ("and", "or", "not"):
            self._at += 1
            left = _combine(word, left, one())
        return left

    def _clause(self) -> Clause:
        if self._peek() == "(":
            return self._bracketed(self._clause)
        index = self._next()
        comparison = self._next().lower()
        if comparison not in (*_COMPARISONS, *_WORD_RELATIONS):
            raise self._error()
        if "number" in self._modifiers():
            comparison += "/number"
        if self._peek() == "(":
            return self._bracketed(lambda: _comparison(index, comparison, self._term()))
        return _comparison(index, comparison, self._term())

    def _modifiers(self) -> list[str]:
        """The modifier after a comparison, as in ==/number or =/@type=x; of these only number means something here."""
        found = []
        while self._peek() == "/":
            self._at += 1
            found.append(self._next().lower())
            if self._peek() in _COMPARISONS:
                self._at += 2
        return found

    def _bracketed(self, one: Callable[[], Clause]) -> Clause:
        self._at += 1
        clause = self._clauses(lambda: self._bracketed(one) if self._peek() == "(" else one())
        if self._next() != ")":
            raise self._error()
        return clause

    def _sort(self) -> list[tuple[str, bool]]:
        if self._word() != "sortby":
            return []
        self._at += 1
        keys: list[tuple[str, bool]] = []
        while self._peek() is not None:
            index = self._next()
            descending = "sort.descending" in self._modifiers()
            keys.append((index, descending))
        return keys

    def _term(self) -> str:
        token = self._next()
        if token in _COMPARISONS or token in ("(", ")", "/"):
            raise self._error()
        return token[1:-1] if token.startswith('"') else token

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _word(self) -> str | None:
        token = self._peek()
        return None if token is None else token.lower()

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise self._error()
        self._at += 1
        return token

    def _error(self) -> Refusal:
        return text(400, f"CQL Parsing Error for '{self._text}': the query is not CQL")


def _combine(word: str, left: Clause, right: Clause) -> Clause:
    if word == "and":
        after = max(left.after, right.after)
        return Clause(lambda row: left.matches(row) and right.matches(row), left.exact | right.exact, after)
    if word == "not":
        return Clause(lambda row: left.matches(row) and not right.matches(row), left.exact, left.after)
    after = min(left.after, right.after)
    return Clause(lambda row: left.matches(row) or right.matches(row), _either(left.exact, right.exact), after)


def _either(left: dict[str, list[str]], right: dict[str, list[str]]) -> dict[str, list[str]]:
    """The indexes that are certain after an `or`: those that both sides pin down."""
    return {index: values + right[index] for index, values in left.items() if index in right}


def _comparison(index: str, comparison: str, term: str) -> Clause:
    if index.lower() == "cql.allrecords":
        return Clause(lambda _: True, {})
    if index.lower() == "cql.serverchoice":
        raise text(400, "cql.serverChoice requested, but no serverChoiceIndexes defined.")
    if comparison == "==":
        return _equal(index, term)
    if comparison == "<>":
        equal = _equal(index, term)
        return Clause(lambda record: bool(_values(record, index)) and not equal.matches(record), {})
    if comparison.endswith("/number"):
        return _numeric(index, comparison.removesuffix("/number"), term)
    if comparison == "=" or comparison in _WORD_RELATIONS:
        words = _words_test(term, comparison)
        return Clause(lambda record: any(words(value) for value in _values(record, index)), {})
    order = _ORDERS[comparison]
    wanted = fold(_unmask(term))
    after = wanted if (index, comparison) == ("id", ">") else ""
    return Clause(lambda record: any(order(fold(value), wanted) for value in _values(record, index)), {}, after)


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda value, wanted: value < wanted,
    ">": lambda value, wanted: value > wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">=": lambda value, wanted: value >= wanted,
}


def _numeric(index: str, comparison: str, term: str) -> Clause:
    """FOLIO: RMB compares as numbers behind /number; what is not a number is never found."""
    compare = {"==": operator.eq, "=": operator.eq, "<>": operator.ne, **_ORDERS}[comparison]
    wanted = _number(term)

    def matches(record: Record) -> bool:
        values = map(_number, _values(record, index))
        return wanted is not None and any(value is not None and compare(value, wanted) for value in values)

    return Clause(matches, {})


def _number(text_of_number: str) -> float | None:
    try:
        return float(text_of_number)
    except ValueError:
        return None


def _equal(index: str, term: str) -> Clause:
    """FOLIO: RMB's `==` is LIKE over lower(f_unaccent(value)); * and ? are masks, a backslash takes that away."""
    if re.search(r"(?<!\\)[*?]", term):
        pattern = _mask(term)
        return Clause(lambda record: any(pattern.fullmatch(fold(value)) for value in _values(record, index)), {})
    wanted = fold(_unmask(term))
    return Clause(
        lambda record: any(fold(value) == wanted for value in _values(record, index)), {index: [_unmask(term)]}
    )


def _mask(term: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|[*?]|[^\\*?]+", term, re.DOTALL)
    wildcards = {"*": ".*", "?": "."}
    return re.compile("".join(wildcards.get(part) or re.escape(fold(_unmask(part))) for part in parts), re.DOTALL)


def _unmask(term: str) -> str:
    return re.sub(r"\\(.)", r"\1", term, flags=re.DOTALL) if "\\" in term else term


def _words_test(term: str, relation: str) -> Callable[[str], bool]:
    """
    FOLIO: RMB's `=` and `adj` are a full-text phrase; `^test_*` is the tsquery 'test':*, so test2_1 and a-test-1 match
    too. `all` wants each of the words, `any` one of them.
    """
    if relation in ("all", "any"):
        tests = [_words_test(word, "adj") for word in term.split()]
        return lambda value: (all if relation == "all" else any)(test(value) for test in tests)
    if not term:
        return lambda _: True
    prefix = term.endswith("*")
    wanted = _words(term)

    def is_found(value: str) -> bool:
        words = _words(value)
        starts = range(len(words) - len(wanted) + 1)
        return bool(wanted) and any(_phrase(words[start:], wanted, prefix) for start in starts)

    return is_found


def _words(value: str) -> list[str]:
    return re.findall(r"[^\W_]+", fold(value))


def _phrase(words: list[str], wanted: list[str], prefix: bool) -> bool:
    *first, last = wanted
    same = words[: len(first)] == first
    word = words[len(first)]
    return same and (word.startswith(last) if prefix else word == last)


def _values(record: Record, index: str) -> list[str]:
    """The texts under a dotted path; none when the record has no such thing (SQL's NULL matches nothing)."""
    value: Any = record.get(index)
    if value is None:
        value = record
        for name in index.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def sort_key(index: str) -> Callable[[Record], str]:
    """The order of a `sortBy`: folded text, records without the value first."""
    return lambda record: fold((_values(record, index) or [""])[0])
