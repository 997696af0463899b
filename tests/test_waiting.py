"""Waiting for a file that is late: when it is looked for, who is told, and how often."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from leftovers import TENANT

from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.errors import TransientError
from patronload.loads import earlier_days, late_file
from patronload.reporting import mails, smtp

DAY = date(2026, 11, 24)
ZONE = ZoneInfo("America/Chicago")


def tenant(expected_by: str | None = "06:00", look_again: int = 300, zone: str = ZONE.key):
    source = TENANT.source.model_copy(update={"expected_by": expected_by, "look_again_seconds": look_again})
    people = TENANT.people.model_copy(update={"export": "Registrar, x1234"})
    return TENANT.model_copy(update={"source": source, "timezone": zone, "people": people})


def at(text: str, zone: ZoneInfo = ZONE) -> datetime:
    """A moment of the zone, as a server's clock in UTC has it."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "again", "late"),
    [
        pytest.param("2026-11-24 04:30", "2026-11-24 04:35", False, id="every five minutes"),
        pytest.param("2026-11-24 05:58", "2026-11-24 06:00:01", False, id="and when it should be there"),
        pytest.param("2026-11-24 06:00:01", "2026-11-24 06:05:01", True, id="late from then on"),
        pytest.param("2026-11-24 23:58", "2026-11-25 00:00:01", True, id="once more when the day is over"),
        pytest.param("2026-11-23 22:00", "2026-11-23 22:05", False, id="started the evening before"),
    ],
)
def test_when_it_is_looked_for(now, again, late):
    """Until the end of the library's own day, wherever the server stands."""
    found = late_file.next_look(tenant(), DAY, at(now))
    assert found is not None
    assert found.again == at(again)
    assert (found.expected, found.late) == (at("2026-11-24 06:00"), late)


@pytest.mark.parametrize("now", ["2026-11-25 00:00", "2026-11-26 09:00"])
def test_the_end(now):
    """When the library's day is over, or long gone as in a backfill, nothing is waited for."""
    assert late_file.next_look(tenant(), DAY, at(now)) is None


def test_a_tenant_that_does_not_wait():
    """Without expected_by a missing file ends the run at once, as ever."""
    assert late_file.next_look(tenant(None), DAY, at("2026-11-24 04:30")) is None


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Chicago", date(2026, 11, 1), 25),
        ("Europe/Dublin", date(2027, 3, 28), 23),
        ("Australia/Lord_Howe", DAY, 24),
    ],
)
def test_a_day_is_as_long_as_the_library_has_it(zone, day, hours):
    """Over both changes of the clock the wait ends at the library's midnight, not an hour before or after."""
    start = datetime.combine(day, datetime.min.time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert late_file.next_look(tenant(zone=zone), day, start + timedelta(hours=hours, seconds=-1)) is not None
    assert late_file.next_look(tenant(zone=zone), day, start + timedelta(hours=hours)) is None


def test_one_mail_not_forty(tmp_path: Path, monkeypatch):
    """However often it is looked for, the library hears once that its file is late; nothing before it is."""
    sent = []
    monkeypatch.setattr(smtp, "send", sent.append)
    library, run = tenant(), Run(tmp_path)
    moment = at("2026-11-24 04:30")
    while found := late_file.next_look(library, DAY, moment):
        late_file.notify_once(library, run, DAY, found)
        assert bool(sent) is found.late
        moment = found.again
    assert len(sent) == 1
    assert json.loads((tmp_path / names.LATE).read_text())["expected"] == "2026-11-24T12:00:00+00:00"


def test_a_mail_server_that_is_down(tmp_path: Path, monkeypatch, caplog):
    """The wait goes on, and the mail goes out at a later look."""
    sent, down = [], True

    def send(mail):
        if down:
            raise TransientError("The mail server does not answer.")
        sent.append(mail)

    monkeypatch.setattr(smtp, "send", send)
    library, run = tenant(), Run(tmp_path)
    found = late_file.next_look(library, DAY, at("2026-11-24 06:01"))
    assert found is not None
    assert late_file.notify_once(library, run, DAY, found) is False
    assert "could not be sent" in caplog.text
    down = False
    assert [late_file.notify_once(library, run, DAY, found) for _ in range(2)] == [True, True]
    assert len(sent) == 1


def test_what_the_mail_says():
    """Which file, since when it is late, until when it is waited for, and who can act; to those named for no file."""
    contacts = TENANT.notify.model_copy(update={"always": ("a@library.example",), "on_no_file": ("b@library.example",)})
    mail = mails.late_mail(tenant().model_copy(update={"notify": contacts}), DAY, at("2026-11-24 06:00"))
    assert mail.subject == "No file yet; it was expected by 06:00 (Northfield University Library, 24 Nov 2026)"
    assert mail.to == ("a@library.example", "b@library.example")
    for told in ("outgoing/patrons_20261124.csv", "24 November 2026", "America/Chicago", "Registrar, x1234"):
        assert told in mail.text
        assert told in mail.html


def test_the_runs_of_a_backfill_of_earlier_days():
    """By Airflow's names of them: no other kind of run, no later day, not the day itself."""
    tick = "2026-11-20T10:30:00+00:00"
    ahead = [f"backfill__{tick}__2026-11-{day}__aB3xYz9Q" for day in (18, 19)]
    others = [
        f"backfill__{tick}__2026-11-20__aB3xYz9Q",
        f"scheduled__{tick}__2026-11-18__aB3xYz9Q",
        f"manual__{tick}__2026-11-18__aB3xYz9Q",
        "by hand",
    ]
    assert earlier_days.backfills_before([*ahead, *others], date(2026, 11, 20)) == ahead
