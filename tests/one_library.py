"""A library with its folder, its ledger and the stand-in FOLIO, whose exports are loaded one after the other."""

import json
import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from patronload.artifacts import history, names
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.errors import ValidationError
from patronload.loads.load import Load
from patronload.reporting import report
from patronload.stages.validate import ALREADY_LOADED
from sandbox.folio import FolioServer
from tests import stages

DAY = date(2026, 11, 20)
SEND_ALL = {"send": "all"}
"""Tests of sending send everyone, also those who are as they were."""
COLUMNS = ["externalSystemId", "username", "barcode", "patronGroup", "lastName", "firstName", "email", "phone"]
COLUMNS += ["expirationDate"]
STEPS = (stages.fetch, stages.validate, stages.transform, stages.plan, stages.post)


class Library:
    """A library whose exports lie in a folder; each load has a run folder in one place, as the real ones have."""

    def __init__(self, project, folder: Path, folio: FolioServer) -> None:
        self.folder = folder
        self.folio = folio
        self.runs = folder / "artifacts" / "lib"
        shutil.copytree(project / "include" / "mappings", folder / "include" / "mappings")
        (folder / "include" / "tenants").mkdir()
        (folder / "exports").mkdir()
        self.configure()

    def configure(self, path="patrons.csv", limits=None, approval=None, leavers=None, target=SEND_ALL, **source):
        tenant = {
            "tenant": "lib",
            "library": "A Library",
            "mapping": "folio/flat_patrons",
            "timezone": "America/Chicago",
            "source": {"type": "folder", "path": f"{self.folder}/exports/{path}", "quiet_seconds": 0, **source},
            "target": {
                "type": "folio",
                "connection": "lib_folio",
                "folio_tenant": "main",
                **(target or {"send": "all"}),
            },
            "limits": {"max_rejects": "50%", **(limits or {})},
            "notify": {"on_failure": ["oncall@lib.example"]},
            **({} if approval is None else {"approval": approval}),
            **({} if leavers is None else {"leavers": leavers}),
        }
        (self.folder / "include" / "tenants" / "lib.yaml").write_text(yaml.safe_dump(tenant))

    def deliver(self, numbers, *, day=DAY, hour=8, name="patrons.csv", without=(), cells=None, trailer=""):
        """An export of these patrons, written at `hour` UTC of a day."""
        columns = [column for column in COLUMNS if column not in without]
        rows = [person(number) | (cells or {}) for number in numbers]
        text = "\n".join([",".join(columns), *(",".join(row[column] for column in columns) for row in rows)])
        path = self.folder / "exports" / name
        path.write_text(f"{text}\n{trailer}", encoding="utf-8")
        written = datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()
        os.utime(path, (written, written))

    def load(self, run="run", *, day=DAY, **options):
        return Load(tenants.load("lib"), Run(self.runs / run), run, day, **options)

    def loaded(self, run, **options):
        """A load that goes through all steps; its report."""
        load = self.load(run, **options)
        for step in STEPS if not load.dry_run else STEPS[:-1]:
            if ALREADY_LOADED in step(load):
                break
        stages.report(load)
        return report.Report.from_json(load.run.read_json(names.REPORT))

    def stopped(self, run, says, **options):
        """A load that is stopped, with nothing sent; its report."""
        before = len(self.folio.imports)
        load = self.load(run, **options)
        with pytest.raises(ValidationError, match=says):
            self.loaded(run, **options)
        stages.report(load)
        told = report.Report.from_json(load.run.read_json(names.REPORT))
        assert (told.outcome, told.sent, load.run.names("sent")) == ("stopped", 0, [])
        # The plan asks with an import of nobody whether it may import.
        assert not any(seen.external_system_ids for seen in self.folio.imports[before:])
        return told

    @property
    def ledger(self):
        """The runs that the ledger has, the oldest file first."""
        folder = self.runs / history.FOLDER
        return [json.loads(file.read_text())["run"] for file in sorted(folder.glob("*.json"))]


def person(number):
    return {
        "externalSystemId": f"u-{number}",
        "username": f"user{number}",
        "barcode": f"{number:06}",
        "patronGroup": "Staff" if number % 4 == 0 else "Student",
        "lastName": "Adams",
        "firstName": "Ann",
        "email": "",
        "phone": "",
        "expirationDate": "",
    }


def days_after(count):
    return DAY + timedelta(days=count)
