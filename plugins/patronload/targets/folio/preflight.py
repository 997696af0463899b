"""
Check, before anything is sent, whether FOLIO can accept a load: permissions, modules, and the values it has to know.

All problems are reported together. An unknown value is one line with its number of rows, not a thousand failed users.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, TypeVar

from patronload.errors import TargetError
from patronload.targets.delivery import Record
from patronload.targets.folio.client import Folio
from patronload.targets.folio.findings import Finding
from patronload.targets.folio.reference_data import LISTS, Reference

Got = TypeVar("Got")


class Drift(NamedTuple):
    """
    A property of users that mod-users has since a version and mod-user-import can read since another.

    `users` is None where it is not known since when mod-users has it; any that is there is then taken to have it.
    """

    property: str
    users: tuple[int, int, int] | None
    user_import: tuple[int, int, int]
    everyone: bool
    """Whether nearly every user has it, so that nearly every update would fail."""


DRIFTS = (
    Drift("personal.preferredContactTypeIds", (19, 7, 0), (3, 12, 0), everyone=True),
    Drift("personal.pronouns", (19, 5, 0), (3, 10, 2), everyone=False),
    Drift("personal.profilePictureLink", None, (3, 8, 1), everyone=False),
    Drift("preferredEmailCommunication", None, (3, 8, 1), everyone=False),
)
"""
FOLIO: NEWS.md of both modules; mod-user-import 3.11.0, the newest that is known here, cannot read the first.

Since when mod-users has the last two is not known here; a tenant without them has no user who has them.
"""


class Permissions:
    """Collects all missing permissions of the connection's user, instead of stopping at the first."""

    def __init__(self) -> None:
        self.errors: list[TargetError] = []

    def attempt(self, work: Callable[[], Got], otherwise: Got) -> Got:
        """The result of `work`; or `otherwise` after a refusal, which is recorded."""
        try:
            return work()
        except TargetError as error:
            self.errors.append(error)
            return otherwise

    def check(self) -> None:
        """Raises one TargetError for all refusals."""
        sentences = list(dict.fromkeys(str(error) for error in self.errors))
        if sentences:
            raise TargetError(" ".join(sentences))


def log_in(folio: Folio, *, changes_users: bool = False) -> Permissions:
    """
    Log in, and find out whether users may be imported, and with `changes_users` whether they may be changed directly.

    Raises TargetError at once for a wrong password, so that it is reported once and not tried ten times; a missing
    permission is recorded.
    """
    permissions = Permissions()
    permissions.attempt(folio.may_import, None)
    if changes_users:
        permissions.attempt(folio.may_change_users, None)
    if not folio.is_logged_in:
        permissions.check()
    return permissions


def reference(folio: Folio, permissions: Permissions) -> Reference:
    """All lists of the tenant; one that the user may not read is empty."""
    empty: dict[str, Record] = {}
    return Reference(
        **{name: permissions.attempt(partial(folio.names, *where), empty) for name, where in LISTS.items()}
    )


def drifts(folio: Folio) -> tuple[list[Drift], list[str]]:
    """The properties that FOLIO's user import cannot read here, by the modules' versions; and warnings."""
    try:
        modules = folio.modules()
    except TargetError:
        return [], ["FOLIO does not report its modules' versions, so they could not be compared."]
    users, user_import = _version(modules, "mod-users"), _version(modules, "mod-user-import")
    if users is None or user_import is None:
        return [], []
    found = [drift for drift in DRIFTS if drift.users is None or users >= drift.users]
    return [drift for drift in found if user_import < drift.user_import], []


def drift_findings(found: Iterable[Drift], filled: Iterable[str]) -> list[Finding]:
    """The findings about incompatible versions, for a mapping that fills these fields."""
    fields = list(filled)
    return [
        Finding(
            "module versions",
            "stop" if drift.everyone or drift.property in fields else "warn",
            f"FOLIO's modules are incompatible: mod-users{_and_later(drift.users)} keeps "
            f"{drift.property}, which mod-user-import before {_dotted_version(drift.user_import)} cannot read; "
            f"{'nearly every update' if drift.everyone else 'updates of users who have it'} would fail. "
            "Ask FOLIO's administrator for a matching mod-user-import.",
            [],
        )
        for drift in found
    ]


def _version(modules: Iterable[str], name: str) -> tuple[int, int, int] | None:
    for module in modules:
        if found := re.fullmatch(rf"{name}-(\d+)\.(\d+)\.(\d+).*", module):
            return int(found[1]), int(found[2]), int(found[3])
    return None


def _dotted_version(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def _and_later(version: tuple[int, int, int] | None) -> str:
    return f" {_dotted_version(version)} and later" if version else ""
