"""A mapping: which column of the export goes to which field of the target, and what an export must be like."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, WithJsonSchema, model_validator

from patronload import systems
from patronload.config import expectations, ownership, value_steps
from patronload.config.ownership import Owner
from patronload.documents import models
from patronload.documents.models import Document
from patronload.systems import System

OTHERWISE = "otherwise"
SOURCES = ("column", "value", "first_of", "join")


def usable(column: str) -> bool:
    """Whether a column may be called so: * and ^...$ mean several columns to polars, and __...__ are ours."""
    return not (column == "*" or re.fullmatch(r"\^.*\$|__.*__", column))


Day = Annotated[
    str,
    Field(pattern=r"^(today|[+-][0-9]{1,3} years|[0-9]{4}-[0-9]{2}-[0-9]{2})$", examples=["2099-12-31", "+20 years"]),
]


class Rule(Document):
    """What goes into one field."""

    column: str | None = Field(
        None, min_length=1, description="the column to take; of several columns there are first_of and join"
    )
    value: (
        Annotated[StrictStr, Field(min_length=1)] | StrictBool | list[Annotated[StrictStr, Field(min_length=1)]] | None
    ) = Field(None, description="the same for every patron")
    first_of: list[str] | None = Field(None, min_length=2, description="the first of these columns that is not empty")
    join: list[str] | None = Field(
        None, min_length=2, description="these columns, those that are not empty, in one text"
    )
    between: str | None = Field(
        None, alias="with", description="what stands between joined columns; a space if left out"
    )
    steps: tuple[str, ...] = Field((), description="named changes, one after the other")
    split: str | None = Field(None, min_length=1, description="what stands between two values of a list in one cell")
    lookup: str | None = Field(None, description="the table below `lookups` that says what each code becomes")
    date: str | None = Field(None, description="how the date is written, like %m/%d/%Y")
    earliest: Day | None = Field(
        None, description="a date before this rejects the row: a day, today, or so many years from today"
    )
    latest: Day | None = Field(None, description="a date after this rejects the row")
    phone: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="the country whose telephone numbers are written without +, for +13125550199",
    )
    required: StrictBool = Field(False, description="a row without it is rejected")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Rule":
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(SOURCES)}; there is {' and '.join(given) or 'none'}.")
        if self.value is not None and self.model_fields_set != {"value"}:
            raise ValueError("a fixed value stands alone: it needs no steps, lookup, date, split or required.")
        if any(not usable(column) for column in self.columns):
            raise ValueError("a column of this name cannot be read; ask the sender for a name of letters and digits.")
        if self.between is not None and self.join is None:
            raise ValueError("'with' goes with 'join' only.")
        if self.date is not None and (self.lookup or self.split):
            raise ValueError("a date is neither looked up nor split.")
        if self.date is not None and not _names_a_day(self.date):
            raise ValueError(
                f"'{self.date}' does not tell day, month and year, each once. Write it like %m/%d/%Y or %d.%m.%Y."
            )
        if self.date is None and (self.earliest or self.latest):
            raise ValueError("'earliest' and 'latest' go with 'date' only.")
        if self.phone is not None and (self.date or self.lookup or self.split):
            raise ValueError("a telephone number is neither a date, nor looked up, nor split.")
        return self

    @model_validator(mode="after")
    def _steps_are_known(self) -> "Rule":
        for step in self.steps:
            if step not in value_steps.STEPS:
                raise ValueError(f"no step is called '{step}'; {models.suggestion(step, value_steps.STEPS)}")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns of the export that this rule reads."""
        return [self.column] if self.column else self.first_of or self.join or []


def _short_rule(written: Any) -> Any:
    """`barcode: CARD` is short for `barcode: {column: CARD}`."""
    return {"column": written} if isinstance(written, str) else written


DIRECTIVES = {*"YymbBdejaAF%", "-d", "-m"}
"""Of strftime's, those that are about a day."""


def _names_a_day(form: str) -> bool:
    """Whether a day that is written in this form can be read again."""
    if not set(re.findall(r"%(-?.)", form)) <= DIRECTIVES or not re.search(r"%-?[yY]|%F", form):
        return False
    day = datetime(2003, 12, 31)  # noqa: DTZ001 - a day has no zone
    try:
        read = datetime.strptime(day.strftime(form), form)  # noqa: DTZ007 - as above
    except (ValueError, re.error):  # the latter for a form that tells something twice
        return False
    return read == day


class Expectation(Document):
    """One Great Expectations check, by its own name: `expect_column_values_to_be_unique: {column: CARD}`."""

    name: str
    arguments: dict[str, Any]


