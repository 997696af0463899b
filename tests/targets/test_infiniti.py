"""Infiniti as a target: files over HTTP, against the stand-in."""

import csv
import io
import json
import logging
import re

import pytest

from patronload import targets
from patronload.connections import Connection
from patronload.errors import ConfigError, TargetError, TransientError
from patronload.loads.posting import post as posting
from patronload.loads.posting.post import Totals, Watch
from patronload.targets.delivery import Patron
from patronload.targets.folio.client import gateway
from patronload.targets.infiniti.client import school, to_csv
from sandbox.infiniti import InfinitiServer
from tests.targets.infiniti_loads import (
    FIRST_ROW,
    QUICK,
    account,
    make_run,
    post,
    pupil,
    pupils,
    results,
    school_target,
)


@pytest.fixture
def server():
    with InfinitiServer() as running:
        yield running


def passwords(server):
    return [event.username for event in server.school.history if event.what == "password"]


def test_a_load(server, tmp_path, caplog):
    """Every patron is sent once, in files of so many; created and updated are counted; no log tells of a patron."""
    caplog.set_level(logging.INFO)
    run = make_run(tmp_path, pupils(12))
    server.school.take(pupil(1))
    assert post(run, server) == Totals(chunks=3, patrons=12, created=11, updated=1, failed=0)
    assert [len(seen.usernames) for seen in server.imports] == [5, 5, 2]
    assert server.school.users["pupil7"] == pupil(7) | {"enabled": True, "staffmember": False}
    assert "pupil" not in caplog.text
    assert "Import-pass" not in caplog.text


def test_failed_rows_come_back_with_the_exports_rows(server, tmp_path):
    """Infiniti counts from 1 in each file; the library counts from 2 in the whole export."""
    run = make_run(tmp_path, [*pupils(6), pupil(7, emailaddress="nowhere"), *pupils(3, 8)])
    assert post(run, server) == Totals(chunks=2, patrons=10, created=9, updated=0, failed=1)
    (failed,) = results(run)[1]["failed"]
    assert failed == {
        "row": FIRST_ROW + 6,
        "message": "Field (emailAddress) is not a well-formed email address.",
        "summary": "the e-mail address is not one that Infiniti accepts",
    }
    assert results(run)[1]["answers"][0]["details"]["2"].startswith("Field")


@pytest.mark.parametrize(
    ("oddities", "settings"),
    [
        ({"details": "array"}, {}),
        ({"details": "failed"}, {}),
        ({"first_row": 0}, {"first_row": 0}),
        ({"first_row": 2}, {"first_row": 2}),
        ({"header_line": True}, {}),
        ({"doubled": False, "failed": 422}, {}),
        ({"details": "array", "header_line": True}, {}),
    ],
)
def test_answers_of_every_shape(server, tmp_path, oddities, settings):
    """Whatever the article leaves open: the same rows are told as failed."""
    vars(server.oddities).update(oddities)
    target = school_target(**settings)
    run = make_run(tmp_path, [*pupils(3), pupil(4, emailaddress="nowhere"), pupil(5)], target)
    assert post(run, server, target) == Totals(chunks=1, patrons=5, created=4, updated=0, failed=1)
    assert [failed["row"] for failed in results(run)[0]["failed"]] == [5]


def test_row_numbers_that_do_not_fit_are_reported_and_not_guessed(server, tmp_path):
    """All patrons of the file are unconfirmed, the other files go through, and a note says what does not fit."""
    server.oddities.first_row = 0
    run = make_run(tmp_path, [pupil(1, emailaddress="nowhere"), *pupils(6, 2)])
    with pytest.raises(TargetError, match="5 patrons are unconfirmed"):
        post(run, server)
    first, second = results(run)
    assert (first["unconfirmed"], first["failed"], second["created"]) == ([2, 3, 4, 5, 6], [], 2)
    assert "according to target.first_row the rows are 1 to 5" in first["notes"][0]
    run.remove("results/0001.json")
    target = school_target(first_row=0)
    assert post(run, server, target) == Totals(chunks=2, patrons=7, created=2, updated=4, failed=1)


@pytest.mark.parametrize("status", [200, 401])
def test_unauthorised_is_no_failed_row(server, tmp_path, status):
    """The run stops before any patron, says what to do, and goes on when the password is right."""
    server.oddities.unauthorised = status
    run = make_run(tmp_path, pupils(6))
    with pytest.raises(TargetError, match=r"'school_infiniti'.*system administration") as caught:
        post(run, server, password="Wrong-pass-1")
    assert "Wrong-pass" not in str(caught.value)
    assert len(server.imports) == 1
    assert run.names("sent") == run.names("results") == []
    assert post(run, server).created == 6


def test_a_plain_401_is_unauthorised_too(server, tmp_path):
    """A gateway says it in its own way."""
    server.faults.answer(401, body="<html>401</html>")
    with pytest.raises(TargetError, match="Unauthorised"):
        post(make_run(tmp_path, pupils(2)), server)


