"""`doctor` examines a library against real servers, and says what to do about each thing that is wrong."""

import json
import os
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import yaml

from patronload.__main__ import main
from patronload.doctor import examination
from sandbox.folio import FolioServer, FolioTenant
from sandbox.infiniti import InfinitiServer
from sandbox.sftp import SftpAccount, SftpServer
from sandbox.smtp import MailServer

PASSWORD = "secret-of-the-export"


class Place:
    """A library with an SFTP server, a FOLIO and a mail server of its own, and the means to break each."""

    def __init__(self, project, folder, sftp, folio, mail, monkeypatch) -> None:
        self.folder, self.sftp, self.folio, self.mail = folder, sftp, folio, mail
        self.environment = monkeypatch
        (folder / "include" / "tenants").mkdir(parents=True)
        (folder / "include" / "mappings").symlink_to(project / "include" / "mappings")
        self.write()
        self.connect("lib_sftp", conn_type="sftp", host=sftp.host, port=sftp.port, login="lib", password=PASSWORD)
        self.connect("lib_folio", conn_type="http", host=folio.url, login="loader", password="secret-of-folio")
        self.connect(
            "smtp_default",
            conn_type="smtp",
            host=mail.host,
            port=mail.port,
            extra={"from_email": "patronload@lib.example", "disable_ssl": True, "disable_tls": True},
        )

    def write(self, mapping="folio/flat_patrons", path="outgoing/patrons.csv", more=None, **target):
        tenant = {
            "tenant": "lib",
            "library": "A Library",
            "mapping": mapping,
            "timezone": "America/Chicago",
            "source": {"type": "sftp", "connection": "lib_sftp", "path": path, "quiet_seconds": 0},
            "target": target or {"type": "folio", "connection": "lib_folio", "folio_tenant": "main"},
            "notify": {"on_failure": ["oncall@lib.example"]},
            **(more or {}),
        }
        (self.folder / "include" / "tenants" / "lib.yaml").write_text(yaml.safe_dump(tenant))

    def connect(self, name, extra=None, **fields):
        if fields["conn_type"] == "sftp":
            extra = {"host_key": self.sftp.host_key, "look_for_keys": "false"} | (extra or {})
        self.environment.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({**fields, "extra": extra or {}}))

    def deliver(self, name="patrons.csv"):
        path = self.sftp.folder("lib") / "outgoing" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("externalSystemId\n1\n")

    def examined(self):
        return {check.subject: check for check in examination.examine("lib")}


