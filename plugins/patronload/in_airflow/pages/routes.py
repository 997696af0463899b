"""
The pages' addresses, and who may see what.

Airflow does not protect a plugin's pages, so each page here checks the rights itself. People who are not logged in get
401, people who may not read a DAG's runs get 403 for that library, and the page with all libraries shows only those
that the person may read. The rejects contain personal data, and a report does not: the rejects require the right to
start a load of that library (Airflow's roles "user" and above), and Airflow's audit log records each download.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.models.dag import DagModel
from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse

from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.artifacts.plan_changes import Choice
from patronload.artifacts.run import Run
from patronload.in_airflow.pages import (
    attention,
    charts,
    comparison,
    day_calendar,
    days,
    figures,
    kept,
    loads,
    looks,
    uploads,
)
from patronload.in_airflow.pages import plan as plan_page
from patronload.in_airflow.pages.body_sizes import BodySizes
from patronload.reporting import finding, words

log = logging.getLogger(__name__)

HISTORY = 100
"""How many loads of one library are listed."""

COLUMNS = [
    ("rows", "Rows"),
    ("created", "Created"),
    ("updated", "Updated"),
    ("unchanged", "Unchanged"),
    ("failed", "Failed"),
    ("rejected", "Rejected"),
    ("not_sent", "Not sent"),
    ("left", "Left"),
    ("returned", "Returned"),
]
"""The figures of a load that its library's page lists, and their titles."""

MEDIA_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

may_read = Depends(requires_access_dag("GET", DagAccessEntity.RUN))
may_load = Depends(requires_access_dag("POST", DagAccessEntity.RUN))

Search = Annotated[str, Query(max_length=300)]
OwnPage = Literal["validation", "report"]


def _choice(action: Search = "", field: Search = "") -> Choice:
    return Choice(action, field)


Chosen = Annotated[Choice, Depends(_choice)]


def application() -> FastAPI:
    """All of it. Airflow's own pages about its API are not wanted here."""
    app = FastAPI(openapi_url=None)
    app.exception_handler(HTTPException)(looks.refusal)
    app.add_middleware(BodySizes)
    for path, show, *guards in (
        ("/", overview),
        ("/loads.json", figures.loads_json),
        ("/metrics", figures.prometheus),
        # The page for someone who is not logged in needs both, and they reveal nothing.
        ("/style.css", looks.style),
        ("/frame.js", looks.script),
        ("/icon-{looks}.svg", looks.icon, Depends(get_user)),
        ("/libraries/{dag_id}", library, may_read),
        ("/runs/{dag_id}/{run_id}", report, may_read),
        ("/runs/{dag_id}/{run_id}/report.json", report_json, may_read),
        (
            "/runs/{dag_id}/{run_id}/rejects.{ending}",
            rejects,
            may_load,
            Depends(action_logging("patron_rejects_taken")),
        ),
        ("/runs/{dag_id}/{run_id}/{name}.html", page_of_the_run, may_read),
        ("/runs/{dag_id}/{run_id}/compare", compare, may_read),
        ("/runs/{dag_id}/{run_id}/noted.csv", noted, may_load, Depends(action_logging("patron_noted_taken"))),
        ("/runs/{dag_id}/{run_id}/plan", plan, may_load, Depends(action_logging("patron_plan_seen"))),
        ("/runs/{dag_id}/{run_id}/plan.csv", plan_csv, may_load, Depends(action_logging("patron_plan_taken"))),
        ("/runs/{dag_id}/{run_id}/plan.xlsx", plan_xlsx, may_load, Depends(action_logging("patron_plan_taken"))),
        ("/libraries/{dag_id}/find", find, may_load),
        ("/runs/{dag_id}/{run_id}/leavers.csv", leavers, may_load, Depends(action_logging("patron_leavers_taken"))),
        (
            "/runs/{dag_id}/{run_id}/not_undone.csv",
            not_undone,
            may_load,
            Depends(action_logging("patron_not_undone_taken")),
        ),
    ):
        app.get(path, dependencies=guards, response_class=HTMLResponse)(show)
    # By POST, so that whom someone looks for is in no address, and so in no log and no history of a browser.
    searched = Depends(action_logging("patron_searched"))
    app.post("/libraries/{dag_id}/find", dependencies=[may_load, searched], response_class=HTMLResponse)(find_patron)
    app.post(
        "/runs/{dag_id}/{run_id}/corrected",
        dependencies=[Depends(uploads.check_same_site), may_load, Depends(action_logging("patron_corrected_uploaded"))],
        response_class=HTMLResponse,
    )(upload)
    return app


