import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count, groupby
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload import targets
from patronload.artifacts.progress import Progress
from patronload.artifacts.run import Run
from patronload.errors import Defect, TargetError, TransientError
from patronload.loads.leases import Lease
from patronload.loads.posting import post as posting
from patronload.loads.posting.pace import Pace
from patronload.loads.posting.post import Totals, Watch
from patronload.targets import Target
from patronload.targets.delivery import TOO_LARGE
from sandbox.folio import FolioServer
from tests.targets import killed
from tests.targets.loads import (
    FIRST_ROW,
    FOLIO_TENANT,
    QUICK,
    account,
    add_user,
    folio_target,
    make_run,
    people,
    person,
    post,
    posted,
    results,
    stored,
)

LONG = QUICK._replace(settle=30, at_most=60)
"""For an import that goes on: longer than it may take on a busy machine. It ends when all patrons are there."""

BARCODE_TAKEN = "the barcode is already used by another user in FOLIO"


@pytest.fixture
def server() -> Iterator[FolioServer]:
    with FolioServer([FOLIO_TENANT]) as running:
        yield running


def test_a_load(server: FolioServer, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Every patron is sent once; created and updated are counted; the log says so without a patron's data."""
    caplog.set_level(logging.INFO)
    for record in people(20):
        add_user(server, record)
    run = make_run(tmp_path, people(60))
    assert post(run, server) == Totals(chunks=3, patrons=60, created=40, updated=20, failed=0)
    assert [result["created"] for result in results(run)] == [5, 25, 10]
    assert set(Counter(posted(server)).values()) == {1}
    assert all(stored(server, record) for record in people(60))
    assert re.search(r"chunk 1 of 3: 25 patrons, 5 created, 20 updated, 0 failed; [\d,]+ patrons a second", caplog.text)
    assert "patron1" not in caplog.text
    assert "00000001" not in caplog.text


def test_an_empty_load(server: FolioServer, tmp_path: Path):
    """Nothing to send is nothing wrong; FOLIO is not even asked."""
    assert post(make_run(tmp_path, []), server) == Totals(0, 0, 0, 0, 0)
    assert not server.journal


def test_the_flag_that_is_never_sent(server: FolioServer, tmp_path: Path):
    """With deactivateMissingUsers each chunk would deactivate everybody in the other chunks."""
    run = make_run(tmp_path, [*people(20), person(21, personal={"firstName": "Nameless"}), person(22)])
    server.faults.answer(504, work="first")
    post(run, server)
    assert len(server.imports) > 1
    assert {flag for seen in server.imports for flag in seen.flags} <= {
        "totalRecords",
        "sourceType",
        "updateOnlyPresentFields",
    }


def test_failed_users_come_back_with_their_rows(server: FolioServer, tmp_path: Path):
    """The library finds the row, FOLIO's own message, and what it means."""
    add_user(server, person(999, barcode="20000003"))
    add_user(server, person(1))
    run = make_run(tmp_path, [*people(4), person(5, patronGroup="wizard")])
    totals = post(run, server)
    assert totals == Totals(chunks=1, patrons=5, created=2, updated=1, failed=2)
    (result,) = results(run)
    by_row = {failed["row"]: failed for failed in result["failed"]}
    assert set(by_row) == {4, 6}
    assert by_row[6]["message"] == "Patron group does not exist in the system: [wizard]"
    assert by_row[6]["summary"] == "FOLIO does not know the patron group"
    assert "Failed to create new user" in by_row[4]["message"]
    assert "banner_00000999" in by_row[4]["message"], "FOLIO does not say why; the look-up does"
    assert by_row[4]["summary"] == BARCODE_TAKEN
    assert result["unconfirmed"] == []
    assert result["looked_up"] is True
    assert result["answers"][0]["createdRecords"] == 2


def test_an_answered_chunk_is_never_sent_again(server: FolioServer, tmp_path: Path):
    """Clearing a run that is through asks FOLIO nothing and counts the same."""
    run = make_run(tmp_path, people(60))
    totals = post(run, server)
    before = len(server.journal)
    assert post(run, server) == totals
    assert len(server.journal) == before


def test_a_busy_folio_in_mid_load(server: FolioServer, tmp_path: Path):
    """What FOLIO did not take is sent by the next attempt, as if it were the first."""
    run = make_run(tmp_path, people(60))
    server.faults.answer(429, nth=2)
    with pytest.raises(TransientError, match="busy"):
        post(run, server)
    assert run.names("sent") == ["sent/0001.json"]
    assert post(run, server) == Totals(chunks=3, patrons=60, created=60, updated=0, failed=0)
    assert all(result["looked_up"] is False for result in results(run))


@pytest.mark.parametrize("work", ["first", "goes on", "none"])
def test_a_lost_answer(server: FolioServer, tmp_path: Path, work: str):
    """After a gateway's time-out what is there counts, and only what is missing is sent."""
    for record in people(10):
        add_user(server, record)
    run = make_run(tmp_path, people(50))
    server.faults.import_seconds = 0.4 if work == "goes on" else 0
    server.faults.answer(504, work=work)
    patience = LONG if work == "goes on" else QUICK
    assert post(run, server, patience=patience) == Totals(chunks=2, patrons=50, created=40, updated=10, failed=0)
    assert [result["looked_up"] for result in results(run)] == [True, False]
    assert max(Counter(posted(server)).values()) == 1
    assert all(stored(server, record) for record in people(50))


def test_failures_behind_a_lost_answer(server: FolioServer, tmp_path: Path):
    """Patrons that FOLIO refused in the lost answer are told with the reason; only who may succeed is sent again."""
    add_user(server, person(999, barcode="20000003"))
    add_user(server, person(4))
    add_user(server, person(5))
    run = make_run(tmp_path, [*people(3), person(4), person(5, barcode="20000003"), *people(5, first=6)])
    server.faults.answer(502, work="first")
    assert post(run, server) == Totals(chunks=1, patrons=10, created=7, updated=1, failed=2)
    assert {failed["row"]: failed["summary"] for failed in results(run)[0]["failed"]} == {
        4: BARCODE_TAKEN,
        6: BARCODE_TAKEN,
    }
    assert server.imports[1].external_system_ids == ["00000005"], "a create that cannot succeed leaves an orphan behind"


def test_an_import_that_never_comes_to_rest(server: FolioServer, tmp_path: Path):
    """While FOLIO is still at work nothing is sent and nothing is claimed."""
    run = make_run(tmp_path, people(25))
    # The time for an answer is also that of the questions asked meanwhile, which a busy machine needs.
    server.faults.import_seconds = 20
    for _ in range(2):
        with pytest.raises(TransientError, match="still working on chunk 1"):
            post(run, server, patience=QUICK._replace(answer=2, settle=60, at_most=0.5))
    assert len(server.imports) == 1
    assert not run.names("results")


def test_the_token_runs_out_in_mid_load(server: FolioServer, tmp_path: Path):
    """A long load logs in as often as it takes, and no patron notices."""
    server.tenants[FOLIO_TENANT].token_seconds = 0.5
    server.faults.import_seconds = 0.3
    run = make_run(tmp_path, people(75))
    assert post(run, server).created == 75
    assert all(seen.status == 200 for seen in server.imports)


def test_the_token_is_revoked_in_mid_load(server: FolioServer, tmp_path: Path):
    """A 401 is answered by one new login and the same request; each chunk is loaded once."""
    run = make_run(tmp_path, people(75))
    server.faults.answer(401, nth=2)
    assert post(run, server).created == 75
    assert [seen.status for seen in server.imports] == [200, 401, 200, 200]


def test_one_bad_patron_does_not_stop_its_chunk(server: FolioServer, tmp_path: Path):
    """FOLIO refuses a whole request for one patron without a last name; the chunk is halved until that one is alone."""
    records = people(25)
    for bad in (3, 17):
        records[bad]["personal"] = {"firstName": "Nameless"}
    run = make_run(tmp_path, records)
    assert post(run, server) == Totals(chunks=1, patrons=25, created=23, updated=0, failed=2)
    (result,) = results(run)
    assert [failed["row"] for failed in result["failed"]] == [FIRST_ROW + 3, FIRST_ROW + 17]
    assert {failed["message"] for failed in result["failed"]} == {"personal.lastName: must not be null"}
    assert len(result["answers"]) == len(server.imports) < 25


def test_progress_is_told_without_patrons(server: FolioServer, tmp_path: Path):
    """Chunk n of m, figures, speed and time left: for the log, and for whoever looks at the task in Airflow."""
    told: list[str] = []
    with targets.open_target(folio_target(), lambda _: account(server), QUICK) as target:
        posting.post(make_run(tmp_path, people(50)), target, watch=Watch(told.append))
    assert len(told) == 2
    assert told[0].startswith("chunk 1 of 2: 25 patrons, 25 created, 0 updated, 0 failed; ")
    assert "patrons a second" in told[0]
    assert told[1].endswith("0 seconds left")


@pytest.mark.parametrize("question", [1, 2, 3, 4], ids=["before", "marked", "before the next", "the next marked"])
def test_two_processes_of_one_load(server: FolioServer, tmp_path: Path, question: int):
    """Airflow begins a task again that still lives. At whatever moment that is, nobody is sent twice."""
    run = make_run(tmp_path, people(75))
    first, second = (Lease(run.root, "folio", "northfield/a") for _ in range(2))
    first.hold()
    asked = count(1)

    def taken_over(is_waited_for: bool) -> None:
        second.hold()
        heir.start()
        if is_waited_for:
            heir.join(60)

    def before() -> None:
        first.check()
        if (now := next(asked)) == question:
            # What has its mark is on its way: whoever takes over then waits for it.
            taken_over(is_waited_for=now % 2 == 1)

    with targets.open_target(folio_target(), lambda _: account(server), LONG) as target:
        heir = Thread(target=posting.post, args=(run, target), kwargs={"watch": Watch(before=second.check)})
        with pytest.raises(TransientError, match="earlier process"):
            posting.post(run, target, watch=Watch(before=before))
        heir.join(60)
    assert not heir.is_alive()
    sent = Counter(key for seen in server.imports for key in seen.external_system_ids)
    assert (len(sent), set(sent.values())) == (75, {1})
    assert len(run.names("results")) == 3


def test_a_leftover_that_wakes_from_a_pause_sends_nothing(server: FolioServer, tmp_path: Path):
    """FOLIO asked it to come again after minutes; by then another process may have sent the chunk."""
    run, questions = make_run(tmp_path, people(5)), count(1)
    server.faults.answer(429, headers={"Retry-After": "0"})

    def before() -> None:
        if next(questions) > 2:  # the two for the chunk itself
            raise TransientError("a leftover")

    with (
        targets.open_target(folio_target(), lambda _: account(server), QUICK) as target,
        pytest.raises(TransientError, match="a leftover"),
    ):
        posting.post(run, target, watch=Watch(before=before))
    assert [seen.status for seen in server.imports] == [429]
    assert run.names("sent") == ["sent/0001.json"]


def test_a_busy_folio_between_two_halves(server: FolioServer, tmp_path: Path):
    """When one half of a chunk was taken and the other not, only the other is sent again."""
    records = people(20)
    records[15]["personal"] = {"firstName": "Nameless"}
    run = make_run(tmp_path, records)
    server.faults.answer(429, nth=3)
    assert post(run, server) == Totals(chunks=1, patrons=20, created=19, updated=0, failed=1)
    assert [seen.status for seen in server.imports][:3] == [422, 200, 429]
    assert set(Counter(posted(server)).values()) == {1}


def test_a_mapping_that_is_wrong_altogether(server: FolioServer, tmp_path: Path):
    """When patron after patron is refused and none taken, the load stops soon, says why and names nobody."""
    run = make_run(tmp_path, people(200, expirationDate="31.12.2099"), folio_target(chunk_size=100))
    with pytest.raises(TargetError, match="Correct the mapping") as caught:
        post(run, server)
    assert "31.12.2099" not in str(caught.value)
    assert len(server.imports) < 40
    assert not run.names("sent")
    assert not run.names("results")


def test_a_wrong_mapping_behind_a_small_first_chunk(server: FolioServer, tmp_path: Path):
    """A few known users go first, alone; what is refused of them counts, and the load stops all the same."""
    target = folio_target(chunk_size=5)
    run = make_run(tmp_path, people(100, expirationDate="31.12.2099"), target)
    with pytest.raises(TargetError, match="each of the first 9 patrons"):
        post(run, server, target)
    assert run.names("results") == ["results/0001.json"]
    assert run.names("sent") == ["sent/0001.json"]
    assert len(server.imports) < 30


def test_a_bad_chunk_after_an_interruption_is_no_wrong_mapping(server: FolioServer, tmp_path: Path):
    """The next attempt knows that the one before it has loaded patrons."""
    run = make_run(tmp_path, [*people(25), *people(25, first=26, expirationDate="soon")])
    server.faults.answer(429, nth=2)
    with pytest.raises(TransientError):
        post(run, server)
    assert post(run, server) == Totals(chunks=2, patrons=50, created=25, updated=0, failed=25)


def test_a_bad_chunk_later_on_is_no_wrong_mapping(server: FolioServer, tmp_path: Path):
    """Once patrons were taken, even a chunk in which all are refused is theirs alone."""
    run = make_run(tmp_path, [*people(25), *people(12, first=26, expirationDate="soon"), *people(13, first=38)])
    assert post(run, server) == Totals(chunks=2, patrons=50, created=38, updated=0, failed=12)


def drifted(server: FolioServer, number: int) -> None:
    """A stored user with a property that mod-user-import does not know: its partition of ten fails."""
    record = person(number)
    add_user(server, record)
    user = stored(server, record)
    assert user is not None
    server.store(FOLIO_TENANT).users.put(
        user | {"personal": {"lastName": "Before", "preferredContactTypeIds": ["002"]}}
    )


def test_the_over_count(server: FolioServer, tmp_path: Path):
    """When FOLIO reports users as failed whom it has created, they are looked up and count as created."""
    drifted(server, 15)
    run = make_run(tmp_path, people(25))
    totals = post(run, server)
    (result,) = results(run)
    assert result["answers"][0]["failedRecords"] == 25
    assert result["answers"][0]["createdRecords"] == 15
    assert totals == Totals(chunks=1, patrons=25, created=15, updated=0, failed=10)
    assert result["looked_up"] is True
    assert [len(seen.external_system_ids) for seen in server.imports] == [25, 10]


def lie(server: FolioServer, **said: Any) -> None:
    """The next import is done, but answered so."""
    body = {"message": "Users were imported successfully.", "totalRecords": 0, **said}
    server.faults.answer(200, work="first", body=json.dumps(body))


def test_an_answer_that_contradicts_itself(server: FolioServer, tmp_path: Path):
    """Counts that do not add up are not believed; the stored users are."""
    run = make_run(tmp_path, people(25))
    lie(server, createdRecords=7, updatedRecords=0, failedRecords=0)
    assert post(run, server) == Totals(chunks=1, patrons=25, created=25, updated=0, failed=0)
    assert len(server.imports) == 1


def test_what_stays_unclear(server: FolioServer, tmp_path: Path):
    """The other chunks go through; then the run fails, and says where to look and what to do."""
    run = make_run(tmp_path, people(50))
    nonsense = json.dumps({"message": "?", "totalRecords": 0, "createdRecords": 1})
    server.faults.answer(200, body=nonsense, times=4)
    with pytest.raises(TargetError, match=r"results/0001\.json"):
        post(run, server)
    unclear, through = results(run)
    assert unclear["unconfirmed"] == list(range(FIRST_ROW, FIRST_ROW + 25))
    assert through["created"] == 25
    with pytest.raises(TargetError, match="25 patrons are unconfirmed"):
        post(run, server)
    run.remove("results/0001.json")
    assert post(run, server) == Totals(chunks=2, patrons=50, created=50, updated=0, failed=0)


def test_an_id_is_not_taken_over_from_somebody_in_doubt(server: FolioServer, tmp_path: Path):
    """A later level waits until all before it is certain; then it goes on where it stopped."""
    run = make_run(tmp_path, people(50), in_levels=True)
    nonsense = json.dumps({"message": "?", "totalRecords": 0, "createdRecords": 1})
    server.faults.answer(200, body=nonsense, times=4)
    with pytest.raises(TargetError, match="25 patrons are unconfirmed"):
        post(run, server)
    assert run.names("results") == ["results/0001.json"]
    assert run.names("sent") == ["sent/0001.json"]
    run.remove("results/0001.json")
    assert post(run, server) == Totals(chunks=2, patrons=50, created=50, updated=0, failed=0)


def test_what_the_plan_wants_created_is_created_first_and_once(server: FolioServer, tmp_path: Path):
    """Before the first patron, so that none fails for want of it; a run that is cleared does not ask again."""
    run = make_run(tmp_path, people(30, departments=["Alchemy"]))
    wanted = {"departments": [{"name": "Alchemy", "code": "ALCHEMY"}], "options": {}}
    run.write_json("plan.json", {"create": wanted})
    server.faults.answer(429, nth=2)
    with pytest.raises(TransientError):
        post(run, server)
    assert post(run, server).created == 30
    made = [seen.path for seen in server.journal if seen.method == "POST" and seen.path != "/authn/login-with-expiry"]
    assert made == ["/departments", *["/user-import"] * 3]


def test_chunks_of_other_patrons(server: FolioServer, tmp_path: Path):
    """Chunks and rows that do not belong together are noticed before anything is sent."""
    run = make_run(tmp_path / "run", people(25))
    other = make_run(tmp_path / "other", people(25, first=50))
    run.write("chunks/0001.json.zst", other.read("chunks/0001.json.zst"))
    with pytest.raises(Defect, match="other patrons"):
        post(run, server)
    run.remove("chunks/0001.json.zst")
    assert not server.imports


def start(run: Run, server: FolioServer, point: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, killed.__file__, str(run.folder), server.url, point]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


POINTS = ["before sent/0002", "after sent/0002", "before results/0002", "after results/0002"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point(server: FolioServer, tmp_path: Path, point: str):
    """Whenever the process is killed, the next one sends what was not sent, nothing twice, and counts right."""
    for record in people(10, first=30):
        add_user(server, record)
    run = make_run(tmp_path, people(75))
    with start(run, server, point) as process:
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    assert post(run, server) == Totals(chunks=3, patrons=75, created=65, updated=10, failed=0)
    assert set(Counter(posted(server)).values()) == {1}
    assert all(stored(server, record) for record in people(75))


def test_killed_in_mid_request(server: FolioServer, tmp_path: Path):
    """Kill -9 while FOLIO is at work: the import goes on, the next run waits for it and posts nobody twice."""
    for record in people(10, first=30):
        add_user(server, record)
    run = make_run(tmp_path, people(75))
    server.faults.import_seconds = 3
    with start(run, server, "never") as process:
        wait_until(lambda: len(server.imports) == 2 and len(server.store(FOLIO_TENANT).users) > 35)
        process.kill()
    assert run.names("results") == ["results/0001.json"]
    server.faults.import_seconds = 0
    patience = QUICK._replace(settle=12, between=0.3)  # ends at once when all are there
    totals = post(run, server, patience=patience)
    assert totals == Totals(chunks=3, patrons=75, created=65, updated=10, failed=0)
    assert set(Counter(posted(server)).values()) == {1}
    assert all(stored(server, record) for record in people(75))
    assert [result["looked_up"] for result in results(run)] == [False, True, False]


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def lasting() -> Iterator[FolioServer]:
    with FolioServer([FOLIO_TENANT]) as running:
        yield running


GOOD, BAD_GROUP, TAKEN, NAMELESS = "good", "bad group", "taken barcode", "nameless"

PATRONS = st.lists(
    st.tuples(st.sampled_from([GOOD, GOOD, GOOD, BAD_GROUP, TAKEN, NAMELESS]), st.booleans()), min_size=1, max_size=30
)
FAULTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([401, 429]), st.just("none"), st.just("")),
        st.tuples(st.sampled_from([500, 502, 503, 504]), st.sampled_from(["none", "first"]), st.just("")),
        st.tuples(
            st.just(200),
            st.just("first"),
            st.builds(
                lambda created, failed: json.dumps(
                    {"message": "?", "totalRecords": 1, "createdRecords": created, "failedRecords": failed}
                ),
                st.integers(31, 60),
                st.integers(0, 60),
            ),
        ),
    ),
    max_size=4,
)


