"""
Runs that an earlier version started are finished by this one.

runs_of_an_earlier_version.zip has one run at seven points, written by commit eb181a5 before the artifacts had models:
eight rows, of which one is rejected, in chunks of three. It was made with the stand-in FOLIO; the people are invented.
"""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from patronload.artifacts import names
from patronload.artifacts.models import Failure, Gates, SentMarker
from patronload.artifacts.run import Run
from patronload.errors import ValidationError
from patronload.loads.approval import Answer, Turn
from patronload.reporting.report import Report
from sandbox.folio import FolioServer, FolioTenant
from tests import stages
from tests.one_library import Library

RUNS = Path(__file__).parent / "runs_of_an_earlier_version.zip"
ROWS = 8


@pytest.fixture
def folio_of_the_library():
    """A FOLIO without users: those that the earlier version sent are not in it."""
    with FolioServer([FolioTenant("main", "loader", "secret-of-folio")]) as server:
        yield server


@pytest.fixture
def in_flight(library):
    """The load whose run folder was left at a point."""

    def load(point: str, **settings):
        library.configure(**settings)
        file = library.folder / "include" / "tenants" / "lib.yaml"
        tenant = yaml.safe_load(file.read_text())
        tenant["target"]["chunk_size"] = 3
        file.write_text(yaml.safe_dump(tenant))
        with zipfile.ZipFile(RUNS) as archive:
            members = [name for name in archive.namelist() if name.startswith(f"{point}/lib/run/")]
            archive.extractall(library.folder / "in flight", members)
        load = library.load("run")
        return load._replace(run=Run(library.folder / "in flight" / point / "lib" / "run"))

    return load


def finished(load) -> Report:
    """The report of the load after post and report."""
    stages.post(load)
    stages.report(load)
    return Report.from_json(load.run.read_json(names.REPORT))


def sent_by(library: Library, before: int) -> list[str]:
    """The keys of the patrons that FOLIO was sent since."""
    return [key for seen in library.folio.imports[before:] for key in seen.external_system_ids if key]


@pytest.mark.parametrize(
    ("point", "sent"),
    [
        ("planned", {"u-0", "u-1", "u-2", "u-3", "u-4", "u-6", "u-7"}),
        ("half_sent", {"u-6", "u-7"}),
        ("sent_without_result", {"u-3", "u-4", "u-6", "u-7"}),
    ],
)
def test_a_load_is_finished(library, in_flight, point, sent):
    """Nobody is sent twice, and of a chunk in flight those are sent whom FOLIO does not have: here all of them."""
    load = in_flight(point)
    before = len(library.folio.imports)
    report = finished(load)
    assert (report.outcome, report.rows, report.rejected, report.loaded) == ("loaded_with_rejects", ROWS, 1, 7)
    assert sorted(sent_by(library, before)) == sorted(sent)


def test_an_approval_stays_valid(in_flight):
    """The answer was given to the question of the earlier version; its hash is still the same."""
    load = in_flight("approved", approval={}, limits={"min_rows": 20})
    assert stages.approve(load, Turn(1, None)) is None
    report = finished(load)
    assert report.outcome == "loaded_with_rejects"
    assert report.approval is not None
    assert (report.approval.by, report.approval.answer) == ("Ann Admin", "approved")
    assert any("Approved by Ann Admin" in warning for warning in report.warnings)


def test_a_question_can_be_answered(in_flight):
    """It was asked and mailed by the earlier version, and is not mailed again."""
    load = in_flight("asked", approval={}, limits={"min_rows": 20})
    yes = Answer(approved=True, by="Bea", at=datetime.now(UTC), reason="A new term")
    assert stages.approve(load, Turn(1, None), yes) is None
    assert finished(load).loaded == 7


def test_a_finished_load_is_reported_again(library, in_flight):
    """Clearing report counts the same, and clearing post sends nothing; reports now say what each check looks for."""
    load = in_flight("reported")
    old = Report.from_json(load.run.read_json(names.REPORT))
    before = len(library.folio.imports)
    new = finished(load)
    assert sent_by(library, before) == []
    since = {"looks_for": True}
    changed = {"artifacts": True, "export": True, "timezone": True, "checks": {"__all__": since}}
    assert new.model_dump(exclude=changed) == old.model_dump(exclude=changed)


def test_a_failure_names_its_stage(in_flight):
    """failure.json, gates.json and report.json of the earlier version say `step` and `steps`; both are still read."""
    load = in_flight("failed", limits={"min_rows": 20})
    assert "step" in load.run.read_json(names.FAILURE)
    failure, gates = Failure.read(load.run), Gates.read(load.run)
    assert (failure.stage, failure.kind) == ("validate", ValidationError.__name__)
    assert [verdict.state for verdict in gates.verdicts if verdict.gate == "limits"] == ["failed"]
    assert Report.from_json(load.run.read_json(names.REPORT)).failure == failure
    stages.report(load)
    assert json.loads(load.run.read(names.REPORT))["failure"]["stage"] == "validate"


def test_a_marker_is_written_as_it_was_read(in_flight):
    """The parts, the one in flight and the times of sent/0002.json keep their shape."""
    run = in_flight("half_sent").run
    before = run.read_json(names.SENT.of_chunk(2))
    marker = SentMarker.read(run, 2)
    assert (marker.answered, marker.in_flight.start, marker.in_flight.end) == (2, 2, 3)
    marker.write(run)
    assert run.read_json(names.SENT.of_chunk(2)) == before
