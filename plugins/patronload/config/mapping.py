"""A mapping: which column of the export fills which field of the target, and the checks of an export."""

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, WithJsonSchema, model_validator

from patronload import systems
from patronload.config import date_forms, expectations, ownership, value_steps
from patronload.config.conditions import Skip, is_usable
from patronload.config.ownership import Owner
from patronload.documents import models
from patronload.documents.models import Document
from patronload.systems import System

OTHERWISE = "otherwise"
SOURCES = ("column", "value", "first_of", "join")


Day = Annotated[
    str,
    Field(pattern=r"^(today|[+-][0-9]{1,3} years|[0-9]{4}-[0-9]{2}-[0-9]{2})$", examples=["2099-12-31", "+20 years"]),
]


class Rule(Document):
    """The rule for one field: where its value comes from, and how it is changed."""

    column: str | None = Field(
        None, min_length=1, description="the column with the value; for several columns use first_of or join"
    )
    value: (
        Annotated[StrictStr, Field(min_length=1)] | StrictBool | list[Annotated[StrictStr, Field(min_length=1)]] | None
    ) = Field(None, description="the same value for every patron")
    first_of: list[str] | None = Field(None, min_length=2, description="the first of these columns that is not blank")
    join: list[str] | None = Field(
        None, min_length=2, description="the values of these columns in one text, without the blank ones"
    )
    between: str | None = Field(None, alias="with", description="the text between joined columns; left out: a space")
    steps: tuple[str, ...] = Field((), description="named changes, applied in order")
    split: str | None = Field(None, min_length=1, description="the text between two values of a list in one cell")
    lookup: str | None = Field(None, description="the table in `lookups` that translates each code")
    date: str | None = Field(None, description="the form of the date, like %m/%d/%Y")
    earliest: Day | None = Field(
        None, description="an earlier date rejects the row: a day, today, or a number of years from today"
    )
    latest: Day | None = Field(None, description="a later date rejects the row")
    phone: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="the country of telephone numbers without +; they become international, like +13125550199",
    )
    required: StrictBool = Field(False, description="a row without a value is rejected")

    @model_validator(mode="after")
    def _check_keys_fit(self) -> "Rule":
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(SOURCES)}; there {_are(given)}.")
        if self.value is not None and self.model_fields_set != {"value"}:
            raise ValueError(
                "a fixed value cannot be combined with other keys such as steps, lookup, date, split or required."
            )
        if any(not is_usable(column) for column in self.columns):
            raise ValueError("a column with this name cannot be read. Ask the sender for a name of letters and digits.")
        if self.between is not None and self.join is None:
            raise ValueError("'with' can only be used together with 'join'.")
        if self.date is not None and (self.lookup or self.split):
            raise ValueError("'date' cannot be combined with 'lookup' or 'split'.")
        if self.date is not None and not date_forms.has_day_month_and_year(self.date):
            raise ValueError(
                f"'{self.date}' must have day, month and year, each once. Write it like %m/%d/%Y or %d.%m.%Y."
            )
        if self.date is None and (self.earliest or self.latest):
            raise ValueError("'earliest' and 'latest' can only be used together with 'date'.")
        if self.phone is not None and (self.date or self.lookup or self.split):
            raise ValueError("'phone' cannot be combined with 'date', 'lookup' or 'split'.")
        return self

    @model_validator(mode="after")
    def _check_steps(self) -> "Rule":
        for step in self.steps:
            if step not in value_steps.STEPS:
                raise ValueError(f"there is no step '{step}'; {models.suggestion(step, value_steps.STEPS)}")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns of the export that this rule reads."""
        return [self.column] if self.column else self.first_of or self.join or []


def _are(given: list[str]) -> str:
    return f"are {' and '.join(given)}" if given else "is none"


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

Text = Annotated[StrictStr, Field(min_length=1)]

Table = Annotated[StrictStr, Field(pattern=r"^[\w-]+\.csv$", examples=["patron_groups.csv"])]
"""A CSV file next to the mapping file, with a header and then a code and its value in each line."""

Lookup = Annotated[dict[str, Text | StrictBool], Field(min_length=1)]
"""The value of each code; `otherwise` is for all other codes."""


class Mapping(Document):
    """A mapping file: which column fills which field."""

    target: TargetType
    description: str | None = None
    expect: Expectations = Expectations()
    skip: tuple[Skip, ...] = Field(
        (), description="rows that are not loaded, and are neither checked nor rejected: those that meet a condition"
    )
    fields: dict[str, Annotated[Rule, BeforeValidator(_full_rule, json_schema_input_type=str | Rule)]] = Field(
        min_length=1
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
    def columns(self) -> list[str]:
        """The columns of the export that the rules read, in the order of the file, each once."""
        lists = [*(rule.columns for rule in self.fields.values()), *(rule.columns for rule in self.skip)]
        return list(dict.fromkeys(column for columns in lists for column in columns))

    @property
    def required(self) -> list[str]:
        """The fields without which a row is rejected: those that the target requires and those marked `required`."""
        insisted = self.insisted_on
        return [path for path, rule in self.fields.items() if rule.columns and (rule.required or path in insisted)]

    @property
    def insisted_on(self) -> list[str]:
        """The fields without which the target refuses a patron, mapped or not."""
        within = self.system.required_within.items()
        needed = [path for parent, path in within if any(field.startswith(f"{parent}.") for field in self.fields)]
        return [*self.system.required, *needed]

    @property
    def unique(self) -> list[str]:
        """The mapped fields that no two patrons may share."""
        return [path for path in self.system.unique if path in self.fields]

    def over(self, columns: Collection[str]) -> "Mapping":
        """
        The mapping for an export that has only these columns: without the rules that read a missing column.

        Required fields stay, and so do the checks of existing columns and those of the column names.
        """
        kept = {
            path: rule
            for path, rule in self.fields.items()
            if path in self.required or all(column in columns for column in rule.columns)
        }
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
