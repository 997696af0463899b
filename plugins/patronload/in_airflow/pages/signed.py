"""
The pages behind signed links, for people without an account in Airflow.

Airflow asks no one here for a login: the signed link is what lets someone in, to the page of one run, for one person.
Opening a link changes nothing, since programs that scan mail open links too. Whatever has an effect, and each download
of patron data, is a form of the page, which is sent with a text that only the page has.
"""

from __future__ import annotations

import json
import logging
import secrets
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.log import Log
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException as StarletteHTTPException

from patronload import dates, plain_text
from patronload.artifacts import names, questions
from patronload.artifacts import run as runs
from patronload.artifacts.models import ApprovalRecord, LinkUse
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.config.tenants import Tenant
from patronload.errors import ConfigError, PatronloadError
from patronload.in_airflow import answers
from patronload.in_airflow.pages import loads, uploads
from patronload.in_airflow.pages import plan as plan_page
from patronload.in_airflow.pages.body_sizes import BodySizes
from patronload.in_airflow.pages.rate_limits import Limiter
from patronload.reporting import contact_steps, places, signed_links, templates, words
from patronload.reporting.places import Reader
from patronload.reporting.report import Report
from patronload.reporting.signed_links import ExpiredLinkError, ForgedLinkError, Link, Person, Signer

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

MEDIA_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

BLOCK = 1 << 20

CONTACT = Reader(on_call=False)

bad_links = Limiter(20, 600)
"""Links that do not work, for each network address."""

uses = Limiter(60, 600)
"""Requests, for each link."""


class Visit(NamedTuple):
    """Who opened which link, to which run."""

    tenant: Tenant
    signer: Signer
    token: str
    link: Link
    person: Person
    run: Run
    load: loads.Load

    @property
    def dag_id(self) -> str:
        """The library's DAG."""
        return self.tenant.dag_id


def application() -> FastAPI:
    """All of it."""
    # An address with a slash too many would lead on to whatever host the request names.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(BodySizes)
    for kind in (StarletteHTTPException, RequestValidationError, PatronloadError, OSError):
        app.exception_handler(kind)(_refusal_page)
    app.get("/style.css")(style)
    app.get(f"/{places.HELP}", response_class=HTMLResponse)(how_to_fix)
    app.get("/{tenant}/{token}", response_class=HTMLResponse)(show)
    for path, act in (("rejects.{ending}", rejects), ("corrected", upload), ("answer", answer)):
        app.post(f"/{{tenant}}/{{token}}/{path}", response_class=HTMLResponse)(act)
    return app


def visit(request: Request, session: SessionDep, tenant: str, token: str) -> Visit:
    """The person with this link. Raises a refusal in a sentence; all links that do not work get the same one."""
    try:
        found = _visit(session, tenant, token)
    except ExpiredLinkError:
        raise HTTPException(410, EXPIRED) from None
    except (ForgedLinkError, ConfigError):
        known = bad_links.allows(_address(request))
        raise HTTPException(*((404, FORGED) if known else (429, TOO_OFTEN))) from None
    if not uses.allows(f"{tenant} {found.link}"):
        raise HTTPException(429, TOO_OFTEN)
    return found


EXPIRED = "It is too old. The mail about the next load has a new one."
FORGED = "It is incomplete, or it is no longer valid. Copy the whole address from the mail."
TOO_OFTEN = "Wait ten minutes, and open the link in the mail again."
LEFT_OPEN = "It was open for too long. Open the link in the mail again."
INCOMPLETE = "Something is missing, or too long. Go back, and fill in the form again."
UNREADABLE = "Something that this page needs cannot be read at the moment. Try again later."
BAD_FORM = 400
UNKNOWN = {BAD_FORM: INCOMPLETE, 405: "Open the link in the mail, and use the buttons of the page."}
"""The sentence for a request that FastAPI refuses; for any other one, the link does not work."""
UNUSABLE = "This file cannot be read. Download rejects.xlsx, correct it, and upload it again."
NOT_YOURS = "This link does not allow that."


def _visit(session: Session, name: str, token: str) -> Visit:
    if name not in tenants.names():
        raise ForgedLinkError
    tenant = tenants.load(name)
    signer = signed_links.signer(tenant)
    if tenant.links is None or signer is None:
        raise ForgedLinkError
    link = signer.read(token, tenant.links.age)
    person = signed_links.person(tenant, link)
    load = loads.load(session, tenant.dag_id, link.run)
    if person is None or load is None:
        raise ForgedLinkError
    return Visit(tenant, signer, token, link, person, runs.open_run(name, link.run), load)


Visitor = Annotated[Visit, Depends(visit)]