@pytest.mark.parametrize("work", ["none", "first", "goes on"])
def test_a_lost_answer_is_followed_by_the_same_file(server, tmp_path, work):
    """An update of what is there does no harm; the note says what the figures cannot."""
    server.faults.answer(504, work=work, seconds=0.1)
    run = make_run(tmp_path, pupils(8))
    totals = post(run, server)
    assert (totals.patrons, totals.created + totals.updated, totals.failed) == (8, 8, 0)
    assert [len(seen.usernames) for seen in server.imports if seen.usernames][-2:] == [5, 3]
    assert len(server.school.users) == 8
    notes = results(run)[0].get("notes", [])
    assert any("counted as updated" in note for note in notes) == (work != "none")


def test_what_is_sent_again_goes_in_small_files(server, tmp_path):
    """A gateway that gave up on a large file would give up on the same one each time."""
    target = school_target(chunk_size=60)
    server.faults.answer(504, work="first")
    run = make_run(tmp_path, [pupil(1, emailaddress="nowhere"), *pupils(58, 2), pupil(60, emailaddress="no")], target)
    assert post(run, server, target) == Totals(chunks=1, patrons=60, created=0, updated=58, failed=2)
    assert [len(seen.usernames) for seen in server.imports] == [60, 25, 25, 10]
    assert [failed["row"] for failed in results(run)[0]["failed"]] == [FIRST_ROW, FIRST_ROW + 59]


def test_a_leftover_that_sends_again_stops_between_two_files(server, tmp_path):
    """Airflow has begun the task once more while the small files go: the rest of them is the other process's."""
    target = school_target(chunk_size=60)
    server.faults.answer(504, work="first")

    def before():
        # By what has arrived, not by how often it is asked: that depends on the machine's speed.
        if len(server.imports) == 2:
            raise TransientError("a leftover")

    run = make_run(tmp_path, pupils(60), target)
    with (
        targets.open_target(target, lambda _: account(server), QUICK) as infiniti,
        pytest.raises(TransientError, match="a leftover"),
    ):
        posting.post(run, infiniti, watch=Watch(before=before))
    assert [len(seen.usernames) for seen in server.imports] == [60, 25]


def test_a_password_is_sent_once_and_never_again(server, tmp_path):
    """The first file may have arrived, and the patron may have chosen another password since."""
    server.faults.answer(504, work="first")
    run = make_run(tmp_path, pupils(3, password="Welcome-1"))
    post(run, server)
    assert passwords(server) == ["pupil1", "pupil2", "pupil3"]
    assert [("password" in seen.columns) for seen in server.imports] == [True, False]
    assert "notes" in results(run)[0]


def test_who_may_be_without_a_password_is_told(server, tmp_path):
    """The first file did not arrive, and the second had no passwords."""
    server.faults.answer(504)
    run = make_run(tmp_path, pupils(3, password="Welcome-1"))
    assert post(run, server).created == 3
    assert passwords(server) == []
    (note,) = results(run)[0]["notes"]
    assert "rows 2, 3, 4. Set missing passwords in Infiniti" in note
    assert "Welcome" not in json.dumps(results(run))


def test_an_answer_that_keeps_getting_lost(server, tmp_path):
    """Nothing is claimed; the next attempt sends once more."""
    server.faults.hang_up(times=2, work="first")
    run = make_run(tmp_path, pupils(3))
    with pytest.raises(TransientError, match="was lost"):
        post(run, server)
    assert run.names("results") == []
    assert post(run, server) == Totals(chunks=1, patrons=3, created=0, updated=3, failed=0)


@pytest.mark.parametrize(("status", "error"), [(404, TargetError), (429, TransientError), (302, TargetError)])
def test_a_file_that_was_not_taken_is_as_if_never_sent(server, tmp_path, status, error):
    """Nothing is unknown after it."""
    server.faults.answer(status)
    run = make_run(tmp_path, pupils(2, password="Welcome-1"))
    with pytest.raises(error):
        post(run, server)
    assert run.names("sent") == []
    post(run, server)
    assert passwords(server) == ["pupil1", "pupil2"]


def test_nobody_answers(server, tmp_path):
    """A refused connection is a matter of time; nothing was sent."""
    run = make_run(tmp_path, pupils(2))
    with pytest.raises(TransientError, match="connection was refused"):
        post(run, server, host="http://127.0.0.1:9")
    assert run.names("sent") == []


def test_files_get_smaller_when_a_gateway_says_so(server, tmp_path):
    """413 for the whole file; half of it goes through. A patron who alone is too large has failed."""
    server.faults.most_bytes = 500
    run = make_run(tmp_path, pupils(4))
    assert post(run, server).created == 4
    assert {seen.status for seen in server.imports} == {413, 200}
    server.faults.most_bytes = 10
    totals = post(make_run(tmp_path / "other", pupils(2)), server)
    assert (totals.created, totals.updated, totals.failed) == (0, 0, 2)


