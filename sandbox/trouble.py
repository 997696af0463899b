"""Answer a request as an armed fault requires: instead of the work, after it, before it is done, or only half of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from sandbox.faults import HANGS_UP, TRUE, Fault

NO_ANSWER = 599
"""The journal's status for a connection that was closed without an answer."""

PIECES = 20

Work = Callable[[], Awaitable[Response]]


Working = set["asyncio.Task[Any]"]
"""Work that goes on after its request was answered."""


async def under(fault: Fault | None, request: Request, still_working: Working, work: Work) -> Response:
    """The answer to a request whose own answer comes from `work`; `still_working` holds work that goes on."""
    if fault is None:
        return await work()
    if fault.status == TRUE:
        return await _answer_truthfully(fault, request, work)
    if fault.work == "first":
        await work()
    elif fault.work == "goes on":
        await request.body()
        task = asyncio.ensure_future(work())
        still_working.add(task)
        task.add_done_callback(still_working.discard)
    if fault.status == HANGS_UP:
        await _hang_up(request)
    return PlainTextResponse(fault.body, fault.status or NO_ANSWER, fault.headers)


async def _answer_truthfully(fault: Fault, request: Request, work: Work) -> Response:
    response = await work()
    if response.status_code == NO_ANSWER:
        await _hang_up(request)
    return _slowly(request, response, fault) if fault.trickle or fault.cut else response


def _slowly(request: Request, response: Response, fault: Fault) -> Response:
    """The answer in pieces over some seconds, or only its first half and then nothing."""
    body = bytes(response.body)
    pieces = [body[at : at + max(1, len(body) // PIECES)] for at in range(0, len(body), max(1, len(body) // PIECES))]

    async def drip() -> AsyncIterator[bytes]:
        for piece in pieces[: len(pieces) // 2] if fault.cut else pieces:
            await asyncio.sleep(fault.trickle / len(pieces))
            yield piece
        if fault.cut:
            await _hang_up(request)

    headers = {name: value for name, value in response.headers.items() if not (fault.cut and name == "content-length")}
    if fault.cut:
        headers["content-length"] = str(len(body))
    return StreamingResponse(drip(), response.status_code, headers)


async def _hang_up(request: Request) -> None:
    drop = request.scope.get("extensions", {}).get("hang_up")
    if drop:
        drop()
        await asyncio.sleep(0.01)  # gives the server time to notice, so that it writes no answer