@settings(max_examples=25)
@given(patrons=PATRONS, faults=FAULTS)
def test_every_patron_is_accounted_for(
    lasting: FolioServer, tmp_path: Path, patrons: list[tuple[str, bool]], faults: list[tuple[int, str, str]]
):
    """Whatever FOLIO refuses and whatever gets lost: each row is counted once, and what counts as loaded is there."""
    refresh(lasting)
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    add_user(lasting, person(999))
    records = [patron(lasting, number, *asked) for number, asked in enumerate(patrons, start=1)]
    run = make_run(folder, records, folio_target(chunk_size=12))
    for nth, (status, work, body) in enumerate(faults, start=1):
        lasting.faults.answer(status, work=work, body=body, nth=nth)
    attempts(run, lasting)
    check(run, lasting, records, patrons)


def refresh(server: FolioServer) -> None:
    server.faults.clear()
    server.journal.clear()
    users = server.store(FOLIO_TENANT).users
    for user in list(users):
        users.delete(user["id"])


def patron(server: FolioServer, number: int, kind: str, before: bool) -> dict[str, Any]:
    if before:
        add_user(server, person(number))
    changes = {
        GOOD: {},
        BAD_GROUP: {"patronGroup": "wizard"},
        TAKEN: {"barcode": person(999)["barcode"]},
        NAMELESS: {"personal": {"firstName": "Nameless"}},
    }
    return person(number, **changes[kind])


