"""Users whom earlier programs loaded are taken over once, after a dry run and with a person's consent."""

from datetime import UTC, datetime

import pytest

from patronload.artifacts import names
from patronload.errors import ConfigError, Declined, TargetError
from patronload.loads import ledger_store
from patronload.loads.approval import Answer, Turn
from patronload.reporting import smtp
from patronload.reporting.report import Report
from patronload.systems.folio import FOLIO
from tests import stages
from tests.one_library import days_after

YES = Answer(approved=True, by="ann", at=datetime(2026, 11, 24, 14, 5, tzinfo=UTC), reason="the old script's users")
NO = YES._replace(approved=False)
RULES = {"action": "deactivate", "after": "2 days", "missing_loads": 2, "max": 10}


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def library(library, monkeypatch):
    """A library of seven patrons, with users whom an earlier script loaded: 8, staff, 9 and 10, and a stranger."""
    monkeypatch.setattr(smtp, "send", lambda _: None)
    configure(library)
    library.deliver(range(1, 8))
    library.loaded("first")
    store = library.folio.store("main")
    one = store.user("u_u-1")
    strangers = {"u_u-8": "staff", "u_u-9": "patron", "u_u-10": None, "other-11": "patron", "U_u-12": "patron"}
    for number, (key, kind) in enumerate(strangers.items()):
        user = {name: value for name, value in one.items() if name != "barcode"}
        ids = {"id": f"00000000-0000-4000-8000-00000000000{number}", "username": f"old{number}"}
        store.users.put(user | ids | {"externalSystemId": key, "type": kind})
    return library


def configure(library, **more):
    target = {"send": "changed", "source_type": "u"}
    limits = {"known_ids": "0%"}
    options = {"target": target, "limits": limits, "leavers": RULES, "approval": {}, "contains": "everyone"}
    library.configure(**(options | more))


def planned(library, run, day, **options):
    library.deliver(range(1, 8), day=day)
    load = library.load(run, day=day, **options)
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
        step(load)
    return load


def reported(load):
    stages.report(load)
    return Report.from_json(load.run.read_json(names.REPORT))


def tried(library, adopt="prefix"):
    return reported(planned(library, f"dry {adopt}", days_after(1), dry_run=True, adopt=adopt))


def known(library, run):
    return set(ledger_store.read(library.load(run).run, FOLIO).patrons["key"])


def test_a_dry_run_shows_how_many_of_which_group_and_type(library):
    """Nothing is asked and nothing changes; staff, and ids of another spelling, are not among them."""
    report = tried(library)
    (sentence,) = [line for line in report.warnings if "taken over" in line]
    assert (
        "2 users whom earlier programs loaded would be taken over: 1 undergrad (no type), 1 undergrad (patron)."
        in sentence
    )
    assert "2 of them are not in the file" in sentence
    assert "7 known, 1 staff" in sentence
    assert len(known(library, "first")) == 7


def test_they_are_known_from_then_on_and_leave_by_the_usual_grace(library):
    """With a person's yes; nothing is sent about them on that day."""
    tried(library)
    load = planned(library, "adopting", days_after(1), adopt="prefix")
    question = stages.approve(load, Turn(1, None))
    assert any("2 users whom earlier programs loaded would be taken over" in line for line in question.sentences)
    assert ("To take over", "2", "") in question.figures
    stages.approve(load, Turn(1, None), YES)
    stages.post(load)
    assert reported(load).outcome == "loaded"
    assert known(library, "adopting") >= {"u-9", "u-10"}
    assert library.folio.store("main").user("u_u-9")["active"]
    for number in (2, 3):
        library.deliver(sorted(range(1, 8), key=lambda one: one * number % 11), day=days_after(number))
        report = library.loaded(f"night{number}", day=days_after(number))
    assert (report.people.known, report.people.left) == (9, 2)
    store = library.folio.store("main")
    assert [store.user(key)["active"] for key in ("u_u-8", "u_u-9", "u_u-10", "U_u-12")] == [True, False, False, True]


def test_without_a_yes_they_are_not_taken_over(library):
    """Nothing is sent either."""
    tried(library)
    load = planned(library, "adopting", days_after(1), adopt="prefix")
    stages.approve(load, Turn(1, None))
    with pytest.raises(Declined):
        stages.approve(load, Turn(1, None), NO)
    with pytest.raises(Declined):
        stages.post(load)
    assert len(known(library, "first")) == 7


def test_a_reason_to_load_anyway_does_not_replace_the_question(library):
    """A person is always asked."""
    tried(library)
    load = planned(library, "adopting", days_after(1), adopt="prefix", load_anyway="the file is right")
    with pytest.raises(Declined, match="This load has to be approved"):
        stages.post(load)


def test_a_dry_run_with_the_same_text_comes_first(library):
    """With another text it does not count."""
    tried(library, "undergrad")
    with pytest.raises(ConfigError, match="start a dry run with the same text"):
        planned(library, "adopting", days_after(1), adopt="prefix")


def test_by_patron_group(library):
    """Only users whose id has the library's prefix have a key, so the others are counted and not taken over."""
    report = tried(library, "undergrad, graduate")
    (sentence,) = [line for line in report.warnings if "taken over" in line]
    assert "2 users whom earlier programs loaded would be taken over" in sentence
    assert "2 without an id" in sentence
    with pytest.raises(TargetError, match="FOLIO has no patron group visitors"):
        tried(library, "visitors")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"approval": None}, "Taking over users always needs approval"),
        ({"contains": "updates", "leavers": None}, "only by a load of the usual complete file"),
    ],
)
def test_what_it_needs(library, changed, says):
    """Someone to ask, and a complete file."""
    configure(library, **changed)
    with pytest.raises(ConfigError, match=says):
        tried(library)


def test_a_library_without_a_prefix_names_groups(library):
    """Every id would begin with an empty prefix."""
    configure(library, target={"send": "changed"})
    with pytest.raises(TargetError, match="this library has none"):
        tried(library)