def form_of_the_page(request: Request, visitor: Visitor, form: Annotated[str, Form(max_length=500)] = "") -> Visit:
    """The visitor, who presses a button of the page itself. Raises a refusal for any other form."""
    if request.headers.get("sec-fetch-site") not in (None, "same-origin"):
        raise HTTPException(403, LEFT_OPEN)
    try:
        visitor.signer.check_form(form, visitor.token)
    except (ExpiredLinkError, ForgedLinkError):
        raise HTTPException(403, LEFT_OPEN) from None
    return visitor


Actor = Annotated[Visit, Depends(form_of_the_page)]


def show(request: Request, session: SessionDep, visitor: Visitor) -> HTMLResponse:
    """The question if it waits for this person, and the report if there is one."""
    run, tenant = visitor.run, visitor.tenant
    shown: dict[str, Any] = {"question": None, "record": None, "may_answer": False, "report": None}
    shown["day"] = _day(visitor.load)
    try:
        shown |= plan_page.waiting(run, visitor.link.run, tenant)
        if shown["question"]:
            shown["question"] = contact_steps.in_contact_words(shown["question"])
        shown["record"] = _record(visitor)
        shown["may_answer"] = _may_answer(session, visitor)
        report = Report.from_json(run.read_json(names.REPORT)) if run.has(names.REPORT) else None
        if report:
            shown |= words.content(report, tenant.dag_id, CONTACT, _places(visitor))
        shown["files"] = _files(run, report) if visitor.person.may_correct else []
    except (PatronloadError, OSError, ValueError) as error:
        log.warning("A page behind a link cannot be shown: %s", type(error).__name__)
        raise HTTPException(503, UNREADABLE) from error
    return _page(
        request,
        "link.html",
        here=f"{tenant.tenant}/{visitor.token}",
        form=visitor.signer.form(visitor.token),
        tenant=tenant,
        load=visitor.load,
        person=visitor.person,
        asks=visitor.link.question,
        asked=answers.asked(session, visitor.dag_id, visitor.link.run),
        **shown,
    )


def rejects(request: Request, session: SessionDep, visitor: Actor, ending: Literal["csv", "xlsx"]) -> Response:
    """The rows to correct, as a file to keep."""
    _check_corrector(visitor)
    name = names.REJECTS if ending == "csv" else names.REJECTS_WORKBOOK
    if not visitor.run.has(name):
        raise HTTPException(404, "The file is no longer kept.")
    _record_use(request, session, visitor, "downloaded", str(name))
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{_filename(visitor, ending)}"'}
    return StreamingResponse(_blocks(visitor.run, name), media_type=MEDIA_TYPES[ending], headers=headers)


def upload(request: Request, session: SessionDep, visitor: Actor, file: UploadFile) -> Response:
    """Take the corrected rejects, start their load, and lead to the page of the new run."""
    _check_corrector(visitor)
    by = visitor.person.address
    try:
        started = uploads.start_load(session, visitor.dag_id, visitor.tenant.tenant, file, by)
    except HTTPException as refusal:
        told = contact_steps.without_technical(str(refusal.detail))
        raise HTTPException(refusal.status_code, told or UNUSABLE) from refusal
    _record_use(request, session, visitor, "uploaded", started)
    token = visitor.signer.sign(Link(started, signed_links.mark(by, started)))
    return RedirectResponse(f"{_root(request)}/{visitor.tenant.tenant}/{token}", 303, HEADERS)