def test_an_answer_that_is_not_infinitis(server, tmp_path):
    """The run stops; what came is kept, beside the marker and nowhere else; the next attempt sends again."""
    page = f"<html>Sign in, pupil1 {'x' * 5000}</html>"
    server.faults.answer(200, body=page)
    run = make_run(tmp_path, pupils(2))
    with pytest.raises(TargetError, match="in a way Infiniti never does") as caught:
        post(run, server)
    assert "pupil1" not in str(caught.value)
    (kept,) = run.read_json("sent/0001.json")["unreadable"]
    assert (kept["status"], kept["text"]) == (200, page[:2000])
    assert post(run, server).created == 2


def test_a_file_that_is_refused_as_a_whole(server, tmp_path):
    """The first one: the mapping or the header is wrong, and nothing goes on. A later one: its rows have failed."""
    server.oddities.unknown_columns = "refuse"
    odd = school_target(header={"surname": "familyname"})
    with pytest.raises(TargetError, match=r"refused the whole first file.*target\.header"):
        post(make_run(tmp_path / "first", pupils(2), odd), server, odd)
    server.faults.answer(200, nth=2, body='{"success": false, "summary": "The file is not a CSV file."}')
    run = make_run(tmp_path / "later", pupils(7))
    assert post(run, server) == Totals(chunks=2, patrons=7, created=5, updated=0, failed=2)
    assert {failed["message"] for failed in results(run)[1]["failed"]} == {"The file is not a CSV file."}


def test_a_school_that_spells_columns_otherwise(server, tmp_path):
    """target.header; the article's own sample says middleinitialname and staffmemberid."""
    spellings = {"middlename": "middleinitialname", "staffmember": "staffmemberid"}
    server.oddities.spellings = {there: here for here, there in spellings.items()}
    server.oddities.unknown_columns = "refuse"
    target = school_target(header=spellings)
    assert post(make_run(tmp_path, pupils(2, middlename="Mary"), target), server, target).created == 2
    assert server.school.users["pupil1"]["middlename"] == "Mary"
    assert server.school.users["pupil1"]["staffmember"] is False


def test_a_file_in_the_schools_encoding():
    """UTF-8 unless the tenant says otherwise; quotes and line breaks stay in their cell."""
    patrons = [Patron(2, "zoe", {"username": "zoe", "surname": 'Ó "Dé", \nfada'})]
    for encoding in ("utf-8", "cp1252"):
        text = to_csv(patrons, school_target(encoding=encoding)).decode(encoding)
        assert list(csv.reader(io.StringIO(text, newline=""))) == [["username", "surname"], ["zoe", 'Ó "Dé", \nfada']]


def test_a_chunk_as_json_is_no_smaller_than_its_file():
    """So chunk_bytes holds for the file too."""
    short = {"username": "a", "enabled": "Y", "staffmember": "Y"}
    for record in (pupil(1), short, pupil(2, surname='"' * 99)):
        body = targets.request_body(school_target(), [json.dumps(record, ensure_ascii=False)] * 20)
        assert len(to_csv([Patron(2, "x", record)] * 20, school_target())) <= len(body)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("", "needs the address"),
        ("https://user:pw@school.example", "needs the address"),
        ("ftp://school.example", "needs the address"),
        ("http://school.concordinfiniti.com", "unencrypted"),
        ("http://127.0.0.1.school.example", "unencrypted"),
        ("http://sandbox", "unencrypted"),
    ],
)
def test_only_https_but_for_this_machine(host, told):
    """Patrons and a password go over the line."""
    with pytest.raises(ConfigError, match=told) as caught:
        school(Connection("school_infiniti", host=host))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("school.concordinfiniti.com", "https://school.concordinfiniti.com"),
        ("https://school.concordinfiniti.com/", "https://school.concordinfiniti.com"),
        ("http://127.0.0.1:81", "http://127.0.0.1:81"),
        ("http://[::1]:81", "http://[::1]:81"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_where_the_school_is(host, url):
    """https when nothing is said, and http on loopback for the stand-in."""
    assert str(school(Connection("school_infiniti", host=host))) == url


@pytest.mark.parametrize("address", [school, gateway])
def test_http_to_another_machine_needs_leave(address):
    """FOLIO and Infiniti alike: the connection says that the network is one's own, or the load stops."""
    with pytest.raises(ConfigError, match="unencrypted"):
        address(Connection("other", host="http://sandbox:81"))
    with pytest.raises(ConfigError, match="unencrypted"):
        address(Connection("other", host="http://sandbox:81", extra={"allow_http": "false"}))
    for leave in (True, "true"):
        assert str(address(Connection("other", host="http://sandbox:81", extra={"allow_http": leave})))


def test_nothing_of_a_connection_is_shown(server):
    """What is printed of a target names the connection and no password."""
    with targets.open_target(school_target(), lambda _: account(server), QUICK) as infiniti:
        assert "Import-pass" not in f"{infiniti!r} {infiniti}"
        assert re.search(r"school_infiniti", str(infiniti))


def test_what_is_sent_is_what_the_article_asks_for(server, tmp_path):
    """One multipart form with one file, by POST, with HTTP Basic; no redirect is followed with the password."""
    post(make_run(tmp_path, pupils(1)), server)
    (seen,) = server.imports
    assert (seen.method, seen.path, seen.status) == ("POST", "/api/import/users", 200)
    assert seen.columns[:3] == ["username", "enabled", "staffmember"]