def _single_key(written: Any) -> Any:
    if isinstance(written, dict) and len(written) == 1:
        ((name, arguments),) = written.items()
        if re.fullmatch(r"expect_\w+", name) and isinstance(arguments, dict | None):
            return {"name": name, "arguments": arguments or {}}
    raise ValueError("write one check a line, like '- expect_column_values_to_be_unique: {column: CARD}'.")


WrittenExpectation = Annotated[
    Expectation,
    BeforeValidator(
        _single_key,
        json_schema_input_type=dict[Annotated[str, Field(pattern=r"^expect_\w+$")], dict[str, Any] | None],
    ),
]


class Expectations(Document):
    """
    What an export must be like: a failure under `file` stops the run, one under `rows` rejects the row, one under
    `blank` empties the one cell, and one under `warn` is only told.
    """

    file: tuple[WrittenExpectation, ...] = Field((), description="a failure stops the run; nothing is sent")
    rows: tuple[WrittenExpectation, ...] = Field((), description="a failure rejects the row")
    blank: tuple[WrittenExpectation, ...] = Field((), description="a failure empties the cell; the patron is loaded")
    warn: tuple[WrittenExpectation, ...] = Field((), description="a failure is told, and the patron is loaded")

    def scopes(self) -> dict[str, tuple[Expectation, ...]]:
        """The expectations by what a failure does."""
        return {"file": self.file, "rows": self.rows, "blank": self.blank, "warn": self.warn}


def _is_target(written: str) -> str:
    if written not in systems.KNOWN:
        listed = " or ".join(f"'{name}'" for name in systems.KNOWN)
        raise ValueError(f"takes {listed}; '{written}' was given.")
    return written


TargetType = Annotated[str, AfterValidator(_is_target), WithJsonSchema({"enum": list(systems.KNOWN)})]

Text = Annotated[StrictStr, Field(min_length=1)]

Table = Annotated[StrictStr, Field(pattern=r"^[\w-]+\.csv$", examples=["patron_groups.csv"])]
"""A file beside the mapping file with a table of codes: a header, then a code and its value in each line."""

Lookup = Annotated[dict[str, Text | StrictBool], Field(min_length=1)]
"""What each code becomes; `otherwise` is for all codes that are not listed."""


class Mapping(Document):
    """The file that says which column goes to which field."""

    target: TargetType
    description: str | None = None
    expect: Expectations = Expectations()
    fields: dict[str, Annotated[Rule, BeforeValidator(_short_rule, json_schema_input_type=str | Rule)]] = Field(
        min_length=1
    )
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    ownership: dict[str, Owner] = Field(
        default_factory=dict,
        description="who may change a field of a patron who is there already: campus, library, first or last",
    )

    @property
    def system(self) -> System:
        """The kind of library system that the mapping is for."""
        return systems.KNOWN[self.target]

    @property
    def columns(self) -> list[str]:
        """The columns of the export that the fields are made of, in the order of the file, each once."""
        return list(dict.fromkeys(column for rule in self.fields.values() for column in rule.columns))

    @property
    def required(self) -> list[str]:
        """The fields without which a row is rejected: those the target insists on and those marked `required`."""
        insisted = self.insisted_on
        return [path for path, rule in self.fields.items() if rule.columns and (rule.required or path in insisted)]

    @property
    def insisted_on(self) -> list[str]:
        """The fields without which the target refuses a patron, whether they are mapped or not."""
        within = self.system.required_within.items()
        needed = [path for parent, path in within if any(field.startswith(f"{parent}.") for field in self.fields)]
        return [*self.system.required, *needed]

    @property
    def unique(self) -> list[str]:
        """The mapped fields that no two patrons may share."""
        return [path for path in self.system.unique if path in self.fields]

    def over(self, columns: Collection[str]) -> "Mapping":
        """
        The mapping for an export that has only these columns: what is made of a missing one is not filled at all.

        Fields without which a row is rejected stay; so do the checks of columns that are there, and those that ask
        which columns there are.
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
        """The mapping with more expectations, behind its own."""
        own, added = self.expect.scopes(), more.scopes()
        both = {scope: own[scope] + added[scope] for scope in own}
        return self.model_copy(update={"expect": self.expect.model_copy(update=both)})

    def lacking(self, columns: Collection[str]) -> list[str]:
        """What to tell of an export that has only these columns, if it may be loaded at all; see `over`."""
        missing = [column for column in self.columns if column not in columns]
        what = f"The export has no column {', '.join(missing)}; what is made of it stays as the library system has it."
        return [what] if missing else []

    def owner(self, path: str) -> Owner:
        """Who owns the field at `path`, or what is around it."""
        return ownership.owner(self.ownership, self.target, path)

    def source_of(self, path: str) -> str:
        """The columns that a field is made of, as the rejects name them."""
        return " + ".join(self.fields[path].columns) if path in self.fields else ""
