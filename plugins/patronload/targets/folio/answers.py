"""Read the answers of mod-user-import, check whether its counts are credible, and put its refusals into plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from httpx import codes

from patronload.targets.delivery import Failed, Patron

SEARCH_FAILED = "Failed to process user search result"
"""FOLIO: UserImportAPI.processUserBatch; what it says of all users of a request when one partition of ten fails."""

SETUP_ERRORS = {
    "Failed to list address types.",
    "Failed to list patron groups.",
    "Failed to list service points.",
    "Failed to list departments.",
    "Failed to list custom fields.",
    "Failed to prepare custom fields",
    "Failed to prepare departments",
    "Failed to create department",
    "Failed to get module id for mod-users module providing interface custom-fields",
}
"""FOLIO: UserImportAPIConstants; what UserImportAPI answers before it touches a user."""

UNKNOWN = "FOLIO refused the patron (see the rejects file)"

SUMMARIES: tuple[tuple[str, str], ...] = (
    (r"barcode has already been taken", "the barcode is already used by another user in FOLIO"),
    (r"User with this username already exists", "the username is already used by another user in FOLIO"),
    (
        r"externalSystemId.*(already exists|unique constraint)",
        "the externalSystemId is already used by another user in FOLIO",
    ),
    (r"^User with this id already exists", "FOLIO already has a user with this id"),
    (r"^Patron group does not exist|Patron group not found", "FOLIO does not know the patron group"),
    (r'^Departments do not exist|"departments"', "FOLIO does not know one of the departments"),
    (r"^Custom fields do not exist", "FOLIO does not know one of the custom fields"),
    (r"^ ?Custom field's options do not exist", "FOLIO does not know one of the options of a custom field"),
    (r"^User Preference.*service point", "FOLIO does not know the service point of the request preference"),
    (
        r"^User Preference.*user addresses",
        "the request preference names an address type for delivery, but the patron has no such address",
    ),
    (r"^User Preference", "the request preference does not fit FOLIO's rules for it"),
    (r"^Failed to (create|update|delete) user preference", "FOLIO could not store the request preference"),
    (r"limited to one address per addresstype", "two addresses are of the same address type"),
    (r"addresses types|address types", "FOLIO does not know one of the address types"),
    (r"invalid user type", "FOLIO does not accept this type of user; write patron, staff, shadow, system or dcb"),
    (
        r"^Failed to create new user",
        "FOLIO could not create the user and does not say why; often the username or the barcode is another user's",
    ),
    (rf"^{SEARCH_FAILED}", "FOLIO could not read its stored users; ask FOLIO's administrator"),
    (r"must not be null", "a field that FOLIO requires is missing"),
    (r"Unrecognized (field|property)", "one of the fields is not known to FOLIO"),
    (r"^Json content error|Cannot deserialize", "a date or another value is written in a way that FOLIO cannot read"),
)


def summary(message: str) -> str:
    """
    A refusal by FOLIO in words that a librarian understands, without values.

    FOLIO: mod-user-import UserImportAPIConstants and its exceptions, mod-users UsersApiConstants and UsersAPI.
    """
    return next((words for pattern, words in SUMMARIES if re.search(pattern, message)), UNKNOWN)


class Answer(NamedTuple):
    """The answer to POST /user-import: the status, the text, and the text as JSON if it is an object."""

    status: int
    text: str
    content: dict[str, Any] | None

    @classmethod
    def of(cls, status: int, text: str) -> Answer:
        """The answer in a response."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        return cls(status, text, content if isinstance(content, dict) else None)

    @property
    def is_import_response(self) -> bool:
        """Whether the import ran, however it ended. FOLIO: importResponse.json; 200 even when every user failed."""
        return self.status == codes.OK and self.content is not None and "totalRecords" in self.content

    @property
    def is_failed_setup(self) -> bool:
        """Whether mod-user-import gave up before it touched a user. FOLIO: UserImportAPI.processErrorResponse."""
        return (
            self.status == codes.INTERNAL_SERVER_ERROR
            and self.content is not None
            and "error" in self.content
            and "message" in self.content
        )

    @property
    def setup_error(self) -> str:
        """The error of the set-up, if it is one of FOLIO's fixed texts; others may contain values."""
        told = str((self.content or {}).get("error", ""))
        return told if told in SETUP_ERRORS else "for a reason that is in the log of mod-user-import"

    @property
    def is_refusal(self) -> bool:
        """Whether the whole request was refused unread. FOLIO: RMB RestRouting; one bad user is enough."""
        return self.status in (codes.BAD_REQUEST, codes.UNPROCESSABLE_ENTITY)

    @property
    def raw(self) -> Any:
        """The answer as it is kept in the results."""
        return self.content if self.is_import_response else {"status": self.status, "text": self.text}

    @property
    def message(self) -> str:
        """Why a request for one patron was refused, in FOLIO's own words; they may hold values."""
        errors = [error for error in _list_in(self.content or {}, "errors") if isinstance(error, dict)]
        return "; ".join(_error_text(error) for error in errors) or self.text or f"FOLIO answered {self.status}"

    @property
    def searches_failed(self) -> bool:
        """Whether a partition failed, so that users who were loaded may be among the failed ones."""
        return any(user.message.startswith(SEARCH_FAILED) for user in failed_users(self))


