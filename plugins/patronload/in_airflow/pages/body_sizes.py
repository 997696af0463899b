"""
Refuse a request whose body is too large, before any of it is kept.

FastAPI writes all of an upload to a disk before it looks at who sends it. Without this, anyone who reaches the server
could fill that disk.
"""

from __future__ import annotations

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patronload.in_airflow.pages import uploads

MOST_OF_A_FORM = 64 << 10
"""Bytes of a form: it has a few short fields. An upload may have as many beside its file."""


class BodySizes:
    """Counts what arrives, whatever the request says of its size; only an upload may have a file."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a body that ends in a refusal if it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = scope["path"].endswith("/corrected")
        most, arrived = MOST_OF_A_FORM + (uploads.MOST_BYTES if is_upload else 0), 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if max(arrived, _declared(scope)) > most:
                raise HTTPException(413, uploads.TOO_LARGE)
            return message

        await self._app(scope, counted, send)


def _declared(scope: Scope) -> int:
    """The size that the request says it has; 0 if it does not say."""
    found = dict(scope["headers"]).get(b"content-length", b"")
    return int(found) if found.isdigit() else 0
