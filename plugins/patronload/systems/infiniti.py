"""Concord Infiniti: the columns of its user import, and what a tenant file says of a school's Infiniti."""

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
    # Infiniti: the article's list of what the file MUST contain; an existing user would do with less, a new one not.
    required=("username", "enabled", "staffmember"),
    unique=("username", "librarybarcode", "adminsystemid"),
    # Infiniti: the import is all there is; no user can be read.
    owners=None,
    group="presentationgrouplabel",
    remembered=("librarybarcode", "adminsystemid"),
)


def _are_columns(spellings: dict[str, str]) -> dict[str, str]:
    for column in spellings:
        if column not in _FIELDS:
            raise ValueError(f"Infiniti has no column '{column}'. There are: {', '.join(_FIELDS)}.")
    written = [spellings.get(column, column) for column in _FIELDS]
    if twice := [name for name in spellings.values() if written.count(name) > 1]:
        raise ValueError(f"two columns would be called '{twice[0]}'. Give each a name of its own.")
    return spellings


class InfinitiTarget(Target):
    """A school's Infiniti, loaded by its non-interactive user import."""

    type: Literal["infiniti"]
    chunk_size: int = Field(250, strict=True, ge=1, le=5000, description="most patrons in one file")
    chunk_bytes: int = Field(900_000, strict=True, ge=10_000, description="most bytes in one file")
    first_row: int = Field(
        1, strict=True, ge=0, le=2, description="the number by which Infiniti calls the first patron of a file"
    )
    header: Annotated[dict[str, Annotated[str, Field(min_length=1)]], AfterValidator(_are_columns)] = Field(
        default_factory=dict,
        description="columns that this school's Infiniti spells otherwise",
        examples=["{middlename: middleinitialname}"],
    )
    encoding: Encoding = Field("utf-8", description="the encoding of the files that are sent; Python's name of it")
    passwords: Literal["never", "newcomers", "everyone_at_first"] = Field(
        "never",
        description="whom the mapping's password is sent for: nobody, patrons that no earlier load had, or as before "
        "and in the first load of all everybody",
    )
    changed_usernames: Literal["reject", "send"] = Field(
        "reject", description="a patron whose username is another one than in the last load"
    )