def _error_text(error: dict[str, Any]) -> str:
    """FOLIO: RMB's errors.schema. `personal.lastName: must not be null`."""
    keys = [str(parameter.get("key", "")) for parameter in _list_in(error, "parameters") if isinstance(parameter, dict)]
    field = re.sub(r"^users\[\d+\]\.", "", keys[0]) if keys else ""
    message = str(error.get("message", ""))
    return f"{field}: {message}" if field else message


class FailedUser(NamedTuple):
    """An entry of an answer's list of failed users."""

    external_system_id: str
    message: str


def failed_users(answer: Answer) -> list[FailedUser]:
    """
    The failed users of an answer, as it lists them.

    FOLIO: mod-user-import 3.0 and later say failedUsers, 2.0 said failedExternalSystemIds and gave no reason.
    """
    content = answer.content or {}
    old = [FailedUser(str(one), "") for one in _list_in(content, "failedExternalSystemIds")]
    return old + [
        FailedUser(str(user.get("externalSystemId", "")), str(user.get("errorMessage", "")))
        if isinstance(user, dict)
        else FailedUser("", "")
        for user in _list_in(content, "failedUsers")
    ]


def _list_in(content: dict[str, Any], key: str) -> list[Any]:
    """A list in an answer; anything else counts as one unknown entry, so that the answer is not believed."""
    found = content.get(key) or []
    return found if isinstance(found, list) else [found]


class Counted(NamedTuple):
    """The counts of a credible answer."""

    created: int
    updated: int
    failed: list[Failed]


def count(answer: Answer, patrons: list[Patron], source_type: str | None) -> Counted | None:
    """
    The results of the patrons that were sent, or None if the answer is not credible.

    FOLIO: when one partition fails, UserImportAPI.processUserBatch reports all users of the request as failed, also
    those that were created. So the counts must add up to the patrons sent, each failed user must be one of them,
    and no message may report a failed search.
    """
    content = answer.content or {}
    created, updated = content.get("createdRecords", 0), content.get("updatedRecords", 0)
    failed = named_failures(answer, patrons, source_type)
    listed = len(failed_users(answer))
    if not len(failed) == listed == content.get("failedRecords", listed) or answer.searches_failed:
        return None
    if type(created) is not int or type(updated) is not int or min(created, updated) < 0:
        return None
    if created + updated + len(failed) != len(patrons):
        return None
    return Counted(created, updated, list(failed.values()))


def named_failures(answer: Answer, patrons: Iterable[Patron], source_type: str | None) -> dict[int, Failed]:
    """
    The patrons that an answer names as failed, by row.

    FOLIO: UserDataProcessingService puts source_type and an underscore before each externalSystemId, and so do the
    errors that are raised after it.
    """
    rows = {patron.key: patron.row for patron in patrons}
    found = {}
    for key, message in failed_users(answer):
        row = rows.get(key.removeprefix(f"{source_type}_"), rows.get(key))
        if row is not None:
            found[row] = failed_patron(row, message)
    return found


