"""A patron ledger that was lost is built again from the archive of runs."""

from datetime import UTC, datetime

import pytest

from patronload.__main__ import main
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.loads import ledger_store
from patronload.loads.approval import Answer, Turn
from patronload.loads.leases import Lease
from patronload.systems.folio import FOLIO
from tests import stages
from tests.one_library import days_after

RULES = {"action": "deactivate", "after": "2 days", "missing_loads": 2, "max": 10}
TURN = Turn(1, None)
YES = Answer(approved=True, by="ann", at=datetime(2026, 11, 26, tzinfo=UTC), reason="the wrong file")
COLUMNS = ("key", "first_load", "last_load", "missing_since", "missing_loads", "state", "since")


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def library(library, monkeypatch):
    """A library after four nights: 9 has left, 8 is missing since the fourth night, a dry run lacked everyone."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"{library.folder}/artifacts")
    library.configure(contains="everyone", target={"send": "changed"}, leavers=RULES, limits={"known_ids": "0%"})
    for number, patrons in ((1, range(1, 10)), (2, range(1, 9)), (3, range(8, 0, -1)), (4, range(1, 8))):
        if number != 3:
            night(library, number, patrons)
        else:
            night(library, number, sorted(patrons, key=lambda one: one % 3))
    library.deliver(range(1, 3), day=days_after(5))
    library.loaded("dry", day=days_after(5), dry_run=True)
    return library


def night(library, number, patrons):
    library.deliver(patrons, day=days_after(number))
    return library.loaded(f"night{number}", day=days_after(number))


def ledger_of(library):
    return ledger_store.read(library.load("night4").run, FOLIO)


def lines(library):
    return ledger_of(library).patrons.select(COLUMNS).sort("key").rows()


def lose(library):
    for name in (names.LEDGER, names.LEDGER_SECRET):
        (library.runs / name).unlink()


def test_it_is_as_it_was(library, capsys):
    """Days, counts and states are the same, and the next night goes on from there."""
    before = lines(library)
    assert [line[0] for line in before if line[5] == "left"] == ["u-9"]
    lose(library)
    assert main(["ledger", "--tenant", "lib"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "9 patrons from 4 runs, of 21 November 2026 to 24 November 2026" in said
    assert lines(library) == before
    night(library, 5, sorted(range(1, 8), key=lambda one: one % 3))
    assert night(library, 6, sorted(range(1, 8), key=lambda one: one % 4)).people.left == 1


def test_whom_only_purged_runs_had_is_unknown(library, capsys):
    """No one leaves who is unknown: 9 was in the first file only, and is not in the ledger any more."""
    lose(library)
    first = library.load("night1").run
    for name in first.entries():
        if name != names.REPORT:
            first.remove_entry(name)
    assert main(["ledger", "--tenant", "lib"]) == 0
    assert "u-9" not in ledger_of(library)
    assert {line[5] for line in lines(library)} == {"present", "missing"}


def test_what_earlier_versions_left_counts_too(library):
    """Their runs do not say whether they counted; a complete file without objections did."""
    before = lines(library)
    for number in range(1, 5):
        run = library.load(f"night{number}").run
        said = run.read_json(names.REMEMBERED)
        run.write_json(names.REMEMBERED, {name: value for name, value in said.items() if name != "counted"})
    lose(library)
    assert main(["ledger", "--tenant", "lib"]) == 0
    assert lines(library) == before


def test_without_runs_the_ledger_stays(library, capsys):
    """A ledger of no one would be no better than none."""
    before = lines(library)
    for run in [Run(path) for path in library.runs.iterdir() if path.is_dir()]:
        run.remove(names.PLANNED)
    assert main(["ledger", "--tenant", "lib"]) == 1
    assert "nothing to build the ledger from" in " ".join(capsys.readouterr().err.split())
    assert lines(library) == before


def test_not_while_a_load_is_under_way(library, capsys):
    """The load would write its own ledger over it, or lose what this one has."""
    lease = Lease(library.load("night4").run.root, "folio.example/main", "lib/night7")
    lease.hold()
    assert main(["ledger", "--tenant", "lib"]) == 1
    assert "lib/night7 is running" in " ".join(capsys.readouterr().err.split())


def test_a_load_that_was_undone_is_left_out(library, mails):
    """The ledger is as the undo left it: 9 is missing and has not left, and 10 is not the library's patron."""
    library.deliver([1, 2, 3, 4, 5, 6, 7, 10], day=days_after(5))
    library.loaded("night5", day=days_after(5))
    for run in ("night5", "night4"):
        undo(library, run)
    before = lines(library)
    states = {line[0]: line[5] for line in before}
    assert (states["u-9"], states["u-10"]) == ("missing", "left")
    lose(library)
    assert main(["ledger", "--tenant", "lib"]) == 0
    known = [line for line in before if line[2]]
    assert [line for line in lines(library) if line[2]] == known
    assert {line[0]: line[5] for line in lines(library)}["u-10"] == "left"


def undo(library, run):
    """Undo a run, with a person's approval."""
    undoing = library.load(f"undo_{run}", day=days_after(6), undo=run)
    for stage in (stages.fetch, stages.validate, stages.transform, stages.plan):
        stage(undoing)
    assert stages.approve(undoing, TURN) is not None
    stages.approve(undoing, TURN, YES)
    stages.post(undoing)
    stages.report(undoing)