def overview(
    request: Request, session: SessionDep, user: GetUserDep, q: Search = "", show: Search = "all"
) -> HTMLResponse:
    """All libraries whose DAGs someone may read; those that need attention come first."""
    readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)
    now = datetime.now(UTC)
    found = [(each, attention.needs(each, now)) for each in loads.libraries(session, readable)]
    wanted = [
        (each, sentences)
        for each, sentences in found
        if q.strip().casefold() in f"{each.name} {each.dag_id}".casefold() and (sentences or show != "attention")
    ]
    wanted.sort(key=lambda pair: not pair[1])
    lines = [(each, sentences, charts.trend(each.loads)) for each, sentences in wanted]
    return looks.page(
        request,
        "overview.html",
        lines=lines,
        libraries=len(found),
        alarmed=sum(bool(sentences) for _, sentences in found),
        q=q,
        show=show,
    )


def library(request: Request, session: SessionDep, user: GetUserDep, dag_id: str) -> HTMLResponse:
    """One library's loads."""
    found = loads.libraries(session, [dag_id], HISTORY)
    if not found:
        raise _foreign(session, dag_id)
    shown = found[0]
    missed = days.missed_days(shown.schedule, shown.loads, more=shown.more)
    return looks.page(
        request,
        "library.html",
        library=shown,
        sentences=attention.needs(shown, datetime.now(UTC)),
        trend=charts.trend(shown.loads),
        missed=missed,
        months=day_calendar.months(shown.loads, missed),
        day_kinds=day_calendar.KINDS,
        day_signs=day_calendar.SIGNS,
        columns=COLUMNS,
        repeats=days.repeats(shown.loads),
        undone=days.undone(shown.loads),
        most=HISTORY,
        may_load=_may_load(session, user, dag_id),
    )


def report(
    request: Request, session: SessionDep, user: GetUserDep, dag_id: str, run_id: str, started: Search = ""
) -> HTMLResponse:
    """One run's report, or why there is none. `started`: the run that a file uploaded here has started."""
    load = _load(session, dag_id, run_id)
    run = runs.open_run(loads.tenant_of(dag_id), run_id)
    made, trouble = kept.report_of(run)
    shown: dict[str, Any] = {
        "dag": dag_id,
        "load": load,
        "zone": loads.zone_of(dag_id),
        "may_load": _may_load(session, user, dag_id),
        "has_plan": kept.has(run, names.PLAN),
        "has_leavers": kept.has(run, names.LEAVERS_FILE),
        "has_not_undone": kept.has(run, names.NOT_UNDONE),
    }
    if made is None:
        library = _library_name(session, dag_id)
        question = _question(run, dag_id, run_id)
        return looks.page(request, "no_report.html", library=library, trouble=trouble, **question, **shown)
    content = words.content(made, dag_id)
    return looks.page(
        request,
        "report.html",
        **content | shown,
        here=f"{looks.root(request)}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}",
        fields=kept.fields_of(run),
        started=started if started and loads.load(session, dag_id, started) else "",
        lengths=charts.shares([reason.count for reason, *_ in content["reasons"]]),
        has_noted=kept.has(run, names.NOTED_FILE),
        has_validation=kept.has(run, names.VALIDATION_PAGE),
        has_rejects=made.to_correct > 0 and kept.has(run, names.REJECTS),
        has_workbook=made.to_correct > 0 and kept.has(run, names.REJECTS_WORKBOOK),
    )


def compare(request: Request, session: SessionDep, dag_id: str, run_id: str, other: Search = "") -> HTMLResponse:
    """A load beside an earlier one: the one that someone chose, or the last one before it."""
    load, (library,) = _load(session, dag_id, run_id), loads.libraries(session, [dag_id], HISTORY)
    before = comparison.others(load, library.loads)
    chosen = next((each for each in before if each.run_id == other), before[0] if before else None)
    tenant = loads.tenant_of(dag_id)
    pair = [kept.report_of(runs.open_run(tenant, each.run_id))[0] if each else None for each in (load, chosen)]
    earlier = ((each, runs.open_run(tenant, each.run_id)) for each in before[: comparison.MOST])
    lasting = kept.or_503(lambda: comparison.same_rows(load, runs.open_run(tenant, run_id), earlier))
    both = (pair[0], pair[1]) if pair[0] and pair[1] else None
    return looks.page(
        request,
        "compare.html",
        dag=dag_id,
        library=library,
        load=load,
        before=before,
        chosen=chosen,
        lasting=lasting,
        figures=comparison.figures(*both) if both else [],
        reasons=comparison.reasons(*both) if both else [],
    )


def page_of_the_run(request: Request, session: SessionDep, dag_id: str, run_id: str, name: OwnPage) -> Response:
    """A page that the run has left, with Airflow's light or dark look."""
    _load(session, dag_id, run_id)
    run = runs.open_run(loads.tenant_of(dag_id), run_id)
    artifact = names.VALIDATION_PAGE if name == "validation" else names.REPORT_PAGE
    if not kept.has(run, artifact):
        raise HTTPException(404, "This run has no such page, or the page is no longer kept.")
    return looks.kept_page(request, kept.or_503(lambda: run.read(artifact)).decode())


def noted(session: SessionDep, dag_id: str, run_id: str) -> Response:
    """The notes, row by row, as a file to download."""
    missing = "This run has no notes, or they are no longer kept."
    return _file_of_the_run(session, dag_id, run_id, names.NOTED_FILE, missing)


def report_json(session: SessionDep, dag_id: str, run_id: str) -> Response:
    """The report as figures."""
    _load(session, dag_id, run_id)
    made, trouble = kept.report_of(runs.open_run(loads.tenant_of(dag_id), run_id))
    if made is None:
        raise HTTPException(503 if trouble else 404, trouble or "This run has no report.")
    return Response(made.model_dump_json(indent=2), media_type="application/json", headers=looks.HEADERS)


def rejects(session: SessionDep, dag_id: str, run_id: str, ending: Literal["csv", "xlsx"]) -> Response:
    """The rows to correct, as a file to download."""
    artifact = names.REJECTS if ending == "csv" else names.REJECTS_WORKBOOK
    _load(session, dag_id, run_id)
    run = runs.open_run(loads.tenant_of(dag_id), run_id)
    if kept.has(run, artifact):
        return kept.download(kept.blocks_of(run, artifact), dag_id, run_id, artifact, MEDIA_TYPES[ending])
    # The file is made at the end of a run, and someone may be asked about the load before that.
    tenant = plan_page.tenant_of(loads.tenant_of(dag_id))
    made = kept.or_503(lambda: plan_page.rejects_so_far(run, tenant)) if tenant and ending == "csv" else None
    if made is None:
        raise HTTPException(404, "This run never had rejects, or they are no longer kept.")
    return kept.download(iter([made]), dag_id, run_id, names.REJECTS)


def plan(
    request: Request, session: SessionDep, dag_id: str, run_id: str, choice: Chosen, page: int = 1
) -> HTMLResponse:
    """The changes that a run makes or would make, in figures and patron by patron; with the question, if one waits."""
    load = _load(session, dag_id, run_id)
    run, tenant = runs.open_run(loads.tenant_of(dag_id), run_id), plan_page.tenant_of(loads.tenant_of(dag_id))
    shown = kept.or_503(lambda: plan_page.content(run, tenant, choice, page))
    return looks.page(
        request,
        "plan.html",
        **shown,
        **_question(run, dag_id, run_id),
        dag=dag_id,
        library=_library_name(session, dag_id),
        load=load,
        zone=loads.zone_of(dag_id),
        may_load=True,
        plan_shown=True,
    )


def plan_csv(session: SessionDep, dag_id: str, run_id: str, choice: Chosen) -> Response:
    """The lines of the plan as CSV."""
    run = _run_with_changes(session, dag_id, run_id)
    return kept.download(plan_page.csv(run, choice), dag_id, run_id, "plan.csv")


def plan_xlsx(session: SessionDep, dag_id: str, run_id: str, choice: Chosen) -> Response:
    """The lines of the plan as an Excel workbook."""
    run = _run_with_changes(session, dag_id, run_id)
    made = kept.or_503(lambda: plan_page.workbook(run, choice))
    if made is None:
        raise HTTPException(413, "An Excel file would be too large: choose an action or a field, or take the CSV file.")
    return kept.download(iter([made]), dag_id, run_id, "plan.xlsx", MEDIA_TYPES["xlsx"])


def find(request: Request, session: SessionDep, dag_id: str) -> HTMLResponse:
    """The form in which someone looks for a patron."""
    return looks.page(request, "find.html", dag=dag_id, library=_library_name(session, dag_id), value="", found=None)


def find_patron(
    request: Request, session: SessionDep, dag_id: str, value: Annotated[str, Form(max_length=200)] = ""
) -> HTMLResponse:
    """Every run of the last weeks that had the patron."""
    name, tenant = _library_name(session, dag_id), plan_page.tenant_of(loads.tenant_of(dag_id))
    if tenant is None:
        raise HTTPException(503, "The tenant file of this library cannot be loaded.")
    found = kept.or_503(lambda: finding.search(runs.all_runs(tenant.tenant), tenant, value)) if value.strip() else None
    return looks.page(request, "find.html", dag=dag_id, library=name, value=value, found=found, kinds=finding.KINDS)


def leavers(session: SessionDep, dag_id: str, run_id: str) -> Response:
    """The patrons whose turn it is to leave, as a file to download; also while the question about them is open."""
    missing = "This run never had a list of leavers, or it is no longer kept."
    return _file_of_the_run(session, dag_id, run_id, names.LEAVERS_FILE, missing)


def not_undone(session: SessionDep, dag_id: str, run_id: str) -> Response:
    """The fields and patrons that an undo does not restore, as a file to download; also while its question is open."""
    missing = "This run is not an undo, or its list is no longer kept."
    return _file_of_the_run(session, dag_id, run_id, names.NOT_UNDONE, missing)


def upload(
    request: Request, session: SessionDep, user: GetUserDep, dag_id: str, run_id: str, file: UploadFile
) -> Response:
    """Take a corrected rejects file, start its load, and name the new run."""
    _load(session, dag_id, run_id)
    started = uploads.start_load(session, dag_id, loads.tenant_of(dag_id), file, user.get_name())
    # The tab of this run keeps showing this run, and links to the new one.
    path = f"{looks.root(request)}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
    return RedirectResponse(f"{path}?{urlencode({'started': started})}", 303, looks.HEADERS)


def _file_of_the_run(session: SessionDep, dag_id: str, run_id: str, name: str, missing: str) -> Response:
    """A file of the run to download. Refuses with `missing` if there is none."""
    _load(session, dag_id, run_id)
    run = runs.open_run(loads.tenant_of(dag_id), run_id)
    if not kept.has(run, name):
        raise HTTPException(404, missing)
    return kept.download(kept.blocks_of(run, name), dag_id, run_id, name)


def _run_with_changes(session: SessionDep, dag_id: str, run_id: str) -> Run:
    _load(session, dag_id, run_id)
    run = runs.open_run(loads.tenant_of(dag_id), run_id)
    if not kept.has(run, names.CHANGES):
        raise HTTPException(404, "This run has no plan, or its patrons are no longer kept.")
    return run


def _question(run: Run, dag_id: str, run_id: str) -> dict[str, Any]:
    """The question that waits; nothing if none waits, or if it cannot be read."""
    try:
        found = plan_page.waiting(run, run_id, plan_page.tenant_of(loads.tenant_of(dag_id)))
    except Exception as error:  # noqa: BLE001 - the page is worth showing without it
        kept.trouble(error)
        return {"question": None}
    return found


def _library_name(session: SessionDep, dag_id: str) -> str:
    found = session.get(DagModel, dag_id) if loads.is_ours(dag_id) else None
    if found is None:
        raise _foreign(session, dag_id)
    return str(found.dag_display_name).removeprefix(loads.TITLE)


def _load(session: SessionDep, dag_id: str, run_id: str) -> loads.Load:
    """The run, which Airflow knows: so no path is made of what someone typed."""
    found = loads.load(session, dag_id, run_id) if loads.is_ours(dag_id) else None
    if found is None:
        raise _foreign(session, dag_id, "This library has no such run.")
    return found


def _foreign(session: SessionDep, dag_id: str, otherwise: str = "There is no such library.") -> HTTPException:
    if not loads.is_ours(dag_id) and session.get(DagModel, dag_id):
        return HTTPException(404, "This DAG does not load patrons, so there is no report on it.")
    return HTTPException(404, otherwise)


def _may_load(session: SessionDep, user: GetUserDep, dag_id: str) -> bool:
    """Whether someone may start loads of this library, and so may have its rejects."""
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id, session=session))
    entity = DagAccessEntity.RUN
    return get_auth_manager().is_authorized_dag(method="POST", access_entity=entity, details=details, user=user)
