"""
A FOLIO that does nothing, as fast as possible: it accepts every user and keeps none. `python -m benchmarks.null_folio`

With --stand-in the sandbox's FOLIO runs instead. Prints its port, and ends when its standard input closes.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from sandbox.everything import give_reference_data
from sandbox.folio import FolioServer, FolioTenant, Store

TENANT = "fs00001234"
USER_ID = "7c5abc9f-f3d7-4856-b8d7-6712462ca009"


def main() -> None:
    """Serve until the parent process closes the pipe."""
    if "--stand-in" in sys.argv:
        with FolioServer([FolioTenant(TENANT)]) as folio:
            give_reference_data(folio.store(TENANT))
            print(folio.port, flush=True)
            sys.stdin.read()
    else:
        asyncio.run(serve())


async def serve() -> None:
    """Print the port, and serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


class _Connection(asyncio.Protocol):
    """Serve one client. Requests arrive complete, with their length, and are answered in order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._have = 0
        self._wanted: tuple[bytes, int, int] | None = None

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._have += len(data)
        while self._have:
            if self._wanted is None and not self._read_head():
                return
            line, start, end = self._wanted or (b"", 0, 0)
            if self._have < end:
                return
            whole = b"".join(self._parts)
            self._parts, self._have, self._wanted = [whole[end:]], self._have - end, None
            self._transport.write(answer(line, whole[start:end]))  # type: ignore[attr-defined]

    def _read_head(self) -> bool:
        whole = b"".join(self._parts)
        self._parts = [whole]
        head, found, _ = whole.partition(b"\r\n\r\n")
        if not found:
            return False
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        self._wanted = (head.split(b"\r\n", 1)[0], len(head) + 4, len(head) + 4 + length)
        return True


def answer(line: bytes, body: bytes) -> bytes:
    """The whole answer to a request, of which `line` is the first line."""
    method, target, _ = line.split(b" ", 2)
    path = target.split(b"?", 1)[0]
    if path == b"/user-import":
        return http(200, _imported(body.count(b'"externalSystemId"')))
    if path == b"/authn/login-with-expiry":
        return _login()
    if path == b"/consortia":
        return http(404, b"")
    if method == b"POST":
        return http(201, json.dumps(json.loads(body or b"{}") | {"id": USER_ID}).encode())
    if path.endswith(b"/modules"):
        return http(200, _MODULES)
    return http(200, LISTS.get(path, b'{"users":[],"totalRecords":0}')) if method == b"GET" else http(204, b"")


def _imported(count: int) -> bytes:
    counts = {"createdRecords": count, "updatedRecords": 0, "failedRecords": 0, "totalRecords": count}
    words = "Users were imported successfully." if count else "No users to import."
    return json.dumps({"message": words, **(counts if count else {"totalRecords": 0}), "failedUsers": []}).encode()


def _login() -> bytes:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    body = json.dumps({"accessTokenExpiration": ends, "refreshTokenExpiration": ends}).encode()
    cookies = b"".join(
        b"set-cookie: %s=a.b.c; Path=/; HttpOnly\r\n" % name for name in (b"folioAccessToken", b"folioRefreshToken")
    )
    return http(201, body, cookies)


def http(status: int, body: bytes, more: bytes = b"") -> bytes:
    """An answer of HTTP/1.1 with its head; `more` are header lines with their ends."""
    date = format_datetime(datetime.now(UTC), usegmt=True).encode()
    head = b"HTTP/1.1 %d -\r\ndate: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    return head % (status, date, len(body), more) + body


def _lists() -> dict[bytes, bytes]:
    """The reference data that Northfield's export uses."""
    store = Store()
    give_reference_data(store)
    tables = {
        b"/groups": ("usergroups", store.groups),
        b"/addresstypes": ("addressTypes", store.address_types),
        b"/departments": ("departments", store.departments),
        b"/custom-fields": ("customFields", store.custom_fields),
        b"/service-points": ("servicepoints", store.service_points),
    }
    lists = {path: {key: list(table), "totalRecords": len(table)} for path, (key, table) in tables.items()}
    return {
        **{path: json.dumps(body).encode() for path, body in lists.items()},
        b"/request-preference-storage/request-preference": b'{"requestPreferences":[],"totalRecords":0}',
        b"/perms/users": b'{"permissionUsers":[],"totalRecords":0}',
    }


LISTS = _lists()
_MODULES = json.dumps([{"id": name} for name in Store().modules]).encode()

if __name__ == "__main__":
    main()
