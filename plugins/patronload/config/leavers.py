"""The part of a tenant file about patrons who are no longer in the library's complete files."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictStr

from patronload.config.tenant_values import Age, ShareOrNumber, days
from patronload.documents.models import Document

Names = tuple[Annotated[StrictStr, Field(min_length=1)], ...]


class Exceptions(Document):
    """Patrons who never leave, whatever the file says."""

    patron_groups: Names = Field((), description="patrons of these groups", examples=["[faculty]"])
    departments: Names = Field((), description="patrons of these departments", examples=["[Emeriti]"])
    custom_fields: dict[str, StrictBool | StrictStr] = Field(
        default_factory=dict,
        description="patrons with one of these values in a custom field",
        examples=["{keepActive: true}"],
    )
    ids: str | None = Field(
        None,
        pattern=r"^[\w./-]+\.csv$",
        description="a file next to the tenant file with one externalSystemId per line",
        examples=["exceptions/elmwood.csv"],
    )


class Leavers(Document):
    """The rules for patrons from earlier loads who are no longer in a complete file."""

    action: Literal["report", "deactivate", "expire"] = Field(
        "report", description="only count them, or make them inactive, or make them inactive and end their expiry date"
    )
    after: Age = Field("14 days", description="only after they have been missing for this long")
    missing_loads: int = Field(3, strict=True, ge=1, le=1000, description="and from this many complete loads in a row")
    max: ShareOrNumber = Field(
        "2%", description="if more known patrons than this would leave at once, none of them does: a share, or a number"
    )
    announce: Age | None = Field(
        None, description="mention them in the mail this many days in advance", examples=["3 days"]
    )
    exceptions: Exceptions = Field(Exceptions(), alias="except")
    unless: tuple[Literal["open_loans", "open_fees"], ...] = Field(
        (), alias="while", description="not as long as they have open loans or unpaid fees", examples=["[open_loans]"]
    )
    set: dict[str, StrictStr | StrictBool] = Field(
        default_factory=dict,
        description="fields to fill at the same time; `today` is the day of the load",
        examples=["{customFields.leftOn: today}"],
    )

    @property
    def grace_days(self) -> int:
        """Days that someone has to be missing."""
        return int(days(self.after))

    @property
    def announce_days(self) -> int:
        """Days in advance that a leaver is mentioned; 0 for never."""
        return int(days(self.announce)) if self.announce else 0

    def max_leavers(self, known: int) -> float:
        """How many of the known patrons may leave at once."""
        return self.max if isinstance(self.max, int) else float(self.max.removesuffix("%")) / 100 * known
