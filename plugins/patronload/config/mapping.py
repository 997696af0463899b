"""A mapping: which column of the export fills which field of the target, and the checks of an export."""

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, WithJsonSchema

from patronload import systems
from patronload.config import expectations, ownership
from patronload.config.conditions import ColumnName, Skip
from patronload.config.ownership import Owner
from patronload.config.rules import Rule, Text
from patronload.documents.models import Document
from patronload.plain_text import composed
from patronload.systems import System
from patronload.systems.description import Kind

OTHERWISE, BLANK = "otherwise", "blank"
"""The keys of a lookup for all codes that are not listed, and for a blank cell."""


def _full_rule(written: Any) -> Any:
    """`barcode: CARD` is short for `barcode: {column: CARD}`."""
    return {"column": written} if isinstance(written, str) else written


class Expectation(Document):
    """One Great Expectations check by its own name, like `expect_column_values_to_be_unique: {column: CARD}`."""

    name: str
    arguments: dict[str, Any]


def _single_key(written: Any) -> Any:
    if isinstance(written, dict) and len(written) == 1:
        ((name, arguments),) = written.items()
        if re.fullmatch(r"expect_\w+", name) and isinstance(arguments, dict | None):
            return {"name": name, "arguments": arguments or {}}
    raise ValueError("write one check per line, like '- expect_column_values_to_be_unique: {column: CARD}'.")


WrittenExpectation = Annotated[
    Expectation,
    BeforeValidator(
        _single_key,
        json_schema_input_type=dict[Annotated[str, Field(pattern=r"^expect_\w+$")], dict[str, Any] | None],
    ),
]


class Expectations(Document):
    """
    The checks of an export, by what a failure does: `file` stops the run, `rows` rejects the row, `blank` empties the
    cell, and `warn` is only reported.
    """

    file: tuple[WrittenExpectation, ...] = Field((), description="a failure stops the run; nothing is sent")
    rows: tuple[WrittenExpectation, ...] = Field((), description="a failure rejects the row")
    blank: tuple[WrittenExpectation, ...] = Field((), description="a failure empties the cell; the patron is loaded")
    warn: tuple[WrittenExpectation, ...] = Field((), description="a failure is reported; the patron is loaded")

    def scopes(self) -> dict[str, tuple[Expectation, ...]]:
        """The expectations by what a failure does."""
        return {"file": self.file, "rows": self.rows, "blank": self.blank, "warn": self.warn}


def _target_type(written: str) -> str:
    if written not in systems.KNOWN:
        listed = " or ".join(f"'{name}'" for name in systems.KNOWN)
        raise ValueError(f"takes {listed}; '{written}' was given.")
    return written


TargetType = Annotated[str, AfterValidator(_target_type), WithJsonSchema({"enum": list(systems.KNOWN)})]

Table = Annotated[StrictStr, Field(pattern=r"^[\w-]+\.csv$", examples=["patron_groups.csv"])]
"""A CSV file next to the mapping file, with a header and then a code and its value in each line."""

TO_FILL_IN = "WHICH COLUMN?"
"""Marks a place in a draft where a person has to enter a column."""

BLANK_WORDS = (
    *(r"\N", "(null)", "(NULL)", "(Null)", "<null>", "<NULL>", "<Null>", "[null]", "[NULL]", "[Null]"),
    *("N/A", "n/a", "N/a", "N.A.", "n.a.", "-", "--", "---", "\u2013", "\u2014", "NaN", "<NA>", "NaT"),
)
"""Words that count as blank unless a mapping says otherwise. None of them is a name; #N/A is an error of
a spreadsheet, which rejects the row."""

BLANK_WORDS_OUTSIDE_NAMES = ("NULL", "null")
"""These count as blank too, except in columns with names: there are people called Null."""


def _require_quotes(word: Any) -> Any:
    if word is None:
        raise ValueError('YAML reads NULL, null and ~ as nothing. Write the word in quotes, like "NULL".')
    return word


BlankWord = Annotated[Text, BeforeValidator(_require_quotes, json_schema_input_type=str)]


