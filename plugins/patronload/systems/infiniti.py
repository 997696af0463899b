"""Concord Infiniti: the columns of its user import, and the keys of an Infiniti target in a tenant file."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from patronload.documents.text_encodings import Encoding
from patronload.systems.description import Kind, System, Target

_FIELDS: dict[str, Kind] = {
    "username": Kind.TEXT,
    "enabled": Kind.YES_NO,
    "staffmember": Kind.YES_NO,
    "givenname": Kind.TEXT,
    "surname": Kind.TEXT,
    "middlename": Kind.TEXT,
    "preferredname": Kind.TEXT,
    "emailaddress": Kind.TEXT,
    "graduationyear": Kind.YEAR,
    "librarybarcode": Kind.TEXT,
    "adminsystemid": Kind.TEXT,
    "gender": Kind.TEXT,
    "password": Kind.TEXT,
    "formclass": Kind.TEXT,
    "presentationgrouplabel": Kind.TEXT,
}
"""Infiniti: the two lists of the article "Non-interactive Patron Import and Update", in their order."""

INFINITI = System(
    type="infiniti",
    name="Infiniti",
    key="username",
    fields=_FIELDS,
    # Infiniti: the list of what the file MUST contain in the article. An existing user would need less than a new one.
    required=("username", "enabled", "staffmember"),
    unique=("username", "librarybarcode", "adminsystemid"),
    # Infiniti: there is only the import; users cannot be read.
    owners=None,
    group="presentationgrouplabel",
    names_of_people=("givenname", "surname", "middlename", "preferredname"),
    coded=("enabled", "staffmember"),
    remembered=("librarybarcode", "adminsystemid"),
)


def _column_spellings(spellings: dict[str, str]) -> dict[str, str]:
    for column in spellings:
        if column not in _FIELDS:
            raise ValueError(f"Infiniti has no column '{column}'. There are: {', '.join(_FIELDS)}.")
    written = [spellings.get(column, column) for column in _FIELDS]
    if twice := [name for name in spellings.values() if written.count(name) > 1]:
        raise ValueError(f"two columns would be called '{twice[0]}'. Give each its own name.")
    return spellings


class InfinitiTarget(Target):
    """A school's Infiniti, loaded by its non-interactive user import."""

    type: Literal["infiniti"]
    chunk_size: int = Field(250, strict=True, ge=1, le=5000, description="maximum number of patrons in one file")
    chunk_bytes: int = Field(900_000, strict=True, ge=10_000, description="maximum bytes in one file")
    first_row: int = Field(
        1, strict=True, ge=0, le=2, description="the row number that Infiniti gives the first patron of a file"
    )
    header: Annotated[dict[str, Annotated[str, Field(min_length=1)]], AfterValidator(_column_spellings)] = Field(
        default_factory=dict,
        description="columns that this school's Infiniti spells differently",
        examples=["{middlename: middleinitialname}"],
    )
    encoding: Encoding = Field("utf-8", description="Python's name of the encoding of the files that are sent")
    passwords: Literal["never", "newcomers", "everyone_at_first"] = Field(
        "never",
        description="who is sent a password: no one, patrons new to our loads, or those and everyone in the first load",
    )
    send: Literal["changed", "all"] = Field(
        "changed", description="patrons whose row differs from the one that Infiniti confirmed last, or every patron"
    )
    refresh: str = Field(
        "7 days",
        pattern=r"^([1-9][0-9]{0,3}|0) days?$",
        description="a patron who did not change is sent again after this long; 0 days sends everyone every time",
        examples=["7 days"],
    )
    changed_usernames: Literal["reject", "send"] = Field(
        "reject", description="a patron whose username has changed since the last load"
    )

    @property
    def refresh_days(self) -> int:
        """Days after which an unchanged patron is sent again."""
        return int(self.refresh.split(maxsplit=1)[0])