def attempts(run: Run, server: FolioServer) -> None:
    for _ in range(10):
        try:
            post(run, server, patience=QUICK._replace(settle=0, between=0.01))
        except TransientError:
            continue
        except TargetError:
            return
        return
    pytest.fail("ten attempts did not do")


def check(run: Run, server: FolioServer, records: list[dict[str, Any]], patrons: list[tuple[str, bool]]) -> None:
    for result in results(run):
        failed = [one["row"] for one in result["failed"]]
        open_rows = [*failed, *result["unconfirmed"]]
        assert result["created"] + result["updated"] + len(open_rows) == result["patrons"]
        assert len(set(open_rows)) == len(open_rows)
        first = FIRST_ROW + 12 * (result["chunk"] - 1)
        chunk = range(first, first + result["patrons"])
        assert set(open_rows) <= set(chunk)
        loaded = [row - FIRST_ROW for row in chunk if row not in open_rows]
        assert all(patrons[place][0] == GOOD for place in loaded)
        assert all((stored(server, records[place]) or {})["barcode"] == records[place]["barcode"] for place in loaded)
        assert result["updated"] == sum(patrons[place][1] for place in loaded)


def test_a_slow_folio_gets_smaller_requests(server: FolioServer, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A chunk goes in parts when its predecessor took too long; it has one result, and the log tells the time left."""
    caplog.set_level(logging.INFO)
    run = make_run(tmp_path, people(75))
    server.faults.import_seconds = 0.2
    with opened(server) as folio:
        totals = posting.post(run, folio, Pace(goal=0.1))
    assert totals == Totals(chunks=3, patrons=75, created=75, updated=0, failed=0)
    sizes = [len(seen.external_system_ids) for seen in server.imports]
    assert sizes[0] == 25
    assert max(sizes[1:]) < 25
    assert [result["patrons"] for result in results(run)] == [25, 25, 25]
    assert set(Counter(posted(server)).values()) == {1}
    assert re.search(r"chunk 2 of 3: .* patrons? a second; \d+ seconds? left", caplog.text)


def opened(server: FolioServer) -> "AbstractContextManager[Target]":
    return targets.open_target(folio_target(), lambda _: account(server), QUICK)


def test_a_body_over_the_gateways_limit(server: FolioServer, tmp_path: Path):
    """A request that is refused as too large is halved until it goes through; the next chunks know."""
    server.faults.most_bytes = 4000
    run = make_run(tmp_path, people(50))
    assert post(run, server) == Totals(chunks=2, patrons=50, created=50, updated=0, failed=0)
    assert [seen.status for seen in server.imports][:3] == [413, 413, 200]
    assert [seen.status for seen in server.imports].count(413) == 2
    assert set(
        Counter(key for seen in server.imports if seen.status == 200 for key in seen.external_system_ids).values()
    ) == {1}


def test_one_patron_over_the_gateways_limit(server: FolioServer, tmp_path: Path):
    """It fails with its reason, the rest loads, and the others go in whole chunks again."""
    server.faults.most_bytes = 20_000
    large = person(5, personal={"lastName": "x" * 30_000})
    run = make_run(tmp_path, [*people(4), large, *people(45, first=6)])
    assert post(run, server) == Totals(chunks=2, patrons=50, created=49, updated=0, failed=1)
    assert results(run)[0]["failed"] == [{"row": FIRST_ROW + 4, "message": TOO_LARGE, "summary": TOO_LARGE}]
    assert [len(seen.external_system_ids) for seen in server.imports if seen.status == 200][-2:] == [20, 25]


def test_a_gateway_that_takes_nobody(server: FolioServer, tmp_path: Path):
    """When each of the first patrons alone is over the limit, somebody has to raise it; then all of them load."""
    server.faults.most_bytes = 100
    run = make_run(tmp_path, people(60))
    with pytest.raises(TargetError, match="chunk_bytes"):
        post(run, server)
    assert len(server.imports) < 60, "not each of them was tried"
    assert run.names("sent") == run.names("results") == []
    server.faults.most_bytes = 10**6
    assert post(run, server) == Totals(chunks=3, patrons=60, created=60, updated=0, failed=0)


def test_interrupted_between_two_parts(server: FolioServer, tmp_path: Path):
    """What was answered is not sent again, what was not is sent; and the report counts the three kinds apart."""
    for record in people(5):
        add_user(server, record)
    run = make_run(tmp_path, people(50))
    run.write_json("pace.json", {"size": None, "ceiling": 10})
    server.faults.answer(429, nth=2, times=9)
    with pytest.raises(TransientError):
        post(run, server)
    assert not run.has("results/0001.json")
    half = Progress.of(run)
    assert [(result.chunk, result.created, result.updated) for result in half.results] == [(1, 5, 5)]
    assert states(half) == [("answered", 10), ("not_sent", 40)]
    server.faults.clear()
    assert post(run, server) == Totals(chunks=2, patrons=50, created=45, updated=5, failed=0)
    assert set(
        Counter(key for seen in server.imports if seen.status == 200 for key in seen.external_system_ids).values()
    ) == {1}


def states(progress: Progress) -> list[tuple[str, int]]:
    """The states of the rows in their order, each with how many rows in a row have it."""
    assert progress.rows is not None
    return [(state, len(list(rows))) for state, rows in groupby(progress.rows["state"])]


def test_a_part_on_its_way(server: FolioServer, tmp_path: Path):
    """A part that nobody knows of is unconfirmed, the part before is loaded, and the rest was not sent."""
    run = make_run(tmp_path, people(25))
    run.write_json("pace.json", {"size": None, "ceiling": 10})
    server.faults.answer(504, nth=2, work="goes on", seconds=3)
    with pytest.raises(TransientError, match="still working"):
        post(run, server, patience=QUICK._replace(at_most=0.3, settle=60))
    assert states(Progress.of(run)) == [("answered", 10), ("in_flight", 10), ("not_sent", 5)]
    assert post(run, server, patience=QUICK._replace(settle=9)) == Totals(
        chunks=1, patrons=25, created=25, updated=0, failed=0
    )
    assert set(Counter(posted(server)).values()) == {1}


def test_a_create_that_failed_and_yet_is_there(server: FolioServer, tmp_path: Path):
    """A request that came late creates the patron first; ours fails, and the patron counts as created all the same."""
    run = make_run(tmp_path, people(3))
    failed = [
        {"externalSystemId": "banner_00000002", "errorMessage": "Failed to create new user with externalSystemId: x"}
    ]
    lie(server, createdRecords=2, failedRecords=1, failedUsers=failed)
    assert post(run, server) == Totals(chunks=1, patrons=3, created=3, updated=0, failed=0)


def fail_creates(server: FolioServer, keys: list[str], nth: int, of: int) -> None:
    """The nth import is not done, and answered as if mod-users had not created these of so many users."""
    message = "Failed to create new user with externalSystemId: x"
    failed = [{"externalSystemId": f"banner_{key}", "errorMessage": message} for key in keys]
    counts = {"createdRecords": of - len(keys), "failedRecords": len(keys)}
    server.faults.answer(
        200, nth=nth, body=json.dumps({"message": "?", "totalRecords": of, "failedUsers": failed} | counts)
    )


def test_a_create_that_met_a_passing_error(server: FolioServer, tmp_path: Path):
    """FOLIO gives up at any error of mod-users and never says why; where nothing is in the way it is tried again."""
    run = make_run(tmp_path, people(3))
    fail_creates(server, ["00000002"], nth=1, of=3)
    assert post(run, server) == Totals(chunks=1, patrons=3, created=3, updated=0, failed=0)
    assert posted(server) == ["00000002"]


def test_a_create_that_fails_for_no_visible_reason(server: FolioServer, tmp_path: Path):
    """After the second try the report says just that."""
    run = make_run(tmp_path, people(3))
    fail_creates(server, ["00000002"], nth=1, of=3)
    fail_creates(server, ["00000002"], nth=2, of=1)
    assert post(run, server).failed == 1
    assert "none of its ids is another user's" in results(run)[0]["failed"][0]["summary"]
    assert len(server.imports) == 2


def test_creates_that_never_succeed(server: FolioServer, tmp_path: Path):
    """Each leaves a permission user behind, so after ten in vain the others of the chunk are not tried again."""
    run, keys = make_run(tmp_path, people(25)), [record["externalSystemId"] for record in people(25)]
    fail_creates(server, keys, nth=1, of=25)
    fail_creates(server, keys[:10], nth=2, of=10)
    assert post(run, server).failed == 25
    assert len(server.imports) == 2


def test_a_lost_answer_to_what_was_sent_again(server: FolioServer, tmp_path: Path):
    """Each time something goes once more the clock begins anew, so that a second import is waited for as well."""
    run = make_run(tmp_path, people(10))
    server.faults.answer(504)
    server.faults.answer(504, nth=2, work="goes on", seconds=3)
    with pytest.raises(TransientError, match="was lost"):
        post(run, server, patience=QUICK._replace(settle=1))
    marker = run.read_json("sent/0001.json")
    assert marker["last_sent_at"] > marker["sent_at"]
    assert post(run, server, patience=QUICK._replace(settle=8)) == Totals(1, 10, created=10, updated=0, failed=0)
    assert len(server.imports) == 2


def test_a_search_that_keeps_failing(server: FolioServer, tmp_path: Path):
    """Says nothing about the patrons: the next attempt looks them up and loads them, and no person has to act."""
    run = make_run(tmp_path, people(10))
    server.faults.trouble(failed_searches=(0,), times=9)
    with pytest.raises(TransientError, match="failed 4 times in a row to find"):
        post(run, server)
    assert not run.names("results")
    server.faults.clear()
    assert post(run, server) == Totals(chunks=1, patrons=10, created=10, updated=0, failed=0)


def test_users_that_cannot_be_read_are_found_out_with_ten(server: FolioServer, tmp_path: Path):
    """mod-users was changed after the plan: ten fail, not ten thousand, and all of them load when that is mended."""
    store = server.store(FOLIO_TENANT)
    target = folio_target(chunk_size=10)
    post(make_run(tmp_path / "before", people(30), target), server, target)
    run = make_run(tmp_path / "run", people(30, patronGroup="staff"), target)
    store.upgrade("mod-users", "19.7.0")
    with pytest.raises(TargetError, match="could not read any of the first 10 users"):
        post(run, server, target)
    assert results(run) == []
    assert run.names("sent") == []
    assert set(posted(server)[30:]) == {f"{number:08}" for number in range(1, 11)}
    store.upgrade("mod-users", "19.6.0")
    for user in list(store.users):
        store.users.put(user | {"personal": {**user["personal"], "preferredContactTypeIds": None}})
    for user in list(store.users):
        user["personal"].pop("preferredContactTypeIds")
    assert post(run, server, target) == Totals(chunks=3, patrons=30, created=0, updated=30, failed=0)