UPDATE_REFUSED = "Failed to update user with externalSystemId: "
"""FOLIO: UserImportAPI.updateUser; mod-users' answer follows, with up to 500 characters of its text."""

_STATUS = re.compile(r"Response status code \d+ is not equal to \d+ - ")


def refused_updates(answer: Answer, patrons: list[Patron], prefix: str) -> dict[int, Failed]:
    """
    The patrons whose updates mod-users refused, by row, each with mod-users' reason.

    FOLIO: a refused update fails its partition, and all users of the request are reported as failed with "Failed to
    process user search result. Error message: Failed to import users.: Failed to update user with externalSystemId: X:
    CAUSE", where X is the first one refused of a partition. `prefix` is what FOLIO puts before an externalSystemId.
    """
    rows = {f"{prefix}{patron.key}: ": patron.row for patron in patrons}
    found = {}
    for message in {message for _, message in failed_users(answer)}:
        _, _, refusal = message.partition(UPDATE_REFUSED)
        # An externalSystemId may begin with another one and a colon.
        named = max((key for key in rows if refusal.startswith(key)), key=len, default=None)
        if named is not None:
            found[rows[named]] = refused_update(rows[named], refusal.removeprefix(named))
    return found


def refused_update(row: int, cause: str) -> Failed:
    """A row whose update mod-users refused with a cause, which is a text or RMB's JSON."""
    text = _STATUS.sub("", cause, count=1)
    reason = Answer.of(codes.BAD_REQUEST, text).message
    words = summary(reason)
    said = "FOLIO refused the update" if words == UNKNOWN else words
    return Failed(row, f"{said}. FOLIO says: {reason}", words)


CREATE_FAILED = "Failed to create new user"
"""FOLIO: UserImportAPI.createNewUser; all that an answer says of a create that failed."""

HELD = {
    "externalSystemId": "FOLIO has this user already, with the externalSystemId spelt differently",
    "username": "the username is already used by another user in FOLIO",
    "barcode": "the barcode is already used by another user in FOLIO",
    "id": "FOLIO already has a user with this id",
}

UNEXPLAINED = "FOLIO could not create the user, although none of its ids is another user's; ask FOLIO's administrator"


def is_blind(failed: Failed) -> bool:
    """Whether a refusal gives no reason."""
    return failed.message.startswith(CREATE_FAILED)


def is_about_the_search(failed: Failed) -> bool:
    """
    Whether a refusal reports a failed search, and nothing about the patron.

    FOLIO: when what is stored cannot be read, it says "schema mismatch", and then the patron has failed.
    """
    return failed.message.startswith(SEARCH_FAILED) and not is_unreadable(failed)


def is_unreadable(failed: Failed) -> bool:
    """Whether mod-user-import could not read the stored users. FOLIO: UserImportAPI, before it touches any of them."""
    return failed.message.startswith(SEARCH_FAILED) and "schema mismatch" in failed.message


def id_conflict(row: int, field: str, value: str, holder: dict[str, Any]) -> Failed:
    """A patron who cannot be created, because another user has one of its ids."""
    key = holder.get("externalSystemId")
    whose = f"externalSystemId '{key}'" if key else "no externalSystemId"
    message = f"{HELD[field]}: {field} '{value}', {whose}"
    return Failed(row, message, HELD[field])


def explain(failed: Failed, obstacle: Failed | None) -> Failed:
    """A refusal without a reason, with the obstacle that was found."""
    if obstacle is None:
        return failed._replace(summary=UNEXPLAINED)
    return failed._replace(message=f"{failed.message}: {obstacle.message}", summary=obstacle.summary)


def failed_patron(row: int, message: str) -> Failed:
    """A row that FOLIO refused with a message."""
    return Failed(row, message, summary(message))
