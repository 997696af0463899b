"""
Read the libraries' loads from Airflow's database, with two queries for any number of libraries.

The figures are those that the task `report` handed on, so no artifact is read, and a load that never made a report is
there all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from patronload import settings
from patronload.config import tenants
from patronload.config.tenants import DAG_PREFIX
from patronload.errors import ConfigError
from patronload.in_airflow.pages import waiting
from patronload.in_airflow.pages.waiting import FOR_ANSWER, FOR_EARLIER_DAYS, FOR_FILE, Retry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TREND = 30
"""How many loads make a library's trend."""

TITLE = "Patron load: "
"""The part of a DAG's title before the library's name."""

UNDER_WAY = ("queued", "running")


class Load(NamedTuple):
    """
    One run: Airflow's state of it, and what its report counted (`outcome` is None when there is no report, or not yet).

    `would` says what a dry run would do; `corrected`: the file was a corrected rejects file. `waiting` says what it
    waits for: its file, a backfill of earlier days, or a person's answer. The times are aware, in UTC.
    """

    run_id: str
    state: str
    kind: str
    day: str
    began: datetime | None
    ended: datetime | None
    waiting: str
    outcome: str | None
    figures: Mapping[str, int]
    would: str = ""
    corrected: bool = False
    undo: str = ""
    """The run that it undoes, if it undoes one."""
    retry: Retry | None = None
    """The next try of a task after a server did not answer."""
    late: bool = False
    """Whether its file came after the time at which it was expected."""

    @property
    def loaded(self) -> int:
        """How many patrons are in the target as the export has them."""
        return sum(self.figures.get(name, 0) for name in ("created", "updated", "unchanged"))

    @property
    def besides(self) -> str:
        """Other counts worth a mention: 19,968 unchanged, 9 left, 2 returned."""
        parts = ((name, self.figures.get(name, 0)) for name in ("unchanged", "left", "returned"))
        return ", ".join(f"{number:,} {name}" for name, number in parts if number)

    @property
    def to_correct(self) -> int:
        """How many rows stand in rejects.csv."""
        return 0 if self.undo else self.figures.get("rejected", 0) + self.figures.get("failed", 0)

    @property
    def under_way(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in UNDER_WAY


class Library(NamedTuple):
    """
    A library's DAG and its last loads, the newest one first. `due` is when the next run is to begin, in UTC; `schedule`
    the cron line by which it is loaded, None for one that is loaded by hand. `more`: there may be older loads. `zone`
    is the library's time zone.
    """

    dag_id: str
    name: str
    paused: bool
    gone: bool
    due: datetime | None
    loads: tuple[Load, ...]
    schedule: str | None = None
    more: bool = False
    zone: ZoneInfo = ZoneInfo("UTC")

    @property
    def asked(self) -> Load | None:
        """The load about which a person is asked, also if another one is queued behind it."""
        return next((load for load in self.loads if load.waiting == FOR_ANSWER), None)

    @property
    def last(self) -> Load | None:
        """The newest load, under way or ended; a few corrected rows are not the library's load."""
        return next((load for load in self.loads if not load.corrected), None)


def libraries(session: Session, readable: Collection[str], most: int = TREND) -> list[Library]:
    """The libraries among the DAGs that someone may read, with their last `most` loads, sorted by name."""
    from airflow.models.dag import DagModel
    from sqlalchemy import select

    title: Any = DagModel.dag_display_name  # a hybrid, which the type checker does not follow
    wanted = [dag_id for dag_id in readable if is_ours(dag_id)]
    found = session.execute(
        select(
            DagModel.dag_id,
            title,
            DagModel.is_paused,
            DagModel.is_stale,
            DagModel.next_dagrun_create_after,
            DagModel.timetable_summary,
            DagModel.timetable_partitioned,
        ).where(DagModel.dag_id.in_(wanted))
    ).all()
    loads = _loads(session, wanted, most)
    made = [
        Library(
            dag_id,
            name.removeprefix(TITLE),
            paused,
            gone,
            due,
            tuple(loads.get(dag_id, ())),
            cron if by_day else None,
            more=len(loads.get(dag_id, ())) >= most,
            zone=zone_of(dag_id),
        )
        # A DAG that is started by hand sums up its schedule in words.
        for dag_id, name, paused, gone, due, cron, by_day in found
        # Nothing is left to show of a library that was removed long ago.
        if not gone or dag_id in loads
    ]
    return sorted(made, key=lambda library: (library.name.casefold(), library.dag_id))


def load(session: Session, dag_id: str, run_id: str) -> Load | None:
    """One run of a library; None if there is no such run."""
    found = next(iter(_loads(session, [dag_id], 1, run_id).get(dag_id, ())), None)
    if not found or not found.waiting:
        return found
    # The others say what it waits for.
    among = _loads(session, [dag_id], TREND).get(dag_id, [])
    return next((each for each in among if each.run_id == run_id), found)


def is_ours(dag_id: str) -> bool:
    """Whether a DAG loads patrons: its name says so."""
    return dag_id.startswith(DAG_PREFIX)


def tenant_of(dag_id: str) -> str:
    """The tenant whose DAG it is."""
    return dag_id.removeprefix(DAG_PREFIX)


def zone_of(dag_id: str) -> ZoneInfo:
    """The time zone of a library; UTC if its tenant file does not load."""
    name = tenant_of(dag_id)
    try:
        return _zone(name, (settings.tenants() / f"{name}.yaml").stat().st_mtime_ns)
    except (ConfigError, OSError):
        return ZoneInfo("UTC")


# A page may need the zones of a thousand libraries; a changed file is read again.
@lru_cache(maxsize=4096)
def _zone(name: str, _changed: int) -> ZoneInfo:
    return tenants.load(name).zone


def _loads(session: Session, dag_ids: list[str], most: int, run_id: str | None = None) -> dict[str, list[Load]]:
    """DAG -> its last loads, the newest first, or the one of this run id."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from sqlalchemy import and_, func, select

    newest = func.row_number().over(partition_by=DagRun.dag_id, order_by=DagRun.id.desc()).label("place")
    columns = (DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_type)
    times = (DagRun.partition_key, DagRun.conf, DagRun.run_after, DagRun.start_date, DagRun.end_date)
    runs = select(*columns, *times, newest).where(DagRun.dag_id.in_(dag_ids))
    if run_id is not None:
        runs = runs.where(DagRun.run_id == run_id)
    run = runs.subquery().c
    told = and_(
        XComModel.dag_run_id == run.id,
        XComModel.task_id == "report",
        XComModel.key == "return_value",
        XComModel.map_index == -1,
    )
    question = select(*run, XComModel.value).outerjoin(XComModel, told).where(run.place <= most).order_by(run.place)
    waits, retries = waiting.for_what(session, dag_ids), waiting.retries(session, dag_ids)
    found: dict[str, list[Load]] = {}
    for row in session.execute(question):
        key = (row.dag_id, row.run_id)
        found.setdefault(row.dag_id, []).append(_load(row, waits.get(key, ""))._replace(retry=retries.get(key)))
    return {dag_id: [_in_turn(each, loads) for each in loads] for dag_id, loads in found.items()}


def _in_turn(load: Load, loads: Iterable[Load]) -> Load:
    """A load that waits in fetch, with what it waits for."""
    ahead = any(each.kind == "backfill" and each.under_way and each.day < load.day for each in loads)
    return load._replace(waiting=FOR_EARLIER_DAYS) if load.waiting == FOR_FILE and ahead else load


def _asked_day(row: Any) -> str | None:
    """The day that someone chose, or that the schedule gives; see tasks."""
    conf = row.conf if isinstance(row.conf, dict) else {}
    return str(conf["day"]) if conf.get("day") else row.partition_key


def _load(row: Any, waiting: str) -> Load:
    told = row.value if isinstance(row.value, dict) else {}
    return Load(
        run_id=row.run_id,
        state=str(row.state),
        kind=str(row.run_type),
        # A load by hand has no partition; its report says which day it was for. Until then, the library's day counts.
        day=str(told.get("day") or _asked_day(row) or f"{row.run_after.astimezone(zone_of(row.dag_id)):%Y-%m-%d}"),
        began=row.start_date,
        ended=row.end_date,
        waiting=waiting,
        outcome=told.get("outcome"),
        figures={name: number for name, number in told.items() if type(number) is int},  # not True
        would=str(told.get("would", "")),
        corrected=bool(told.get("corrected")),
        undo=str(told.get("undo") or ""),
        late=bool(told.get("late")),
    )
