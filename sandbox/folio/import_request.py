"""One user import under way: what was asked for, what goes wrong in it, and what became of each user."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sandbox.folio.bodies import ImportBody
from sandbox.folio.connections import Connections
from sandbox.folio.name_resolution import Names
from sandbox.folio.store import Row, Store

PARTITION = 10
"""FOLIO: mod-user-import UserImportAPI.startImport cuts the users into partitions of ten."""


class Done(NamedTuple):
    """The result for one user."""

    status: Literal["created", "updated", "failed"]
    username: str
    external_system_id: str
    error: str = ""


class Trouble(NamedTuple):
    """The duration of an import and its faults; see faults.Faults and faults.Fault.

    seconds: what the import takes at least, spread over its partitions. call_seconds: what each call takes at least.
    late_seconds: what the rest of a partition takes after one of its updates was refused.
    """

    seconds: float = 0.0
    call_seconds: float = 0.0
    late_seconds: float = 0.0
    failed_setup: str = ""
    failed_searches: tuple[int, ...] = ()
    breaks_off: int | None = None


NO_TROUBLE = Trouble()


class BrokenOff(Exception):  # noqa: N818 - the end of the module's process, not an error of this program
    """The module died: what it has written stays, and the rest is never written."""


class UpdateRefused(Exception):  # noqa: N818 - the module's answer, not an error of this program
    """mod-users refused a PUT. FOLIO: UserImportAPI.updateUser's failed Future."""


class PartitionFailed(Exception):  # noqa: N818 - the same
    """FOLIO: UserImportAPI.processUserBatch; all users of the request are reported as failed, not the ten."""


@dataclass
class Request:
    """One user import. `unfinished` holds the work on users that goes on when the answer is already there."""

    store: Store
    body: ImportBody
    author: str
    trouble: Trouble = NO_TROUBLE
    connections: Connections = field(default_factory=Connections)
    unfinished: set[asyncio.Task[Any]] = field(default_factory=set)
    users: list[Row] = field(init=False)
    preferences: dict[str, Row | None] = field(init=False)
    names: Names = field(init=False)
    written: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """FOLIO: UserImportData.fetchRequestPreferences; of two users with one username the last one's counts."""
        self.users = [user.model_dump(exclude_none=True) for user in self.body.users]
        self.preferences = {row["username"]: row.pop("requestPreference", None) for row in self.users}

    def prefixed(self, user: Row) -> str:
        """The externalSystemId behind sourceType and an underscore. FOLIO: UserDataProcessingService.updateUserData."""
        source = self.body.sourceType
        return f"{source}_{user['externalSystemId']}" if source else str(user["externalSystemId"])

    def partitions(self) -> list[list[Row]]:
        """The users in tens; one empty partition when there are none."""
        return [self.users[at : at + PARTITION] for at in range(0, len(self.users), PARTITION)] or [[]]

    def fail_everybody(self, error: str) -> list[Done]:
        """Every user of the request as failed. FOLIO: UserImportAPI.processErrorResponse."""
        return [failed(user, error) for user in self.users]

    def check_alive(self) -> None:
        """
        Raises:
            BrokenOff: as many partitions' worth of users are written as the trouble allows.
        """
        if self.trouble.breaks_off is not None and self.written >= self.trouble.breaks_off * PARTITION:
            raise BrokenOff


class Partition:
    """Ten users of a request. Its calls wait for a connection, and a little longer once it has been answered."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.is_answered = False

    async def call(self) -> None:
        """Make one call to another module, which takes effect after this."""
        request = self.request
        request.check_alive()
        await request.connections.call(request.trouble.call_seconds)
        if self.is_answered and request.trouble.late_seconds:
            await asyncio.sleep(request.trouble.late_seconds)
        request.check_alive()


def failed(user: Row, error: str) -> Done:
    """A user who failed, under the id the user has by now."""
    return Done("failed", user["username"], user["externalSystemId"], error)
