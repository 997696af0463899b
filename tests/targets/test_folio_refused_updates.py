"""Updates that mod-users refuses: FOLIO reports everybody of the request as failed, and answers too early."""

from pathlib import Path
from typing import Any

import pytest

from patronload.loads.posting.post import Totals
from sandbox.folio import FolioServer
from tests.targets.loads import (
    FIRST_ROW,
    FOLIO_TENANT,
    QUICK,
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

BARCODE_TAKEN = "the barcode is already used by another user in FOLIO"

PATIENCE = QUICK._replace(rest=0.6)


@pytest.fixture
def server(server: FolioServer) -> FolioServer:
    """A FOLIO whose partitions run in parallel, and that holds users 1 to 20 and a stranger with a barcode."""
    for record in [*people(20), person(999, barcode="29999999")]:
        add_user(server, record)
    return server


def taken(number: int) -> dict[str, Any]:
    """A known patron whose row has the stranger's barcode."""
    return person(number, barcode="29999999")


def is_loaded(server: FolioServer, record: dict[str, Any]) -> bool:
    user = stored(server, record)
    return user is not None and user["personal"]["lastName"] == record["personal"]["lastName"]


def test_a_refused_update_fails_alone(server: FolioServer, tmp_path: Path):
    """The row with another user's barcode fails with FOLIO's reason; everyone else of the request is loaded."""
    records = people(40)
    records[4] = taken(5)
    run = make_run(tmp_path, records, folio_target(chunk_size=40))
    assert post(run, server, patience=PATIENCE) == Totals(chunks=1, patrons=40, created=20, updated=19, failed=1)
    (result,) = results(run)
    (failed,) = result["failed"]
    assert (failed["row"], failed["summary"]) == (FIRST_ROW + 4, BARCODE_TAKEN)
    assert failed["message"] == f"{BARCODE_TAKEN}. FOLIO says: This barcode has already been taken"
    assert result["unconfirmed"] == []
    assert all(is_loaded(server, record) for record in records if record is not records[4])
    assert len(posted(server)) == 40, "nobody is sent twice for another patron's fault"


def test_the_rest_of_the_partition_comes_later(server: FolioServer, tmp_path: Path):
    """FOLIO answers before the refused user's neighbours are through: they are waited for, and sent once."""
    server.faults.late_seconds = 0.3
    records = [*people(4), taken(5), *people(5, first=30)]
    run = make_run(tmp_path, records)
    assert post(run, server, patience=PATIENCE) == Totals(chunks=1, patrons=10, created=5, updated=4, failed=1)
    assert len(posted(server)) == 10


def test_several_refused_updates_of_one_partition(server: FolioServer, tmp_path: Path):
    """FOLIO names the first only; the others are sent once more, alone, and each fails with its own reason."""
    records = [taken(1), person(2, username="patron999"), taken(3), *people(5, first=4), *people(15, first=30)]
    run = make_run(tmp_path, records)
    assert post(run, server, patience=PATIENCE) == Totals(chunks=1, patrons=23, created=15, updated=5, failed=3)
    (result,) = results(run)
    by_row = {failed["row"]: failed["summary"] for failed in result["failed"]}
    assert by_row == {
        FIRST_ROW: BARCODE_TAKEN,
        FIRST_ROW + 1: "the username is already used by another user in FOLIO",
        FIRST_ROW + 2: BARCODE_TAKEN,
    }
    assert [len(seen.external_system_ids) for seen in server.imports] == [23, 1, 1]


def test_a_refused_update_among_the_first_users(server: FolioServer, tmp_path: Path):
    """The load's first chunk has a refused update; the later ones, which wait for it, are sent all the same."""
    records = [taken(1), *people(9, first=2), *people(20, first=30)]
    run = make_run(tmp_path, records, folio_target(chunk_size=10), in_levels=True)
    totals = post(run, server, folio_target(chunk_size=10), PATIENCE)
    assert totals == Totals(chunks=3, patrons=30, created=20, updated=9, failed=1)


def test_a_refused_update_behind_a_lost_answer(server: FolioServer, tmp_path: Path):
    """The gateway gave up: the refused row is sent once more, and FOLIO's reason is found out."""
    records = [*people(11), taken(12), *people(5, first=30)]
    run = make_run(tmp_path, records)
    server.faults.answer(504, work="first")
    assert post(run, server, patience=PATIENCE) == Totals(chunks=1, patrons=17, created=5, updated=11, failed=1)
    assert results(run)[0]["failed"][0]["summary"] == BARCODE_TAKEN


def test_a_refused_update_beside_a_failed_search(server: FolioServer, tmp_path: Path):
    """One partition's search fails and another's update is refused; both are told apart."""
    records = [taken(1), *people(19, first=2), *people(10, first=30)]
    run = make_run(tmp_path, records, folio_target(chunk_size=30))
    server.faults.trouble(failed_searches=(1,))
    assert post(run, server, patience=PATIENCE) == Totals(chunks=1, patrons=30, created=10, updated=19, failed=1)
    assert [len(seen.external_system_ids) for seen in server.imports] == [30, 10]


def test_failed_searches_in_a_row(server: FolioServer, tmp_path: Path):
    """A search that fails again when the patrons are sent again is tried on; nobody stays unconfirmed."""
    run = make_run(tmp_path, people(10, first=30))
    server.faults.trouble(failed_searches=(0,), times=3)
    assert post(run, server, patience=PATIENCE).created == 10
    assert results(run)[0]["unconfirmed"] == []


@pytest.mark.parametrize("lacking", ["createdDate", "updatedDate", "metadata"])
@pytest.mark.parametrize("lost", [True, False])
def test_a_stored_user_without_the_servers_dates(server: FolioServer, tmp_path: Path, lacking: str, *, lost: bool):
    """Users of a migration may lack them: they are updated, and counted as updated, also when an answer got lost."""
    store = server.store(FOLIO_TENANT)
    for user in list(store.users):
        store.users.put({name: value for name, value in user.items() if name != lacking})
    run = make_run(tmp_path, people(12), known=range(1, 13))
    if lost:
        server.faults.answer(504, work="first")
    assert post(run, server, patience=PATIENCE) == Totals(chunks=1, patrons=12, created=0, updated=12, failed=0)


@pytest.mark.parametrize("version", ["19.5.4", "19.6.0"])
@pytest.mark.parametrize("known", [True, False])
def test_an_update_is_not_counted_as_created(server: FolioServer, tmp_path: Path, version: str, *, known: bool):
    """mod-users up to 19.5.4 sets createdDate at every update; what the plan knew and metadata tell the truth."""
    store = server.store(FOLIO_TENANT)
    store.upgrade("mod-users", version)
    for record in [*people(10, first=100)] if known else []:
        add_user(server, record)
        user = stored(server, record)
        assert user is not None
        del user["metadata"]
        store.users.put(user)
    run = make_run(
        tmp_path, [*people(10), *people(10, first=100)], known=[*range(1, 11), *range(100, 111)] if known else ()
    )
    server.faults.answer(500, work="first")
    totals = post(run, server, patience=PATIENCE)
    assert totals == Totals(chunks=1, patrons=20, created=0 if known else 10, updated=20 if known else 10, failed=0)
