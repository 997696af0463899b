"""One load at a time into one library system, whoever asks for it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patronload.artifacts import run
from patronload.artifacts.run import Run
from patronload.errors import ConfigError, TargetError, TransientError
from patronload.loads import leases
from patronload.loads.leases import Lease

SYSTEM = "folio.example.edu/fs00001234"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, and gives up soon."""
    monkeypatch.setattr(leases, "BETWEEN", 0.05)
    monkeypatch.setattr(leases, "AT_MOST", 0.3)
    monkeypatch.setattr(leases, "EACH", 0.0)


@pytest.fixture
def shared(root: str) -> Run:
    """The root of all runs, in a folder and in a bucket."""
    return run.open_run("northfield", "manual__2026-11-21").root


def test_the_second_one_waits_until_the_first_has_ended(shared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then has it; the first may ask for its own as often as it likes."""
    first, second = Lease(shared, SYSTEM, "northfield/a"), Lease(shared, SYSTEM, "staff/b")
    first.hold()
    first.hold()
    with pytest.raises(TransientError, match="northfield/a"):
        second.hold()
    Lease(shared, "folio.example.edu/another", "staff/b").hold()
    monkeypatch.setattr(leases, "AT_MOST", 60)
    waiting = threading.Thread(target=second.hold)
    waiting.start()
    leases.release(shared, "northfield/a")
    waiting.join(60)
    assert not waiting.is_alive()
    with pytest.raises(TransientError, match="staff/b"):
        first.renew()


def test_another_run_of_the_same_library_is_told_apart(shared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow starts its next task only when ours lets go, so to wait for it would be to wait for ourselves."""
    assert leases.held_by_another(shared, "northfield/a") is None
    Lease(shared, SYSTEM, "northfield/b").hold()
    assert leases.held_by_another(shared, "northfield/a") == "northfield/b"
    assert leases.held_by_another(shared, "northfield/b") is None
    assert leases.held_by_another(shared, "north/a") is None, "another library's load is waited for as ever"
    monkeypatch.setattr(leases, "STALE", -1.0)
    assert leases.held_by_another(shared, "northfield/a") is None, "nobody believes in it any more"


def test_of_many_who_ask_at_once_one_has_it(shared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its turn: never two at a time."""
    monkeypatch.setattr(leases, "AT_MOST", 120)
    inside: list[str] = []
    most = 0

    def load(name: str) -> None:
        nonlocal most
        Lease(shared, SYSTEM, name).hold()
        inside.append(name)
        most = max(most, len(inside))
        time.sleep(0.02)
        inside.remove(name)
        leases.release(shared, name)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, [f"tenant/{number}" for number in range(6)]))
    assert most == 1


def test_who_gave_no_sign_of_life_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was marked as failed by hand never reports; should it wake up, it does not go on."""
    root = Run(tmp_path)
    dead, heir = Lease(root, SYSTEM, "northfield/a"), Lease(root, SYSTEM, "northfield/b")
    dead.hold()
    monkeypatch.setattr(leases, "STALE", -1.0)
    heir.hold()
    with pytest.raises(TransientError, match="another load took over: northfield/b"):
        dead.renew()
    heir.renew()


def test_what_was_planned_before_another_load_is_not_sent_after_it(tmp_path: Path) -> None:
    """Yesterday's run, cleared today after today's has gone through, would undo today's."""
    root, then = Run(tmp_path), datetime.now(UTC)
    old, new = Lease(root, SYSTEM, "northfield/yesterday"), Lease(root, SYSTEM, "northfield/today")
    old.sending(then)
    old.sending(then)
    new.sending(then + timedelta(seconds=5))
    with pytest.raises(TargetError, match=r"northfield/today\..*Start a new run"):
        old.sending(then)
    old.sending(datetime.now(UTC))


def test_a_plan_that_fails_leaves_no_lease_behind(tmp_path: Path) -> None:
    """The next load need not wait for somebody to clear it."""
    root = Run(tmp_path)
    with pytest.raises(TargetError), Lease(root, SYSTEM, "northfield/a").keep_on_success():
        raise TargetError("no such patron group")
    with Lease(root, SYSTEM, "northfield/b").keep_on_success():
        pass
    with pytest.raises(TransientError):
        Lease(root, SYSTEM, "northfield/c").hold()
    leases.release(root, "northfield/b")
    Lease(root, SYSTEM, "northfield/c").hold()


def test_a_plan_that_fails_does_not_give_back_what_another_process_of_its_run_holds(tmp_path: Path) -> None:
    """An earlier process that is ended while the task is under way once more: no other load may get in between."""
    root = Run(tmp_path)
    leftover, again = Lease(root, SYSTEM, "northfield/a"), Lease(root, SYSTEM, "northfield/a")
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(TransientError, match="earlier process"))
        stack.enter_context(leftover.keep_on_success())
        again.hold()
        leftover.renew()
    again.renew()
    with pytest.raises(TransientError):
        Lease(root, SYSTEM, "staff/b").hold()


def test_of_two_processes_of_one_run_the_first_one_ends(tmp_path: Path) -> None:
    """Airflow begins a task again when it has lost sight of it; what lives on must not send beside the other."""
    root = Run(tmp_path)
    first = Lease(root, SYSTEM, "northfield/a")
    first.hold()
    first.renew()
    again = Lease(root, SYSTEM, "northfield/a")
    again.hold()
    with pytest.raises(TransientError, match="this earlier process of it ends"):
        first.renew()
    again.renew()


def test_a_question_takes_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process takes over in the moment in which the first one looks: what it was told is true of before."""
    root = Run(tmp_path)
    first, second = Lease(root, SYSTEM, "northfield/a"), Lease(root, SYSTEM, "northfield/a")
    first.hold()
    looked = Lease.holding

    def and_then_taken_over(lease: Lease) -> dict[str, Any]:
        held = looked(lease)
        if lease is first:
            monkeypatch.setattr(Lease, "holding", looked)
            second.hold()
        return held

    monkeypatch.setattr(Lease, "holding", and_then_taken_over)
    first.check()
    second.check()
    with pytest.raises(leases.Superseded):
        first.check()


DAMAGED = {
    "empty": b"",
    "not JSON": b"\xff{",
    "a list": b"[]",
    "a number": b"1",
    "nested": b"[" * 100_000,
    "without a time": b'{"holder": "northfield/a"}',
    "without a zone": b'{"holder": "northfield/a", "at": "2026-11-21T10:00:00"}',
    "a time that is none": b'{"holder": "northfield/a", "at": "soon"}',
    "in a thousand years": b'{"holder": "northfield/a", "at": "3026-11-21T10:00:00+00:00"}',
    "a name of two lines": b'{"holder": "northfield/a\\nnorthfield/b", "at": "2026-11-21T10:00:00+00:00"}',
    "half a character": b'{"holder": "northfield/\\ud800", "at": "2026-11-21T10:00:00+00:00"}',
    "too large": b'{"holder": "northfield/a", "at": "2026-11-21T10:00:00+00:00", "x": "' + b"x" * 100_000 + b'"}',
    "held by a number": b'{"holder": 1, "at": "2026-11-21T10:00:00+00:00"}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_lease_stops_its_own_system_only(shared: Run, content: bytes) -> None:
    """And the message names the file. The report and the mail of every load used to fail with it."""
    damaged, other = Lease(shared, SYSTEM, "northfield/a"), Lease(shared, "other.example.edu/x", "northfield/b")
    name = "_leases/folio.example.edu_fs00001234.held.json"
    shared.write(name, content)
    with pytest.raises(ConfigError, match="cannot be read") as error:
        damaged.hold()
    assert f"{shared.url}/{name}" in str(error.value)
    other.hold()
    assert leases.held_by_another(shared, "northfield/a") == "northfield/b"
    leases.release(shared, "northfield/a")
    leases.release(shared, "northfield/b")
    assert leases.held_by_another(shared, "northfield/a") is None
    shared.remove(name)
    damaged.hold()


def test_a_lease_that_is_a_link_to_itself_stops_its_own_system_only(tmp_path: Path) -> None:
    """Listing the leases used to fail with it, for every load."""
    root = Run(tmp_path)
    (tmp_path / "_leases").mkdir()
    (tmp_path / "_leases" / "folio.example.edu_fs00001234.held.json").symlink_to(
        "folio.example.edu_fs00001234.held.json"
    )
    other = Lease(root, "other.example.edu/x", "northfield/b")
    other.hold()
    assert leases.held_by_another(root, "northfield/a") == "northfield/b"
    leases.release(root, "northfield/b")
    with pytest.raises(ConfigError, match="cannot be read"):
        Lease(root, SYSTEM, "northfield/a").hold()


def test_a_lease_that_is_damaged_during_a_plan_does_not_hide_why_the_plan_failed(tmp_path: Path) -> None:
    """What failed first is what has to be fixed."""
    root = Run(tmp_path)

    def plan() -> None:
        with Lease(root, SYSTEM, "northfield/a").keep_on_success():
            root.write("_leases/folio.example.edu_fs00001234.held.json", b"")
            raise TargetError("no such group")

    with pytest.raises(TargetError, match="no such group"):
        plan()
