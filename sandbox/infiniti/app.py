"""The import of a school's Infiniti as an ASGI application, and a page that shows the users it has."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox import faults
from sandbox.faults import Fault, Faults
from sandbox.infiniti.users import COLUMNS, FileRefused, Oddities, School, User, result
from sandbox.trouble import NO_ANSWER, Working, under

IMPORT = "/api/import/users"

STEP = 10
"""A slow import pauses after this number of users; one that crashes does so there."""

MOST_SHOWN = 500

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_pages = Environment(loader=FileSystemLoader(Path(__file__).parents[1] / "pages"), autoescape=True)


@dataclass
class Seen(faults.Seen):
    """One request. For an import: the header it came with, and the usernames in it."""

    columns: list[str] = field(default_factory=list)
    usernames: list[str] = field(default_factory=list)


class Infiniti:
    """The state of the stand-in: one school, the account that may import, faults, and the journal of requests."""

    def __init__(self, username: str = "autoimport", password: str = "Import-pass-1") -> None:
        self.username = username
        self.password = password
        self.school = School()
        self.faults = Faults(path=IMPORT)
        self.journal: list[Seen] = []
        self.still_working: Working = set()

    @property
    def oddities(self) -> Oddities:
        """The behaviour that the article leaves open."""
        return self.school.oddities

    @property
    def imports(self) -> list[Seen]:
        """The journal's imports, in the order they came in."""
        return [seen for seen in self.journal if seen.path == IMPORT]


class _BrokenOff(Exception):  # noqa: N818 - what a fault does
    """The import crashes; the rows it has imported stay."""


async def _import(infiniti: Infiniti, request: Request) -> Response:
    seen = Seen(request.method, request.url.path)
    infiniti.journal.append(seen)
    started = time.monotonic()
    fault = infiniti.faults.strike(seen)
    response = await under(fault, request, infiniti.still_working, lambda: _answer(infiniti, request, seen, fault))
    seen.status, seen.seconds = response.status_code, time.monotonic() - started
    return response


async def _answer(infiniti: Infiniti, request: Request, seen: Seen, fault: Fault | None) -> Response:
    """Infiniti's own answer to an import."""
    seen.bytes = len(await request.body())
    if infiniti.faults.most_bytes is not None and seen.bytes > infiniti.faults.most_bytes:
        return PlainTextResponse("Request Entity Too Large", 413)
    if not _is_authorised(infiniti, request):
        answer = {"success": False, "summary": "Unauthorised. Check credentials."}
        return JSONResponse(answer, infiniti.oddities.unauthorised)
    school = infiniti.school
    try:
        rows = school.rows(await _first_file(request))
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        seen.columns = list(rows[0]) if rows else []
        seen.usernames = [row.get("username", "") for row in rows]
        outcomes = [outcome async for outcome in _import_rows(infiniti, rows, fault)]
    except FileRefused as refused:
        return JSONResponse({"success": False, "summary": f"{refused}"}, infiniti.oddities.failed)
    except _BrokenOff:
        return PlainTextResponse("", NO_ANSWER)
    answer = result(school, outcomes)
    return JSONResponse(answer, 200 if answer["success"] else infiniti.oddities.failed)


async def _import_rows(infiniti: Infiniti, rows: list[User], fault: Fault | None) -> AsyncIterator[str]:
    """The outcome of each row; pauses before every ten rows when the import has to take time."""
    seconds = infiniti.faults.import_seconds if fault is None or fault.seconds is None else fault.seconds
    steps = 1 + len(rows) // STEP
    for place, row in enumerate(rows):
        if place % STEP == 0:
            if fault and fault.breaks_off == place // STEP:
                raise _BrokenOff
            await asyncio.sleep(seconds / steps)
        yield infiniti.school.take(row)


def _is_authorised(infiniti: Infiniti, request: Request) -> bool:
    """Infiniti: HTTP Basic, of an account with system administration privileges."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    wanted = f"{infiniti.username}:{infiniti.password}"
    return kind.lower() == "basic" and secrets.compare_digest(decoded.encode(), wanted.encode())


async def _first_file(request: Request) -> bytes:
    """Infiniti: the first file of the form; its name and the name of its field are ignored."""
    async with request.form() as form:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read()
    raise FileRefused("No file was sent.")


def application(infiniti: Infiniti) -> Starlette:
    """The ASGI application over what is kept in `infiniti`."""

    async def import_users(request: Request) -> Response:
        return await _import(infiniti, request)

    async def page(_: Request) -> Response:
        users = sorted(infiniti.school.users.values(), key=lambda user: str(user["username"]))
        shown = {"users": users[:MOST_SHOWN], "count": len(users), "columns": _SHOWN}
        return HTMLResponse(
            _pages.get_template("infiniti.html").render(shown), headers={"content-security-policy": PAGE_POLICY}
        )

    async def users(_: Request) -> Response:
        return JSONResponse(list(infiniti.school.users.values()))

    async def journal(_: Request) -> Response:
        return JSONResponse([asdict(seen) for seen in infiniti.journal])

    async def set_faults(request: Request) -> Response:
        infiniti.faults.set(await request.json())
        return Response(status_code=204)

    async def set_oddities(request: Request) -> Response:
        wanted = await request.json()
        known = {field.name for field in fields(Oddities)}
        if unknown := set(wanted) - known:
            return PlainTextResponse(f"There is no {min(unknown)}; there are {', '.join(sorted(known))}.", 400)
        infiniti.school.oddities = Oddities(**asdict(infiniti.oddities) | wanted)
        return Response(status_code=204)

    app = Starlette(
        routes=[
            Route(IMPORT, import_users, methods=["POST"]),
            Route("/", page),
            Route("/_sandbox/users", users),
            Route("/_sandbox/journal", journal),
            Route("/_sandbox/faults", set_faults, methods=["POST"]),
            Route("/_sandbox/oddities", set_oddities, methods=["POST"]),
        ]
    )
    app.state.infiniti = infiniti
    return app


_SHOWN = [name for name in COLUMNS if name != "password"]
"""The page shows whether a user has a password, not which."""
