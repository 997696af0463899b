"""The rule for a field: where its value comes from, and how it is changed."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictStr, model_validator

from patronload.config import date_forms, value_steps
from patronload.config.conditions import Condition, is_usable
from patronload.documents import models
from patronload.documents.models import Document

SOURCES = ("column", "value", "first_of", "join")
"""The keys that give a value; a rule has exactly one of them, or `cases`."""

Text = Annotated[StrictStr, Field(min_length=1)]

Constant = Text | StrictBool | list[Text]
"""A value that is the same for every patron: text, true or false, or a list."""

Day = Annotated[
    str,
    Field(pattern=r"^(today|[+-][0-9]{1,3} years|[0-9]{4}-[0-9]{2}-[0-9]{2})$", examples=["2099-12-31", "+20 years"]),
]


class Variant(Document):
    """One way to fill a field: a rule without `cases`, or a case of one."""

    column: str | None = Field(
        None, min_length=1, description="the column with the value; for several columns use first_of or join"
    )
    value: Constant | None = Field(None, description="the same value for every patron")
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
    default: Constant | None = Field(None, description="the value of the field if there is none in the row")

    @model_validator(mode="after")
    def _check_keys_fit(self) -> "Variant":
        self._check_source()
        if self.value is not None and self.model_fields_set - {"when"} != {"value"}:
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
    def _check_steps(self) -> "Variant":
        for step in self.steps:
            if step not in value_steps.STEPS:
                raise ValueError(f"there is no step '{step}'; {models.suggestion(step, value_steps.STEPS)}")
        return self

    def _check_source(self) -> None:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(SOURCES)}; there {_are(given)}.")

    @property
    def columns(self) -> list[str]:
        """The columns with the values."""
        return [self.column] if self.column else self.first_of or self.join or []


class Case(Variant):
    """A way to fill a field for some of the rows."""

    when: Condition | None = Field(
        None, description="the rows that this case is for; left out, in the last case: all others"
    )


class Rule(Variant):
    """The rule for one field."""

    cases: tuple[Case, ...] | None = Field(
        None, min_length=1, description="rules for different rows; the first case whose condition holds is used"
    )
    required: StrictBool = Field(False, description="a row without a value is rejected")

    def _check_source(self) -> None:
        if self.cases is None:
            super()._check_source()
            return
        if others := self.model_fields_set - {"cases", "required"}:
            raise ValueError(f"'cases' can only be combined with 'required'. Move '{min(others)}' into the cases.")
        for place, case in enumerate(self.cases[:-1]):
            if case.when is None:
                raise ValueError(f"cases[{place}] has no 'when', so it is for all rows. Make it the last case.")

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
