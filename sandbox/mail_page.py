"""The page on which the mails of a folder are read."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

# A mail is written by others: no scripts, nothing loaded from elsewhere, no links that act as this page.
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"

KILO = 1000

PART_NAMES = {"html": "HTML", "text": "Text", "source": "Source"}

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True)


class Attachment(NamedTuple):
    """A file in a mail."""

    name: str
    size: str
    media_type: str
    content: bytes


class Mail(NamedTuple):
    """A mail as the page shows it."""

    name: str
    subject: str
    sender: str
    to: str
    when: str
    date: str
    html: str | None
    text: str | None
    source: str
    attachments: list[Attachment]


def mail_files(folder: Path) -> list[Path]:
    """The mails of a folder, oldest first."""
    return sorted(folder.glob("*.eml"))


def read_mail(path: Path) -> EmailMessage:
    """A mail as Python's email package sees it."""
    return message_from_bytes(path.read_bytes(), policy=policy.default)


def mail_page(folder: Path) -> Starlette:
    """The page as an ASGI application; the folder is read again for each request."""

    async def all_mails(_: Request) -> Response:
        return _render(folder)

    async def one_mail(request: Request) -> Response:
        return _render(folder, _find_mail(folder, request), request.query_params.get("part", ""))

    async def html_part(request: Request) -> Response:
        html = _find_mail(folder, request).html or ""
        return HTMLResponse(html, headers={"content-security-policy": MAIL_POLICY})

    async def attachment(request: Request) -> Response:
        return _download(_find_mail(folder, request), request.path_params["number"])

    return Starlette(
        routes=[
            Route("/", all_mails),
            Route("/mails/{name}", one_mail),
            Route("/mails/{name}/html", html_part),
            Route("/mails/{name}/files/{number:int}", attachment),
        ]
    )


def _render(folder: Path, mail: Mail | None = None, part: str = "") -> Response:
    shown: dict[str, Any] = {"mails": [_mail(path) for path in reversed(mail_files(folder))]}
    if mail:
        texts = {"html": mail.html, "text": mail.text, "source": mail.source}
        there = [(name, words) for name, words in PART_NAMES.items() if texts[name] is not None]
        part = part if part in dict(there) else there[0][0]
        shown |= {"mail": mail, "parts": there, "part": part, "text": texts[part]}
    page = _pages.get_template("mails.html").render(shown)
    return HTMLResponse(page, headers={"content-security-policy": PAGE_POLICY})


def _find_mail(folder: Path, request: Request) -> Mail:
    for path in mail_files(folder):
        if path.name == request.path_params["name"]:
            return _mail(path)
    raise HTTPException(404, "There is no such mail.")


def _mail(path: Path) -> Mail:
    message = read_mail(path)
    date = message["date"]
    moment = parsedate_to_datetime(date) if date else None
    return Mail(
        name=path.name,
        subject=str(message["subject"] or "(no subject)"),
        sender=str(message["from"] or message["x-mailfrom"]),
        to=str(message["x-rcptto"] or message["to"]),
        when=f"{moment:%d %b, %H:%M}" if moment else "",
        date=str(date or ""),
        html=_content(message, "html"),
        text=_content(message, "plain"),
        source=path.read_bytes().decode(errors="replace"),
        attachments=[_attachment(part) for part in message.iter_attachments()],
    )


def _content(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return None if part is None else str(part.get_content())


def _attachment(part: EmailMessage) -> Attachment:
    content = part.get_payload(decode=True)
    content = content if isinstance(content, bytes) else part.as_bytes()
    return Attachment(part.get_filename() or "file", _size(len(content)), part.get_content_type(), content)


def _size(count: int) -> str:
    return f"{count} bytes" if count < KILO else f"{count / KILO:,.1f} kB"


def _download(mail: Mail, number: int) -> Response:
    if number >= len(mail.attachments):
        raise HTTPException(404, "There is no such attachment.")
    file = mail.attachments[number]
    headers = {
        "content-disposition": f"attachment; filename*=utf-8''{quote(file.name)}",
        "x-content-type-options": "nosniff",
    }
    return Response(file.content, headers=headers, media_type=file.media_type)
