"""The pages behind signed links, for tests: a library with links, runs with rejects or a question, and who comes."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from airflow.api_fastapi.common.db.common import _get_session
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from fastapi.testclient import TestClient
from leftovers import build, patrons, rejects, result
from sqlalchemy import insert

from patronload.artifacts import names, questions
from patronload.artifacts import run as runs
from patronload.artifacts.models import ApprovalRecord
from patronload.config import tenants
from patronload.in_airflow.pages import signed
from patronload.reporting import places
from tests.pages.conftest import Site
from tests.pages.plans import LINES, asking, written

BASE = "https://airflow.example"
DESK, HEAD, READER = "desk@library.example", "head@library.example", "reader@library.example"
KEY, OLD_KEY = "k" * 48, "o" * 48
DAG = "patron_load__northfield"
WITH_REJECTS = {
    "rejects": rejects((2, "validate", "CARD (barcode) is empty"), (3, "transform", "ROLE (patronGroup) is odd")),
    "patrons": patrons({1: [4, 5, 6], 2: [7, 8, 9, 10, 11]}),
    "results": [result(1, created=2, failed=[6]), result(2, updated=5)],
}


def connect(monkeypatch: pytest.MonkeyPatch, *keys: str, connection: str = "PATRONLOAD_LINKS") -> None:
    """The connection with the keys that sign links, the newest first."""
    fields = {"conn_type": "generic", "password": ", ".join(keys)}
    monkeypatch.setenv(f"AIRFLOW_CONN_{connection}", json.dumps(fields))


class Links:
    """A site whose library Northfield has links; `client` comes without any login."""

    def __init__(self, site: Site, project: Path, folder: Path) -> None:
        self.site = site
        self.include = folder / "include"
        shutil.copytree(project / "include" / "mappings", self.include / "mappings")
        (self.include / "tenants").mkdir()
        self.project = project
        self.configure()
        app = signed.application()
        app.dependency_overrides[_get_session] = lambda: site.session
        self.client = TestClient(app, root_path="/patron-links")
        site.add_library("northfield", "Patron load: Northfield University Library")

    def configure(self, name: str = "northfield", **links: Any) -> None:
        """Write a tenant file with these links; `links=None` turns them off."""
        told = yaml.safe_load((self.project / "include" / "tenants" / "northfield.yaml").read_text())
        told |= {"tenant": name, "library": f"{name.title()} University Library"}
        told["notify"] = {"always": [READER], "on_rejects": [DESK], "on_failure": ["oncall@consortium.example"]}
        told["approval"] = {"ask": ["systems@library.example"]}
        if links != {"links": None}:
            told["links"] = {"approvers": [HEAD]} | links
        (self.include / "tenants" / f"{name}.yaml").write_text(yaml.safe_dump(told))

    def load_with_rejects(self, name: str = "northfield") -> str:
        """A run with a report and rejects; its id."""
        dag_id = f"patron_load__{name}"
        (run_id,) = self.site.add_loads(dag_id, [None])
        made = build(tenant=tenants.load(name), **WITH_REJECTS).model_copy(update={"run": run_id})
        self.site.put(dag_id, run_id, names.REPORT, made.model_dump_json())
        self.site.put(dag_id, run_id, names.REJECTS, "ID,reject_row\n17,2\n")
        self.site.put(dag_id, run_id, names.REJECTS_WORKBOOK, "PK workbook")
        return run_id

    def question(self) -> str:
        """A run that waits for an answer, in its artifacts and in Airflow; its id."""
        (run_id,) = self.site.add_loads(DAG, [None], state="running")
        run = runs.open_run("northfield", run_id)
        written(run, LINES)
        asking(run)
        told = {
            "id": uuid.uuid4(), "dag_id": DAG, "run_id": run_id, "task_id": "approve", "map_index": -1,
            "state": "awaiting_input", "pool": "default_pool", "pool_slots": 1, "try_number": 1, "max_tries": 3,
        }  # fmt: skip
        self.site.session.execute(insert(TaskInstance), [told])
        asked = {"options": ["Approve", "Reject"], "subject": "?", "body": "9 rows", "params": {}, "multiple": False}
        self.site.session.execute(insert(HITLDetail.__table__), [{"ti_id": told["id"], **asked}])
        self.site.session.commit()
        return run_id

    def link(self, run_id: str, address: str, name: str = "northfield") -> str:
        """The path of someone's link, as the mail has it."""
        found = places.site(tenants.load(name), BASE)
        assert found.signer
        return found.link(found.signer, run_id, address).removeprefix(f"{BASE}/patron-links")

    def answer_link(self, run_id: str, address: str = HEAD) -> str:
        """The path of an approver's link to the question that waits."""
        record = ApprovalRecord.read(runs.open_run("northfield", run_id))
        found = places.site(tenants.load("northfield"), BASE).answer(run_id, address, questions.mark(record))
        assert found, "this person is not an approver"
        return found.removeprefix(f"{BASE}/patron-links")

    def form(self, path: str) -> str:
        """The hidden text in the forms of a page."""
        _, _, rest = self.client.get(path).text.partition('name="form" value="')
        return rest.partition('"')[0]

    def press(self, path: str, button: str, files: Any = None, **fields: str) -> httpx.Response:
        """Press a button of a page, as a browser does."""
        data = {"form": self.form(path)} | fields
        return self.client.post(f"{path}/{button}", data=data, files=files, follow_redirects=False)

    def answer(self, path: str, choice: str = "Approve", reason: str = "the registry moved") -> httpx.Response:
        """Answer the question of a page."""
        return self.press(path, "answer", choice=choice, reason=reason)

    def detail(self, run_id: str) -> HITLDetail:
        """What Airflow has of the question."""
        self.site.session.expire_all()
        of_run = (TaskInstance.run_id == run_id, TaskInstance.id == HITLDetail.ti_id)
        return self.site.session.query(HITLDetail).filter(*of_run).one()

    def uses(self, run_id: str) -> list[dict[str, Any]]:
        """What the run's folder has about the use of links."""
        run = runs.open_run("northfield", run_id)
        return [run.read_json(name) for name in run.names(names.LINKS)]
