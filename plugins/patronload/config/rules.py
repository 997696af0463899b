"""The rule for a field: where its value comes from, and how it is changed."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StrictBool, StrictStr, model_validator

from patronload.config import date_forms, value_steps
from patronload.config.conditions import Condition, is_usable
from patronload.config.packed import JsonKeys, Pair
from patronload.config.tenant_values import Age, days
from patronload.documents.models import Document

SOURCES = ("column", "value", "first_of", "join", "today")
"""The keys that give a value; a rule has exactly one of them, or `cases`."""

Text = Annotated[StrictStr, Field(min_length=1)]

Constant = Text | StrictBool | list[Text]
"""A value that is the same for every patron: text, true or false, or a list."""

Day = Annotated[
    str,
    Field(pattern=r"^(today|[+-][0-9]{1,3} years|[0-9]{4}-[0-9]{2}-[0-9]{2})$", examples=["2099-12-31", "+20 years"]),
]


def _several(written: Any) -> Any:
    """`adjust: end of month` is short for `adjust: [end of month]`."""
    return [written] if isinstance(written, str) else written


def _date_form(form: str) -> str:
    if not date_forms.has_day_month_and_year(form):
        raise ValueError(f"'{form}' must have day, month and year, each once. Write it like %m/%d/%Y or %d.%m.%Y.")
    return form


def _adjustment(written: str) -> str:
    date_forms.adjustment(written)
    return written


Several = BeforeValidator(_several, json_schema_input_type=str | list[str])

DateForms = Annotated[tuple[Annotated[StrictStr, AfterValidator(_date_form)], ...], Field(min_length=1), Several]
"""One form of a date, or several, which are tried in order."""

Adjustments = Annotated[tuple[Annotated[StrictStr, AfterValidator(_adjustment)], ...], Field(min_length=1), Several]
"""One change to a date, or several, applied in order."""


WrittenStep = Annotated[
    value_steps.Step,
    PlainValidator(value_steps.parse, json_schema_input_type=str | dict[str, Any]),
]
"""A step, written like `lower` or `{pad: 5}`."""


class Words(Document):
    """Constant text between joined columns."""

    text: Text


class Variant(Document):
    """One way to fill a field: a rule without `cases`, or a case of one."""

    column: str | None = Field(
        None, min_length=1, description="the column with the value; for several columns use first_of or join"
    )
    value: Constant | None = Field(None, description="the same value for every patron")
    first_of: list[str] | None = Field(None, min_length=2, description="the first of these columns that is not blank")
    join: list[str | Words] | None = Field(
        None,
        min_length=2,
        description="the values of these columns in one text, without the blank ones; {text: ...} is constant text",
    )
    today: Adjustments | Literal["group offset"] | None = Field(
        None,
        description="the day of the load, changed like a date with `adjust`; or `group offset`: plus the expiration "
        "offset of the patron group in FOLIO",
        examples=["+120 days"],
    )
    between: str | None = Field(None, alias="with", description="the text between joined columns; left out: a space")
    json_keys: JsonKeys | None = Field(
        None,
        alias="json",
        description="the key of a value in a cell that holds JSON, or the keys that lead to it",
        examples=["homeCampus", "[emails, 0, address]"],
    )
    pair: Pair | None = Field(
        None, description="the key of a value in a cell of pairs like SID:4711,LANG:EN", examples=["SID"]
    )
    steps: tuple[WrittenStep, ...] = Field((), description="named changes, applied in order")
    split: str | None = Field(None, min_length=1, description="the text between two values of a list in one cell")
    lookup: str | None = Field(None, description="the table in `lookups` that translates each code")
    date: DateForms | None = Field(
        None, description="the form of the date, like %m/%d/%Y, or a list of forms; a time after the date is ignored"
    )
    adjust: Adjustments = Field(
        (), description="changes to the date: +6 months, end of month, 31 August, next 31 August"
    )
    earliest: Day | None = Field(
        None, description="an earlier date rejects the row: a day, today, or a number of years from today"
    )
    latest: Day | None = Field(
        None, description="a later date rejects the row: a day, today, or a number of years from today"
    )
    outside: Literal["reject", "clamp", "blank"] = Field(
        "reject", description="a date that is too early or too late: reject the row, use the limit, or leave it out"
    )
    phone: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="the country of telephone numbers without +; they become international, like +13125550199",
    )
    default: Constant | None = Field(None, description="the value of the field if the row has none")

    @model_validator(mode="after")
    def _check_keys_fit(self) -> "Variant":
        self._check_source()
        if self.is_fixed and len(self.model_fields_set - {"when", "renew_within"}) > 1:
            raise ValueError(
                "a fixed value cannot be combined with other keys such as steps, lookup, date, split or required."
            )
        if any(not is_usable(column) for column in self.columns):
            raise ValueError("a column with this name cannot be read. Ask the sender for a name of letters and digits.")
        if self.join is not None and not self.columns:
            raise ValueError("'join' needs at least one column.")
        if self.between is not None and self.join is None:
            raise ValueError("'with' can only be used together with 'join'.")
        if self.json_keys is not None and self.pair is not None:
            raise ValueError("'json' and 'pair' cannot be combined: a cell holds either JSON or pairs.")
        if self.is_packed and self.join is not None:
            raise ValueError("'json' and 'pair' read a single cell, so they cannot be combined with 'join'.")
        self._check_date()
        if self.phone is not None and (self.date or self.lookup or self.split):
            raise ValueError("'phone' cannot be combined with 'date', 'lookup' or 'split'.")
        return self

    def _check_date(self) -> None:
        if self.date is not None and (self.lookup or self.split):
            raise ValueError("'date' cannot be combined with 'lookup' or 'split'.")
        if self.adjust and (self.split or not (self.date or self.lookup)):
            raise ValueError("'adjust' can only be used together with 'date', or with a lookup of dates.")
        limited = [name for name in ("earliest", "latest", "outside") if name in self.model_fields_set]
        if limited and self.date is None:
            raise ValueError(f"'{limited[0]}' can only be used together with 'date'.")
        if two := date_forms.ambiguous(self.forms):
            raise ValueError(
                f"the forms {two[0]} and {two[1]} read the same text as different days. Use one of them, or 'cases'."
            )

    @property
    def forms(self) -> list[str]:
        """The forms of the date, in the order in which they are tried."""
        return list(self.date or ())

    @property
    def adjustments(self) -> list[date_forms.Adjustment]:
        """The changes to the date, in order."""
        return [date_forms.adjustment(written) for written in self.adjust or self.today or ()]

    @property
    def is_group_offset(self) -> bool:
        """Whether the library system knows the date, by the patron's group."""
        return self.today == date_forms.GROUP_OFFSET

    @property
    def is_fixed(self) -> bool:
        """Whether the value does not depend on the row."""
        return self.value is not None or self.today is not None

    @property
    def is_packed(self) -> bool:
        """Whether the value is one of several in a cell."""
        return self.json_keys is not None or self.pair is not None

    @property
    def decodes_html(self) -> bool:
        """Whether a step decodes the entities of HTML."""
        return any(step.name == value_steps.decode_html.__name__ for step in self.steps)

    def _check_source(self) -> None:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(SOURCES)}; there {_are(given)}.")

    @property
    def columns(self) -> list[str]:
        """The columns with the values."""
        joined = [part for part in self.join or () if isinstance(part, str)]
        return [self.column] if self.column else self.first_of or joined


