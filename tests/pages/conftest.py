"""The pages with a database of Airflow's own making behind them, and no Airflow running."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api import security
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from fastapi import HTTPException
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from patronload.in_airflow.pages import figures, routes

NOW = datetime.now(UTC)


def in_words(html: str) -> str:
    """The words of a page, also those of neighbouring cells apart."""
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())


class Rights(NamedTuple):
    """What somebody may do: read the runs of some DAGs, and start runs of some."""

    read: frozenset[str] = frozenset()
    start: frozenset[str] = frozenset()

    def is_authorized_dag(self, *, method, details, **_: Any) -> bool:
        return details.id in (self.read if method == "GET" else self.start)

    def get_authorized_dag_ids(self, **_: Any) -> set[str]:
        return set(self.read)


class Site:
    """The pages, and whom they take us for; `rights` is None for somebody who is not logged in."""

    def __init__(self, session: Session, artifacts: Path) -> None:
        self.session = session
        self.artifacts = artifacts
        self.rights: Rights | None = Rights()
        app = routes.application()
        app.dependency_overrides[_get_session] = lambda: session
        app.dependency_overrides[security.get_user] = self._user
        self.client = TestClient(app, root_path="/patron-loads")

    def _user(self) -> Any:
        if self.rights is None:
            raise HTTPException(401, "Not authenticated")
        return SimpleNamespace(get_name=lambda: "somebody", get_id=lambda: "somebody")

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def add_library(self, name: str, title: str = "", **changes: Any) -> str:
        """A DAG; its id."""
        dag_id = name if name.startswith("other") else f"patron_load__{name}"
        told = {"is_paused": False, "is_stale": False, "bundle_name": "dags", "timetable_type": ""} | changes
        self.session.add(DagModel(dag_id=dag_id, _dag_display_property_value=title or None, **told))
        self.session.flush()
        return dag_id

    def add_loads(self, dag_id: str, figures: list[dict[str, Any] | None], state: str = "success") -> list[str]:
        """Runs, the oldest first, each with what its report handed on; their ids."""
        first = NOW - timedelta(days=len(figures))
        made = []
        for place, told in enumerate(figures):
            moment = first + timedelta(days=place)
            run = DagRun(
                dag_id=dag_id, run_id=f"manual__{moment:%Y-%m-%dT%H:%M:%S}+00:00__{state}{place}", run_type="manual"
            )
            run.run_after, run.start_date, run._state = moment, moment, state
            self.session.add(run)
            made.append((run, told))
        self.session.flush()
        values = [
            {
                "dag_run_id": run.id, "task_id": "report", "map_index": -1, "key": "return_value",
                "dag_id": dag_id, "run_id": run.run_id, "value": told, "timestamp": NOW,
            }
            for run, told in made
            if told is not None
        ]  # fmt: skip
        if values:
            self.session.execute(insert(XComModel), values)
        return [run.run_id for run, _ in made]

    def add_run(self, dag_id: str, run_id: str) -> None:
        """A run that has just begun."""
        run = DagRun(dag_id=dag_id, run_id=run_id, run_type="manual")
        run.run_after, run.start_date, run._state = NOW, NOW, "running"
        self.session.add(run)
        self.session.flush()

    def add_retry(self, dag_id: str, run_id: str, stage: str, reason: str) -> None:
        """A task that failed now and is tried again in four minutes."""
        task = TaskInstance.__table__.insert().values(
            id=uuid4(), dag_id=dag_id, run_id=run_id, task_id=stage, map_index=-1, try_number=2, max_tries=3,
            state="up_for_retry", end_date=NOW, retry_delay_override=240.0, retry_reason=reason, pool="default_pool",
            pool_slots=1, queue="default", priority_weight=1, executor_config={}, custom_operator_name="", operator="",
            unixname="", last_heartbeat_at=NOW,
        )  # fmt: skip
        self.session.execute(task)

    def put(self, dag_id: str, run_id: str, name: str, content: str) -> None:
        """An artifact of a run."""
        file = self.artifacts / dag_id.removeprefix("patron_load__") / run_id / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    @property
    def lines(self) -> list[Log]:
        """The lines of Airflow's audit log."""
        return self.session.query(Log).all()

    @property
    def audit(self) -> list[tuple[str, str, str | None]]:
        """Airflow's audit log: what, of which DAG, by whom."""
        return [(line.event, line.dag_id, line.owner) for line in self.lines]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    import_all_models()
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(DagBundleModel(name="dags"))
        made = Site(session, tmp_path / "artifacts")
        monkeypatch.setenv("PATRONLOAD_ARTIFACTS", made.artifacts.as_uri())
        for module in (security, routes, figures):
            monkeypatch.setattr(module, "get_auth_manager", lambda: made.rights)
        monkeypatch.setattr(DagModel, "get_team_name", staticmethod(lambda _dag_id, **_: None))
        yield made
    engine.dispose()


Counted = Callable[..., dict[str, Any]]


@pytest.fixture
def counted() -> Counted:
    """What a report hands on."""

    def make(
        outcome: str = "loaded", *, created: int = 10, rejected: int = 0, day: str = "2026-11-20"
    ) -> dict[str, Any]:
        zeros = dict.fromkeys(("updated", "failed", "not_sent", "unconfirmed"), 0)
        told = {"outcome": outcome, "day": day, "rows": created + rejected, "created": created, "rejected": rejected}
        return told | zeros

    return make


@pytest.fixture
def links(site: Site, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library with signed links; see signed.py."""
    from patronload.in_airflow.pages import signed
    from patronload.in_airflow.pages.rate_limits import Limiter
    from tests.pages.signed import KEY, Links, connect

    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    connect(monkeypatch, KEY)
    monkeypatch.setattr(signed, "bad_links", Limiter(20, 600))
    monkeypatch.setattr(signed, "uses", Limiter(60, 600))
    return Links(site, project, tmp_path)