def answer(
    request: Request,
    session: SessionDep,
    visitor: Actor,
    choice: Annotated[str, Form(max_length=100)] = "",
    reason: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """Take the answer of an approver, once."""
    said = " ".join(plain_text.one_line(reason).split())
    if not _may_answer(session, visitor):
        raise HTTPException(
            409, "The question was answered, or it has changed. Open the link to see the current state."
        )
    choices = [
        each.name for each in plan_page.waiting(visitor.run, visitor.link.run, visitor.tenant)["question"].choices
    ]
    if choice not in choices or len(said) < SHORTEST_REASON:
        raise HTTPException(422, "An answer needs a reason of at least three letters. Go back, and write one.")
    if len(said) > LONGEST_REASON:
        raise HTTPException(
            422, f"The reason has {len(said):,} letters; {LONGEST_REASON} fit. Go back, and shorten it."
        )
    by = visitor.person.address
    if not answers.give(session, visitor.dag_id, visitor.link.run, choice, said, by):
        raise HTTPException(409, "Someone else has just answered. Open the link to see the answer.")
    _record_use(request, session, visitor, "answered", choice)
    return RedirectResponse(f"{_root(request)}/{visitor.tenant.tenant}/{visitor.token}", 303, HEADERS)


SHORTEST_REASON, LONGEST_REASON = 3, 500
"""In letters, with each line break and each row of blanks as one."""


def how_to_fix(request: Request) -> HTMLResponse:
    """How each reason can be fixed, and by whom; the same page for everyone."""
    return _page(request, "how_to_fix.html")


def style() -> Response:
    """How the pages look."""
    text = _templates().get_template("pages/link.css").render(looks=words.LOOKS)
    return Response(text, media_type="text/css", headers=HEADERS | {"Cache-Control": "private, max-age=3600"})


def _day(load: loads.Load) -> str:
    try:
        return dates.in_words(date.fromisoformat(load.day))
    except ValueError:
        return load.day


def _places(visitor: Visit) -> places.Places:
    """The places for the next steps, as in a mail to this person: the rejects are on this page."""
    return places.Places(rejects="#rejects" if visitor.person.may_correct else "", signed=True)


def _record(visitor: Visit) -> ApprovalRecord | None:
    """The record of the question that the link is about, if the run still asks it, or was answered."""
    record = ApprovalRecord.find(visitor.run) if visitor.link.question else None
    return record if record and questions.mark(record) == visitor.link.question else None


def _may_answer(session: Session, visitor: Visit) -> bool:
    """Whether this person may answer the question of the link now: it has not changed, and has no answer yet."""
    record = _record(visitor)
    current = questions.current(visitor.run)
    return bool(
        visitor.person.may_answer
        and record
        and current == record
        and record.answer is None
        and datetime.now(UTC) < record.until
        and answers.asked(session, visitor.dag_id, visitor.link.run).waits
    )


def _check_corrector(visitor: Visit) -> None:
    if not visitor.person.may_correct:
        raise HTTPException(403, NOT_YOURS)


def _files(run: Run, report: Report | None) -> list[str]:
    """The endings of the files of rejects that there are."""
    if report is None or not report.to_correct:
        return []
    kept = {"xlsx": names.REJECTS_WORKBOOK, "csv": names.REJECTS}
    return [ending for ending, name in kept.items() if run.has(name)]


def _record_use(
    request: Request, session: Session, visitor: Visit, did: Literal["downloaded", "uploaded", "answered"], what: str
) -> None:
    """Into Airflow's audit log, and into the run's folder."""
    now, address, by = datetime.now(UTC), _address(request), visitor.person.address
    extra = json.dumps({"address": address, "what": what, "by": "signed link"})
    line = Log(event=f"patron_link_{did}", owner=by, owner_display_name=by, extra=extra)
    line.dag_id, line.run_id = visitor.dag_id, visitor.link.run
    session.add(line)
    session.commit()
    use = LinkUse(did=did, by=by, address=address, at=now.replace(microsecond=0), what=what)
    visitor.run.write_json(f"{names.LINKS}/{now:%Y%m%dT%H%M%S%f}_{secrets.token_hex(4)}.json", use.to_json())


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _filename(visitor: Visit, ending: str) -> str:
    return f"{visitor.tenant.tenant}_{visitor.load.day}_rejects.{ending}"


def _blocks(run: Run, name: str) -> Any:
    with run.reading(name) as file:
        while block := file.read(BLOCK):
            yield block


TITLES = {
    400: "This was not accepted",
    403: "This page can no longer be used",
    404: "This link does not work",
    409: "The answer was not accepted",
    410: "This link has expired",
    405: "This link does not work",
    413: "The file was not accepted",
    422: "This was not accepted",
    429: "There were too many attempts",
}


async def _refusal_page(request: Request, error: Exception) -> HTMLResponse:
    """Every refusal as a page with a sentence, also what FastAPI itself refuses."""
    status, sentence = 503, UNREADABLE
    if isinstance(error, RequestValidationError):
        status, sentence = 422, INCOMPLETE
    elif isinstance(error, StarletteHTTPException):
        is_ours = isinstance(error, HTTPException) and error.status_code != BAD_FORM
        status, sentence = error.status_code, str(error.detail) if is_ours else UNKNOWN.get(error.status_code, FORGED)
    else:
        log.warning("A page behind a link cannot be shown: %s", type(error).__name__)
    title = TITLES.get(status, "This page cannot be shown")
    return _page(request, "link_refused.html", status, title=title, sentence=sentence)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _page(request: Request, template: str, status: int = 200, **content: Any) -> HTMLResponse:
    text = _templates().get_template(f"pages/{template}").render(root=_root(request), looks=words.LOOKS, **content)
    return HTMLResponse(text, status, HEADERS)


# Read once; what changes in a template is seen all the same.
_templates = cache(templates.environment)