@pytest.fixture
def place(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{tmp_path / 'artifacts'}")
    monkeypatch.delenv("PATRONLOAD_ARTIFACTS_KEYS", raising=False)
    tenant = FolioTenant("main", "loader", "secret-of-folio")
    with (
        SftpServer(tmp_path / "sftp", [SftpAccount("lib", password=PASSWORD)]) as sftp,
        FolioServer([tenant]) as folio,
        MailServer(tmp_path / "mail", page=False) as mail,
    ):
        found = Place(project, tmp_path, sftp, folio, mail, monkeypatch)
        found.deliver()
        found.tenant = tenant
        yield found


def test_a_library_that_is_ready(place, capsys):
    """Everything passes; nothing is sent to anyone, and nothing remains."""
    assert main(["doctor", "lib"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if not line.startswith("    ")] == [
        f"✓ {subject}" for subject in ("files", "export", "FOLIO", "mail", "artifacts")
    ]
    assert "outgoing/patrons.csv has 19 bytes" in printed
    assert "no permission is missing" in printed
    assert place.mail.mails == []
    assert not any(path.is_file() for path in (place.folder / "artifacts").rglob("*"))


def test_a_file_that_has_not_arrived_is_a_warning(place, capsys):
    """The server is fine; the file may come at night."""
    place.write(path="outgoing/patrons_{date:%Y%m%d}.csv")
    assert main(["doctor", "lib"]) == 0
    printed = capsys.readouterr().out
    assert "! export" in printed
    assert "The newest there: patrons.csv." in printed


@pytest.mark.parametrize(
    ("name", "fields", "subject", "sentence"),
    [
        ("lib_sftp", {"password": "wrong"}, "export", "refused our login"),
        ("lib_folio", {"password": "wrong"}, "FOLIO", "cannot log in"),
        ("lib_folio", {"host": "http://127.0.0.1:9"}, "FOLIO", "cannot be reached"),
        ("smtp_default", {"host": "127.0.0.1", "port": 9}, "mail", "does not answer"),
    ],
)
def test_one_thing_is_wrong(place, name, fields, subject, sentence):
    """That check fails with advice, the others pass, and no password is printed."""
    right = json.loads(os.environ[f"AIRFLOW_CONN_{name.upper()}"])
    place.connect(name, **(right | fields))
    checks = place.examined()
    assert [each for each, check in checks.items() if check.state != "passed"] == [subject]
    text = " ".join(checks[subject].sentences)
    assert sentence in text
    assert "secret" not in text
    assert "clear this task" not in text


def test_a_host_key_that_changed(place):
    """Another machine may be posing as the server; the check says how to find out."""
    place.connect(
        "lib_sftp",
        conn_type="sftp",
        host=place.sftp.host,
        port=place.sftp.port,
        login="lib",
        password=PASSWORD,
        extra={"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"},
    )
    assert "different host key" in " ".join(place.examined()["export"].sentences)


def test_missing_permissions_are_listed_together(place):
    """One request to FOLIO's administrator is enough."""
    place.tenant.forbidden |= {"user-import.post", "usergroups.collection.get", "users.collection.get"}
    (sentence,) = place.examined()["FOLIO"].sentences
    assert all(path in sentence for path in ("/user-import", "/groups", "/users"))


def test_a_patron_group_that_folio_does_not_have(place, project):
    """A lookup that leads to it would cost every patron with that code."""
    text = (project / "include/mappings/folio/flat_patrons.yaml").read_text()
    (place.folder / "include" / "mappings").unlink()
    (place.folder / "include" / "mappings" / "folio").mkdir(parents=True)
    broken = text.replace("Student: undergrad", "Student: undergraduates")
    assert broken != text
    (place.folder / "include/mappings/folio/flat_patrons.yaml").write_text(broken)
    (sentence,) = place.examined()["FOLIO"].sentences
    assert "undergraduates" in sentence


def test_a_missing_connection_is_named(place, monkeypatch):
    """With the places where it can be added."""
    monkeypatch.delenv("AIRFLOW_CONN_LIB_FOLIO")
    (sentence,) = place.examined()["FOLIO"].sentences
    assert "No Airflow connection is called 'lib_folio'" in sentence


def test_artifacts_that_cannot_be_written(place, monkeypatch):
    """The folder is named."""
    (place.folder / "file").write_text("")
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{place.folder / 'file'}")
    assert place.examined()["artifacts"].state == "failed"


def test_infiniti_is_asked_with_an_empty_file(place):
    """It cannot be queried; a file without patrons shows whether the login works, and changes nothing."""
    with InfinitiServer() as infiniti:
        place.connect("lib_infiniti", conn_type="http", host=infiniti.url, login="autoimport", password="Import-pass-1")
        place.write("infiniti/school_patrons", type="infiniti", connection="lib_infiniti")
        assert place.examined()["Infiniti"].state == "passed"
        assert infiniti.school.users == {}
        place.connect("lib_infiniti", conn_type="http", host=infiniti.url, login="autoimport", password="other")
        failed = place.examined()["Infiniti"]
        assert failed.state == "failed"
        assert "Unauthorised" in failed.sentences[0]


def test_an_unknown_tenant_lists_the_known_ones(place, capsys):
    """For doctor, check and preview alike."""
    for command in (["doctor", "lab"], ["check", "lab"], ["preview", "--tenant", "lab", "--export", "x", "--out", "y"]):
        assert main(command) == 1
        assert "No tenant is called 'lab'. Did you mean 'lib'? There are: lib." in capsys.readouterr().err


def test_the_day_of_the_file_is_the_library_s(place):
    """As in a load."""
    place.write(path="outgoing/patrons_{date:%Y%m%d}.csv")
    day = datetime.now(ZoneInfo("America/Chicago")).date()
    place.deliver(f"patrons_{day:%Y%m%d}.csv")
    found = place.examined()["export"].state
    assert found == "passed" or day < datetime.now(ZoneInfo("America/Chicago")).date(), "unless midnight has passed"


def test_links_webhook_and_slack(place):
    """Each that the tenant file names is examined; nothing is posted anywhere."""
    assert not {"signed links", "webhook", "Slack"} & set(place.examined())
    named = {"on_failure": ["oncall@lib.example"], "webhook": "hook", "slack": "slack"}
    place.write(more={"links": {}, "notify": named})
    place.connect("patronload_links", conn_type="generic", password="k" * 48)
    place.connect("hook", conn_type="http", host="https://hooks.example")
    place.connect("slack", conn_type="slackwebhook", password="T0/B0/x")
    found = place.examined()
    assert [found[name].state for name in ("signed links", "webhook", "Slack")] == ["passed"] * 3
    place.connect("patronload_links", conn_type="generic", password="short")
    place.connect("hook", conn_type="http")
    place.connect("slack", conn_type="slackwebhook")
    found = place.examined()
    told = {name: found[name].sentences[0] for name in ("signed links", "webhook", "Slack")}
    assert [found[name].state for name in told] == ["failed"] * 3
    assert "has fewer than 32 characters" in told["signed links"]
    assert "names no host" in told["webhook"]
    assert "has no password" in told["Slack"]
