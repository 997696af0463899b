"""
Take a corrected rejects file on a run's page, and start the load of it.

The file is in the new run's folder, encrypted like everything there, until fetch uses it instead of the usual file.
Only corrected rejects are accepted; any other file belongs in the library's own folder.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from urllib.parse import urlsplit

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.configuration import conf
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType
from fastapi import HTTPException, Request, UploadFile
from sqlalchemy import select
from sqlalchemy.orm import Session

from patronload import connections
from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.artifacts.models import DeliveredFile, Uploaded
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.config.source import Layout
from patronload.errors import PatronloadError
from patronload.exports import pgp, reading

PREFIX = "corrected__"
"""How the ids of runs with a corrected file begin."""

MOST_BYTES = 20 << 20
"""The maximum size of a corrected file."""

TOO_LARGE = f"The file is larger than {MOST_BYTES >> 20} MB. Put it where the exports are instead."

REFUSED_ORIGIN = "The file was sent from another site. Open the page in Airflow, and upload the file there."


def check_same_site(request: Request) -> None:
    """
    Raises a refusal for a form on another site, which would be sent with the login of the person who opened it.

    Airflow's cookie is not sent from there either (SameSite); this does not rely on it.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = {request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="")).netloc} - {""}
    # Some browsers and proxies hide the origin; then Sec-Fetch-Site has to say that the form is ours.
    is_own = urlsplit(origin).netloc in own if origin not in (None, "null") else origin is None or site is not None
    if site not in (None, "same-origin") or not is_own:
        raise HTTPException(403, REFUSED_ORIGIN)


def start_load(session: SessionDep, dag_id: str, tenant: str, file: UploadFile, by: str) -> str:
    """
    Keep a corrected file for a new run, and start the run; its id. Raises a refusal in a sentence.

    If a load of the same file is still under way, it is that one's id: a button that is pressed twice starts one load.
    """
    content = file.file.read(MOST_BYTES + 1)
    _check(content, tenant)
    with _starting:
        return _under_way(session, dag_id, tenant, content) or _start(session, dag_id, tenant, content, file, by)


_starting = Lock()
"""Held while a load is looked for and started, as two requests may come at the same moment."""


def _under_way(session: Session, dag_id: str, tenant: str, content: bytes) -> str | None:
    """The run that loads the same file and has not ended."""
    of_files = DagRun.run_id.startswith(PREFIX, autoescape=True)
    unfinished = DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING))
    sha256 = hashlib.sha256(content).hexdigest()
    for run_id in session.scalars(select(DagRun.run_id).where(DagRun.dag_id == dag_id, of_files, unfinished)):
        kept = Uploaded.find(runs.open_run(tenant, run_id))
        if kept and kept.sha256 == sha256:
            return run_id
    return None


def _start(session: Session, dag_id: str, tenant: str, content: bytes, file: UploadFile, by: str) -> str:
    now = datetime.now(UTC)
    run_id = f"{PREFIX}{now:%Y-%m-%dT%H:%M:%S.%f}+00:00"
    run = runs.open_run(tenant, run_id)
    try:
        run.write(names.UPLOADED_FILE, content)
        _uploaded(content, file.filename or "", by, now).write(run)
        trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=by,
            run_id=run_id,
            session=session,
        )
        session.commit()  # the next page asks for the run
    except Exception as error:
        _forget(run)
        if isinstance(error, PatronloadError):
            raise HTTPException(503, str(error)) from error
        raise
    return run_id


def _check(content: bytes, tenant: str) -> None:
    """Raises a refusal unless the content is a corrected rejects file of this library."""
    if len(content) > MOST_BYTES:
        raise HTTPException(413, TOO_LARGE)
    try:
        source = tenants.load(tenant).source
        is_corrected = _read(content, source, source.pgp).mended
    except PatronloadError as error:
        raise HTTPException(422, str(error)) from error
    if not is_corrected:
        raise HTTPException(
            422,
            "This is not a corrected rejects file: it has none of the columns whose names begin with reject_. Download "
            "rejects.xlsx, correct it, and upload it with these columns.",
        )


def _read(content: bytes, layout: Layout, key: str | None) -> reading.Export:
    if key and pgp.is_encrypted(content):
        return pgp.read(content, layout, connections.pgp_key(key))
    return reading.read(content, layout)


def _uploaded(content: bytes, filename: str, by: str, now: datetime) -> Uploaded:
    printable = "".join(sign if sign.isprintable() else "_" for sign in filename.replace("\\", "/").rpartition("/")[2])
    moment = now.replace(microsecond=0)
    file = DeliveredFile(
        name=printable[-100:] or "corrected rejects",
        path=f"uploaded in Airflow by {by}",
        size=len(content),
        modified=moment,
        sha256=hashlib.sha256(content).hexdigest(),
        fetched=moment,
    )
    return Uploaded(by=by, **file.to_json())


def _forget(run: Run) -> None:
    """Remove what was kept of a file whose load did not start: without a run, no purging would find it."""
    with suppress(PatronloadError):  # the storage that just failed; the first error is the one to report
        for name in (names.UPLOADED_FILE, names.UPLOADED):
            run.remove(name)