class Case(Variant):
    """A way to fill a field for some of the rows."""

    when: Condition | None = Field(
        None, description="the rows to which this case applies; if left out, in the last case: all others"
    )


class Rule(Variant):
    """The rule for one field."""

    cases: tuple[Case, ...] | None = Field(
        None, min_length=1, description="rules for different rows; the first case whose condition holds is used"
    )
    required: StrictBool = Field(False, description="a row without a value is rejected")
    renew_within: Age | None = Field(
        None, description="with `today`: a stored date stays until it is less than this many days away"
    )

    def _check_source(self) -> None:
        if self.renew_within and not all(case.today for case in self.variants):
            raise ValueError("'renew_within' can only be used together with 'today', in each case if there are any.")
        if self.cases is None:
            super()._check_source()
            return
        if others := self.model_fields_set - {"cases", "required", "renew_within"}:
            raise ValueError(f"'cases' can only be combined with 'required'. Move '{min(others)}' into the cases.")
        for place, case in enumerate(self.cases[:-1]):
            if case.when is None:
                raise ValueError(f"cases[{place}] has no 'when', so it is for all rows. Make it the last case.")

    @property
    def renew_days(self) -> int | None:
        """How many days before it ends a stored date is renewed; None if every load renews it."""
        return days(self.renew_within) if self.renew_within else None

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The cases of the rule, or the rule itself."""
        return self.cases or (self,)

    @property
    def columns(self) -> list[str]:
        """All columns that the rule reads: those with the values first, then those in conditions."""
        if self.cases is None:
            return super().columns
        values = [column for case in self.cases for column in case.columns]
        tests = [column for case in self.cases if case.when for column in case.when.columns]
        return list(dict.fromkeys([*values, *tests]))


def _are(given: list[str]) -> str:
    return f"are {' and '.join(given)}" if given else "is none"
