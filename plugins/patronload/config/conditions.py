"""Conditions on the columns of a row, for `skip` and `cases`."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, model_validator

from patronload.config.patterns import Pattern
from patronload.documents.models import Document
from patronload.plain_text import composed

TESTS = ("is", "is_not", "matches", "blank")
"""The keys of a condition that test the cell; a condition has exactly one of them."""


def is_usable(column: str) -> bool:
    """Whether a column may have this name: polars reads * and ^...$ as several columns, and __...__ are ours."""
    return not (column == "*" or re.fullmatch(r"\^.*\$|__.*__", column))


def _column(name: str) -> str:
    if not is_usable(name):
        raise ValueError("a column with this name cannot be read. Ask the sender for a name of letters and digits.")
    return name


def _several(written: Any) -> Any:
    """`is: ALUM` is short for `is: [ALUM]`."""
    return written if written is None or isinstance(written, list | tuple) else [written]


ColumnName = Annotated[StrictStr, Field(min_length=1), AfterValidator(_column)]
"""A column of the export."""

Values = Annotated[
    tuple[Annotated[StrictStr, Field(min_length=1), AfterValidator(composed)], ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=str | list[str]),
]
"""One text or several, without surrounding blanks, because cells are compared without them."""


class Condition(Document):
    """A condition on a cell, and on further cells with `and`. Upper and lower case are different."""

    column: ColumnName = Field(description="the column that is tested")
    is_: Values | None = Field(None, alias="is", description="the cell has this text, or one of these")
    is_not: Values | None = Field(None, description="the cell has none of these texts; a blank cell has none")
    matches: Pattern | None = Field(None, description="the cell contains a match of this pattern")
    blank: StrictBool | None = Field(None, description="true: the cell is blank; false: it is not")
    and_: "tuple[Condition, ...]" = Field((), alias="and", description="these conditions must hold as well")

    @model_validator(mode="after")
    def _check_one_test(self) -> "Condition":
        given = [name for name in TESTS if getattr(self, "is_" if name == "is" else name) is not None]
        if len(given) != 1:
            there = f"are {' and '.join(given)}" if given else "is none"
            raise ValueError(f"give exactly one of {', '.join(TESTS)}; there {there}.")
        for text in [*(self.is_ or ()), *(self.is_not or ())]:
            if text != text.strip():
                raise ValueError(f"'{text}' has blanks around it, but cells are compared without. Remove them.")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns that the condition tests, each once."""
        return list(dict.fromkeys([self.column, *(column for other in self.and_ for column in other.columns)]))

    def texts(self, column: str) -> list[str]:
        """The texts that the condition compares this column with."""
        own = [*(self.is_ or ()), *(self.is_not or ())] if self.column == column else []
        return [*own, *(text for other in self.and_ for text in other.texts(column))]

    def in_words(self) -> str:
        """The condition as a phrase: ROLE is ALUM or GUEST, and CARD is blank."""
        return ", and ".join(self.phrases())

    def phrases(self) -> Iterator[str]:
        """The phrases for the cell and for each further condition."""
        if self.is_:
            yield f"{self.column} is {' or '.join(self.is_)}"
        if self.is_not:
            yield f"{self.column} is not {' or '.join(self.is_not)}"
        if self.matches:
            yield f"{self.column} matches {self.matches}"
        if self.blank is not None:
            yield f"{self.column} is {'blank' if self.blank else 'not blank'}"
        for other in self.and_:
            yield from other.phrases()


class Skip(Condition):
    """Rows that are not loaded: those for which the condition holds."""

    reason: Annotated[StrictStr, Field(min_length=1)] | None = Field(
        None, description="the words for the report; left out: the condition itself", examples=["alumni are not loaded"]
    )

    @property
    def words(self) -> str:
        """The reason for the report; it holds no personal data as long as the mapping file does not."""
        return self.reason or self.in_words()