def _different(order: tuple[str, ...]) -> tuple[str, ...]:
    order = tuple(map(composed, order))
    for value in order:
        if order.count(value) > 1 or value != value.strip():
            raise ValueError(f"'{value}' occurs twice, or has blanks around it. Write each value once, without them.")
    return order


Code = Annotated[str, AfterValidator(composed)]

Lookup = Annotated[dict[Code, Text | StrictBool], Field(min_length=1)]
"""The value of each code; `otherwise` is for all other codes, `blank` for a blank cell."""


class Prefer(Document):
    """The rule for a person with several rows: which row is loaded."""

    column: ColumnName = Field(description="the column that decides")
    order: Annotated[tuple[Text, ...], Field(min_length=2), AfterValidator(_different)] = Field(
        description="its values, the preferred one first", examples=["[FAC, STF, UG]"]
    )


class Mapping(Document):
    """A mapping file: which column fills which field."""

    target: TargetType
    description: str | None = None
    expect: Expectations = Expectations()
    newcomers: Literal["create", "reject", "skip"] = Field(
        "create",
        description="patrons of the file whom the library system does not have: create them, reject their rows, or "
        "skip their rows; with reject and skip, only the key is required",
    )
    prefer: Prefer | None = Field(
        None, description="the row that is loaded if a person has several; the others are skipped"
    )
    combine: tuple[str, ...] = Field(
        (),
        description="lists that are made of all rows of a person who has several; the other rows are skipped",
        examples=["[departments, personal.addresses]"],
    )
    skip: tuple[Skip, ...] = Field(
        (), description="rows that are not loaded, and are neither checked nor rejected: those that meet a condition"
    )
    fields: dict[str, Annotated[Rule, BeforeValidator(_full_rule, json_schema_input_type=str | Rule)]] = Field(
        min_length=1
    )
    blank_words: tuple[BlankWord, ...] | None = Field(
        None,
        description="cells with one of these words count as blank; left out: \\N, (null), N/A, - and the like, and "
        "NULL except in columns with names",
        examples=['["NULL", NONE]'],
    )
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    ownership: dict[str, Owner] = Field(
        default_factory=dict,
        description="who may change a field of an existing patron: campus, library, first or last",
    )

    @property
    def system(self) -> System:
        """The library system that the mapping is for."""
        return systems.KNOWN[self.target]

    @property
    def doubts(self) -> list[str]:
        """The warnings of `check`."""
        left = [path for path, rule in self.fields.items() if TO_FILL_IN in rule.columns]
        return [f"{', '.join(left)}: write the column's name instead of '{TO_FILL_IN}'."] if left else []

    @property
    def columns(self) -> list[str]:
        """The columns of the export that the rules read, in the order of the file, each once."""
        lists = [*(rule.columns for rule in self.fields.values()), *(rule.columns for rule in self.skip)]
        lists += [[self.prefer.column]] if self.prefer else []
        return list(dict.fromkeys(column for columns in lists for column in columns))

    def is_combined(self, path: str) -> bool:
        """Whether a field is made of all rows of a person."""
        return re.sub(r"\[.*", "", path) in self.combine

    @property
    def can_be_combined(self) -> list[str]:
        """The lists that the mapping fills."""
        lists = [path for path, rule in self.fields.items() if any(variant.split for variant in rule.variants)]
        named = [path for path in self.fields if self.system.kind(path) is Kind.LIST]
        return list(dict.fromkeys([*named, *lists, *(path.partition("[")[0] for path in self.fields if "[" in path)]))

    @property
    def checked_columns(self) -> list[str]:
        """The columns that the expectations check."""
        asked = [check for checks in self.expect.scopes().values() for check in checks]
        return [column for check in asked for column in expectations.columns(check.name, check.arguments)]

    def blank_words_in(self, column: str) -> frozenset[str]:
        """The words that count as blank in a column: by default none that is a code or may be a name there."""
        if self.blank_words is not None:
            return frozenset(self.blank_words)
        rules = [(path, rule) for path, rule in self.fields.items() if column in rule.columns]
        words = (
            {*BLANK_WORDS}
            if any(path in self.system.names_of_people for path, _ in rules)
            else {
                *BLANK_WORDS,
                *BLANK_WORDS_OUTSIDE_NAMES,
            }
        )
        tables = {variant.lookup for _, rule in rules for variant in rule.variants if variant.lookup}
        return frozenset(
            words.difference(*(self.lookups.get(name, {}) for name in tables), self._compared_texts(column))
        )

    def blank_words_within(self, path: str) -> frozenset[str]:
        """The words that count as blank where a cell of the field has several values."""
        rule = self.fields[path]
        if not any(variant.is_packed or variant.split for variant in rule.variants):
            return frozenset()
        return frozenset.intersection(*(self.blank_words_in(column) for column in rule.columns))

    def _compared_texts(self, column: str) -> set[str]:
        """The texts that conditions compare a column with."""
        whens = [case.when for rule in self.fields.values() for case in rule.cases or () if case.when]
        preferred = set(self.prefer.order) if self.prefer and self.prefer.column == column else set()
        return preferred.union(text for condition in (*self.skip, *whens) for text in condition.texts(column))

    @property
    def required(self) -> list[str]:
        """The fields without which a row is rejected: those that the target requires and those marked `required`."""
        insisted = self.insisted_on
        return [path for path, rule in self.fields.items() if rule.columns and (rule.required or path in insisted)]

    @property
    def insisted_on(self) -> list[str]:
        """The fields without which the target refuses a patron, mapped or not; of known patrons only the key."""
        if self.newcomers != "create":
            return [self.system.key]
        within = self.system.required_within.items()
        needed = [path for parent, path in within if any(field.startswith(f"{parent}.") for field in self.fields)]
        return [*self.system.required, *needed]

    @property
    def unique(self) -> list[str]:
        """The mapped fields that no two patrons may share."""
        return [path for path in self.system.unique if path in self.fields]

    @property
    def unique_in_file(self) -> list[str]:
        """The unique fields that no two rows may share, whatever the library system has."""
        return [path for path in self.unique if path not in self.system.settled_by_plan]

    def over(self, columns: Collection[str]) -> "Mapping":
        """
        The mapping for an export that has only these columns: without the rules that read a missing column.

        Required fields stay, and so do the checks of existing columns and those of the column names. A field that is
        only required within an object goes if the export has nothing else for that object.
        """
        there = {path for path, rule in self.fields.items() if all(column in columns for column in rule.columns)}
        untouched = {
            path
            for parent, path in self.system.required_within.items()
            if path in self.fields and not self.fields[path].required
            if not any(self.fields[field].columns for field in there if field.startswith(f"{parent}."))
        }
        needed = set(self.required) - untouched
        kept = {path: rule for path, rule in self.fields.items() if path in needed or path in there}
        gone = {column for path, rule in self.fields.items() if path not in kept for column in rule.columns}
        missing = gone - set(columns)
        checks = {
            scope: tuple(
                check for check in asked if missing.isdisjoint(expectations.columns(check.name, check.arguments))
            )
            for scope, asked in self.expect.scopes().items()
        }
        return self.model_copy(update={"fields": kept, "expect": self.expect.model_copy(update=checks)})

    def expecting(self, more: Expectations) -> "Mapping":
        """The mapping with more expectations after its own."""
        own, added = self.expect.scopes(), more.scopes()
        both = {scope: own[scope] + added[scope] for scope in own}
        return self.model_copy(update={"expect": self.expect.model_copy(update=both)})

    def lacking(self, columns: Collection[str]) -> list[str]:
        """The warning for an export that has only these columns; see `over`."""
        missing = [column for column in self.columns if column not in columns]
        which = f"no column {missing[0]}" if len(missing) == 1 else f"no columns {', '.join(missing)}"
        kept = f"The export has {which}. The fields that need it keep their value in {self.system.name}."
        return [kept] if missing else []

    def owner(self, path: str) -> Owner:
        """The owner of the field at `path`, or of the object around it."""
        return ownership.owner(self.ownership, self.target, path)

    def source_of(self, path: str) -> str:
        """The columns that a field's rule reads, as the rejects name them."""
        return " + ".join(self.fields[path].columns) if path in self.fields else ""
