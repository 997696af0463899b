"""Talk to one FOLIO tenant over HTTP: post users, read users and reference data, and describe errors in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from httpx import codes

from patronload import http_client
from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError
from patronload.http_client import retry_after, server_time
from patronload.systems.folio import FolioTarget
from patronload.targets.connection import Connection
from patronload.targets.delivery import NothingWritten, Patience, Record
from patronload.targets.folio import errors
from patronload.targets.folio.answers import Answer
from patronload.targets.folio.auth import TRIES, Login
from patronload.targets.folio.errors import Place

USER_IMPORT = "/user-import"
PREFERENCES = "/request-preference-storage/request-preference"
CUSTOM_FIELDS = "/custom-fields"
MODULES = "/_/proxy/tenants/{}/modules"

ALL = 2147483647
"""FOLIO: the limit that means all; mod-user-import asks for reference data with it."""

QUERY_BYTES = 3000
"""The maximum of a query, percent-encoded; nginx refuses a request line over 8 kB."""

QUERY_IDS = 100

PAGE = 1000
"""Users or preferences in one answer, when all of them are read."""

SOMEONE, SOMEONE_ELSE = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
"""Two ids in one PUT. FOLIO: mod-users UsersAPI refuses it with 400 before it looks for a user."""

NO_USERS = b'{"users":[],"totalRecords":0}'
"""FOLIO: UserImportAPI answers a totalRecords of 0 at once, whatever else is there, and does nothing."""


class Folio:
    """
    One FOLIO tenant, connected for the length of a `with` block.

    All methods raise TransientError when a retry may help and TargetError when someone has to act; what httpx raises
    stays in here. What was posted is posted again only where FOLIO said that it did not take it.
    """

    def __init__(self, target: FolioTarget, connection: Connection, patience: Patience) -> None:
        self.target = target
        self._patience = patience
        self.url = gateway(connection)
        self._place = Place(self.url, connection.id, target.folio_tenant, target.chunk_bytes)
        self._ahead: timedelta | None = None
        self._fields_module: str | None = None
        self._no_module: TargetError | None = None
        self._login = Login(connection, self.url, target.member_of, patience.busy)
        self.http = httpx.Client(
            transport=http_client.BoundedTransport(),
            base_url=self.url,
            auth=self._login,
            headers={"x-okapi-tenant": target.folio_tenant, "accept": "application/json, text/plain"},
            timeout=httpx.Timeout(patience.read, connect=patience.connect),
            # The token travels in a header that Login writes; a jar would add a second one.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            event_hooks={"response": [self.note_time]},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def __repr__(self) -> str:
        return f"Folio({self.url}, {self.target.folio_tenant})"

    @property
    def address(self) -> str:
        """The gateway and the tenant; two tenant files may name the same."""
        return f"{self.url.netloc.decode()}{self.url.path.rstrip('/')}/{self.target.folio_tenant}"

    def clock(self) -> datetime:
        """The time of FOLIO's clock according to its last answer; never ahead of it."""
        if self._ahead is None:
            self._send_get("/groups", {"limit": 0})  # any answer will do, a refusal too
        return datetime.now(UTC) + (self._ahead or timedelta())

    def post(self, body: bytes, again: Callable[[], None] = lambda: None) -> Answer:
        """
        POST /user-import. An Answer is what mod-user-import itself said: 200, or 400 and 422 for a refused request.

        A busy FOLIO gets it again, after the pause that it asks for; `again` is called just before that.

        Raises NothingWritten if the request certainly did not reach the users, TransientError if that is not known.
        """
        return self._import_answer(self._busy_retried(lambda: self._import(body), again))

    def _import(self, body: bytes) -> httpx.Response:
        try:
            return self._answer(
                "POST",
                USER_IMPORT,
                content=body,
                headers={"content-type": "application/json"},
                timeout=httpx.Timeout(self._patience.answer, connect=self._patience.connect),
            )
        except PatronloadError as error:  # the login's; the request was not sent
            raise NothingWritten(error) from error
        except httpx.RequestError as error:
            raise self._error_of_post(error) from error

    @property
    def is_logged_in(self) -> bool:
        """Whether FOLIO has taken the user name and the password."""
        return self._login.has_token

    def may_import(self) -> None:
        """
        Find out whether the user may import users, by an import of none; FOLIO does nothing for it.

        Raises TargetError when not, TransientError when FOLIO is busy.
        """
        what = f"POST {USER_IMPORT}"
        try:
            response = self._busy_retried(
                lambda: self._answer(
                    "POST", USER_IMPORT, content=NO_USERS, headers={"content-type": "application/json"}
                )
            )
        except httpx.RequestError as error:
            raise errors.unreachable(self._place, error) from error
        if response.status_code != codes.OK:
            raise errors.refusal(self._place, what, response)

    def may_change_users(self) -> None:
        """Find out whether the user may change users, by a change that FOLIO refuses. Raises TargetError when not."""
        path = f"/users/{SOMEONE}"
        response = self._send_change("PUT", path, {"id": SOMEONE_ELSE})
        if response.status_code not in (codes.BAD_REQUEST, codes.UNPROCESSABLE_ENTITY):
            raise errors.refusal(self._place, "PUT /users", response)

    def change_user(self, user: Record) -> str | None:
        """
        Put a user in place of the stored one with its id; return why FOLIO refuses the user, or None.

        FOLIO: mod-users UsersAPI; 400 and 422 are about the user, and 404 is for one who is gone.
        """
        response = self._send_change("PUT", f"/users/{user['id']}", user)
        if response.is_success:
            return None
        if response.status_code in (codes.BAD_REQUEST, codes.UNPROCESSABLE_ENTITY, codes.NOT_FOUND):
            return response.text
        raise errors.refusal(self._place, "PUT /users", response)

    def users_by_external_system_ids(self, ids: Iterable[str]) -> dict[str, Record]:
        """The stored users by externalSystemId. `ids` and keys are without source_type's prefix, and spelt as given."""
        found = self.users_by("externalSystemId", [self.prefix + one for one in ids])
        return {user["externalSystemId"].removeprefix(self.prefix): user for user in found}

    def users_by(self, index: str, values: Iterable[str], each: int = 2) -> Iterator[Record]:
        """
        The stored users who have one of the values; FOLIO compares without case and accents.

        `each`: how many users may have one value; two, as mod-user-import asks for, where it is unique.
        """
        return self._by("/users", "users", index, values, each)

    def all_users(self) -> Iterator[Record]:
        """Every stored user, page by page."""
        return self._pages("/users", "users")

    def count_users(self) -> int:
        """How many users there are. FOLIO: RMB; a number over 1,000 is an estimate."""
        return int(self._json("/users", {"limit": 0}).get("totalRecords") or 0)

    @property
    def prefix(self) -> str:
        """The prefix that FOLIO adds to each externalSystemId. FOLIO: UserDataProcessingService."""
        return f"{self.target.source_type}_" if self.target.source_type else ""

    def preferences_by_user_ids(self, ids: Iterable[str]) -> dict[str, Record]:
        """The request preferences by userId. FOLIO: mod-circulation-storage."""
        return {found["userId"]: found for found in self._by(PREFERENCES, "requestPreferences", "userId", ids)}

    def all_preferences(self) -> Iterator[Record]:
        """Every stored request preference, page by page."""
        return self._pages(PREFERENCES, "requestPreferences")

    def users_with_open(self, path: str, key: str, ids: Iterable[str]) -> set[str]:
        """
        The users, of those given, who have an open entry at `path`: a loan, or a fee.

        FOLIO: mod-circulation and mod-feesfines; both have userId and status.name. Raises TargetError when they may not
        be read.
        """
        found: set[str] = set()
        for batch in batches([cql_text(one) for one in ids]):
            query = f"userId==({' or '.join(batch)}) and status.name==Open sortBy id"
            offset = 0
            while page := self._list(path, key, {"query": query, "limit": PAGE, "offset": offset}):
                found |= {entry["userId"] for entry in page}
                offset += len(page)
                if len(page) < PAGE:
                    break
        return found

    def modules(self, provide: str | None = None) -> list[str]:
        """The ids of the tenant's modules, like mod-users-19.6.0; those that provide an interface. FOLIO: Okapi."""
        path = MODULES.format(self.target.folio_tenant)
        response = self._get(path, {"provide": provide} if provide else {})
        try:
            return [str(module["id"]) for module in response.json()]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise errors.not_folio(self._place, f"GET {path}") from None

    def names(self, path: str, key: str, name: str) -> dict[str, Record]:
        """All reference data at `path`, such as /groups: each entry by the value of its `name`."""
        return {entry[name]: entry for entry in self._list(path, key, {"limit": ALL}) if name in entry}

    def add_department(self, name: str, code: str) -> None:
        """Create a department. Raises TargetError when FOLIO refuses it."""
        self._change("POST", "/departments", {"name": name, "code": code})

    def change_custom_field(self, field: Record) -> None:
        """Put a custom field in place of the one with its id. Raises TargetError when FOLIO refuses it."""
        self._change("PUT", f"{CUSTOM_FIELDS}/{field['id']}", field)

    def _change(self, method: str, path: str, content: Record) -> None:
        response = self._send_change(method, path, content)
        if not response.is_success:
            raise errors.refusal(self._place, f"{method} {path.rpartition('/')[0] or path}", response)

    def _send_change(self, method: str, path: str, content: Record) -> httpx.Response:
        try:
            return self._busy_retried(lambda: self._answer(method, path, json=content, headers=self._headers(path)))
        except httpx.RequestError as error:
            raise errors.unreachable(self._place, error) from error

    def _pages(self, path: str, key: str) -> Iterator[Record]:
        """The pages, by id and not by offset: FOLIO's offset may repeat and miss entries that change meanwhile."""
        after = ""
        while True:
            query = f'id>"{after}" sortBy id' if after else "cql.allRecords=1 sortBy id"
            page = self._list(path, key, {"query": query, "limit": PAGE})
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1]["id"]

    def _by(self, path: str, key: str, index: str, values: Iterable[str], each: int = 2) -> Iterator[Record]:
        for batch in batches([cql_text(value) for value in values]):
            query = f"{index}==({' or '.join(batch)})"
            yield from self._list(path, key, {"query": query, "limit": each * len(batch)})

    def _list(self, path: str, key: str, parameters: dict[str, Any]) -> list[Record]:
        entries = self._json(path, parameters).get(key)
        if not isinstance(entries, list):
            raise errors.not_folio(self._place, f"GET {path}")
        return entries

    def _json(self, path: str, parameters: dict[str, Any]) -> Record:
        try:
            content = self._get(path, parameters).json()
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise errors.not_folio(self._place, f"GET {path}")
        return content

    def _headers(self, path: str) -> dict[str, str]:
        """FOLIO: several modules provide custom-fields, and Okapi requires the id of the right one."""
        if not path.startswith(CUSTOM_FIELDS):
            return {}
        if self._fields_module is None:
            try:
                found = [name for name in self.modules("custom-fields") if name.startswith("mod-users-")]
            except TargetError as refusal:  # who may not ask may still be answered
                found, self._no_module = [], refusal
            self._fields_module = found[0] if found else ""
        return {"x-okapi-module-id": self._fields_module} if self._fields_module else {}

    def _get(self, path: str, parameters: dict[str, Any]) -> httpx.Response:
        response = self._send_get(path, parameters)
        if response.status_code == codes.NOT_FOUND and path == CUSTOM_FIELDS and self._no_module:
            raise self._no_module
        if response.status_code != codes.OK:
            raise self._refusal(f"GET {path}", response)
        return response

    def _refusal(self, request: str, response: httpx.Response) -> PatronloadError:
        """The error for a refusal, with the pause that FOLIO asks for if it is too long to be made here."""
        refusal = errors.refusal(self._place, request, response)
        if isinstance(refusal, TransientError):
            refusal.retry_after = retry_after(response)
        return refusal

    def _send_get(self, path: str, parameters: dict[str, Any]) -> httpx.Response:
        try:
            return self._busy_retried(lambda: self._answer("GET", path, params=parameters, headers=self._headers(path)))
        except httpx.RequestError as error:
            raise errors.unreachable(self._place, error) from error

    def _busy_retried(
        self, send: Callable[[], httpx.Response], again: Callable[[], None] = lambda: None
    ) -> httpx.Response:
        """Send; and send again, after `again`, what FOLIO did not take and asks to have again in a moment."""
        for _ in range(TRIES - 1):
            response = send()
            pause = self._pause(response)
            if pause is None:
                return response
            time.sleep(pause)
            again()
        return send()

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        """
        The answer. All of it together may take as long as the answer to a chunk may: httpx's own time-outs are
        for each piece, and begin again with each piece of a very slow answer.
        """
        began, pieces = time.monotonic(), []
        with self.http.stream(method, path, **request) as response:
            for piece in response.iter_raw():
                pieces.append(piece)
                if time.monotonic() - began > self._patience.answer:
                    raise httpx.ReadTimeout("the answer trickled in", request=response.request)
        return httpx.Response(
            response.status_code, headers=response.headers, content=b"".join(pieces), request=response.request
        )

    def _pause(self, response: httpx.Response) -> float | None:
        """Seconds after which to send again, or None for not at all. A POST that met 503 may have been taken."""
        status, method = response.status_code, response.request.method
        if status not in errors.BUSY or (status != codes.TOO_MANY_REQUESTS and method == "POST"):
            return None
        seconds = retry_after(response)
        return seconds if seconds is not None and seconds <= self._patience.busy else None

    def note_time(self, response: httpx.Response) -> None:
        """A Date is never ahead, but behind by as much as the request took where it is written when that begins."""
        shown = server_time(response)
        if shown is not None:
            ahead = shown - datetime.now(UTC)
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def _import_answer(self, response: httpx.Response) -> Answer:
        answer = Answer.of(response.status_code, response.text)
        if answer.is_import_response or answer.is_refusal:
            return answer
        if answer.is_failed_setup:
            # FOLIO: UserImportAPI lists groups, address types and so on first; when that fails no user is touched.
            raise NothingWritten(
                TransientError(
                    f"{self._place} could not prepare the import ({answer.setup_error}) and wrote nothing. If it stays "
                    f"so, ask the administrator of the FOLIO tenant {self.target.folio_tenant}."
                )
            )
        if response.status_code in errors.NOT_PASSED_ON or response.is_redirect:
            too_large = response.status_code == codes.REQUEST_ENTITY_TOO_LARGE
            refusal = self._refusal(f"POST {USER_IMPORT}", response)
            raise NothingWritten(refusal, too_large=too_large)
        if response.is_server_error:
            raise errors.lost_answer(self._place, f"the gateway answered {response.status_code}")
        raise errors.not_folio(self._place, f"POST {USER_IMPORT}")

    def _error_of_post(self, error: httpx.RequestError) -> Exception:
        """The error for an exception during a POST, by what it means for the users in it."""
        posting = error.request.url.path.endswith(USER_IMPORT)
        if not posting or http_client.was_not_sent(error):
            return NothingWritten(errors.unreachable(self._place, error))
        return errors.lost_answer(self._place, http_client.cause(error))


def gateway(connection: Connection) -> httpx.URL:
    """
    The gateway's address: https unless the connection's host says http, with the connection's port and any path.

    Raises ConfigError when there is no host, one with a user name in it, or http to another machine without leave.
    """
    url = http_client.address(connection)
    if url is None:
        raise ConfigError(
            f"The connection '{connection.id}' needs the address of FOLIO's gateway as its host, like "
            "https://folio.example.edu; user name and password have fields of their own."
        )
    http_client.check_encryption(connection, url)
    return url


def cql_text(value: str) -> str:
    """A value in quotes, to be found as it stands. FOLIO: RMB's CQL; * ? ^ are masks, a backslash takes that away."""
    return '"' + "".join(f"\\{sign}" if sign in '\\"*?^' else sign for sign in value) + '"'


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Batches of as many texts as fit into one query."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(quote(f"{text} or "))
        if batch and (len(batch) == QUERY_IDS or size + length > QUERY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch
