"""The loads for other programs: as JSON, and in the text format of Prometheus. Both show what someone may read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Query, Response

from patronload.in_airflow.pages import attention, days, loads
from patronload.in_airflow.pages.loads import Library, Load

HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus' text format."""

RESULTS = {"rows": "all"}
"""The label `result` of a number of rows, where it is not the figure's own name."""

QuietDays = Annotated[int, Query(ge=1, le=attention.MOST_QUIET_DAYS)]


def loads_json(
    session: SessionDep,
    user: GetUserDep,
    most: Annotated[int, Query(ge=1, le=loads.TREND)] = 7,
    quiet_days: QuietDays = attention.QUIET_DAYS,
) -> Response:
    """The libraries, what needs attention, and up to `most` loads of each, the newest first."""
    now = datetime.now(UTC)
    told = {
        "at": now.isoformat(timespec="seconds"),
        "libraries": [
            _library(each, attention.needs(each, now, quiet_days), most) for each in _readable(session, user)
        ],
    }
    return Response(json.dumps(told, indent=1, ensure_ascii=False), media_type="application/json", headers=HEADERS)


def prometheus(session: SessionDep, user: GetUserDep, quiet_days: QuietDays = attention.QUIET_DAYS) -> Response:
    """The figures of each library and of its last load."""
    now = datetime.now(UTC)
    found = [(each, attention.needs(each, now, quiet_days)) for each in _readable(session, user)]
    return Response("".join(_exposed(found)), media_type=PROMETHEUS, headers=HEADERS)


def _readable(session: SessionDep, user: GetUserDep) -> list[Library]:
    readable: Collection[str] = get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)
    return loads.libraries(session, readable)


def _library(library: Library, sentences: list[str], most: int) -> dict[str, Any]:
    return {
        "tenant": loads.tenant_of(library.dag_id),
        "library": library.name,
        "dag_id": library.dag_id,
        "switched_off": library.paused,
        "schedule": library.schedule,
        "due": _written(library.due),
        "attention": sentences,
        "loads": [_load(each) for each in library.loads[:most]],
    }


def _load(load: Load) -> dict[str, Any]:
    times = {"began": _written(load.began), "ended": _written(load.ended)}
    return load._asdict() | times | {"figures": dict(load.figures)}


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


class Sample(NamedTuple):
    """One number of a metric."""

    labels: Mapping[str, str]
    value: float


METRICS = {
    "library_info": "The library's name.",
    "library_switched_off": "1 if the library's DAG is switched off.",
    "library_problems": "How many things need a person's attention.",
    "library_due_timestamp_seconds": "When the next load is due.",
    "library_loads_under_way": "Loads that have begun and not ended.",
    "library_loads_waiting": "Loads that wait, by what they wait for.",
    "last_load_succeeded": "1 if the last load that ended was good.",
    "last_load_timestamp_seconds": "When the last load ended.",
    "last_load_seconds": "How long the last load took.",
    "last_load_rows": "The rows of the last load, by outcome.",
    "last_good_load_timestamp_seconds": "When the last good load ended.",
}
"""The metrics, without the prefix patronload_, and what each says. All are gauges: they show the state of now."""


def _exposed(found: Iterable[tuple[Library, list[str]]]) -> Iterator[str]:
    samples: dict[str, list[Sample]] = {name: [] for name in METRICS}
    for library, sentences in found:
        tenant = {"tenant": loads.tenant_of(library.dag_id)}
        for name, more, value in (*_of_library(library, sentences), *_of_last_load(library)):
            samples[name].append(Sample(tenant | more, value))
    for name, text in METRICS.items():
        yield f"# HELP patronload_{name} {text}\n# TYPE patronload_{name} gauge\n"
        yield from (f"patronload_{name}{{{_labels(each.labels)}}} {each.value:.16g}\n" for each in samples[name])


Found = tuple[str, dict[str, str], float]


def _of_library(library: Library, sentences: list[str]) -> Iterator[Found]:
    yield "library_info", {"library": library.name}, 1
    yield "library_switched_off", {}, library.paused
    yield "library_problems", {}, len(sentences)
    yield "library_loads_under_way", {}, sum(load.under_way for load in library.loads)
    if library.due:
        yield "library_due_timestamp_seconds", {}, library.due.timestamp()
    for reason in sorted({load.waiting for load in library.loads} - {""}):
        yield "library_loads_waiting", {"for": reason}, sum(load.waiting == reason for load in library.loads)


def _of_last_load(library: Library) -> Iterator[Found]:
    """A dry run, an undo and a few corrected rows are not the library's load."""
    ended = [
        load
        for load in library.loads
        if not (load.under_way or load.corrected or load.undo or load.outcome == "dry_run")
    ]
    if not ended:
        return
    last, good = ended[0], next((load for load in ended if load.outcome in days.WELL), None)
    yield "last_load_succeeded", {}, last.outcome in days.WELL
    for name, number in last.figures.items():
        yield "last_load_rows", {"result": RESULTS.get(name, name)}, number
    if last.ended:
        yield "last_load_timestamp_seconds", {}, last.ended.timestamp()
    if last.ended and last.began:
        yield "last_load_seconds", {}, (last.ended - last.began).total_seconds()
    if good and good.ended:
        yield "last_good_load_timestamp_seconds", {}, good.ended.timestamp()


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
