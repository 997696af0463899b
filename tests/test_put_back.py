"""The rejects of a load on the library's own SFTP server, where its people look for them."""

import json

import pytest
import yaml

from patronload.reporting import mails
from sandbox.sftp import SftpAccount, SftpServer


@pytest.fixture
def home(library, tmp_path, monkeypatch):
    """The folder of the library's SFTP account; its exports lie there, and its rejects come back there."""
    with SftpServer(tmp_path / "sftp", [SftpAccount("lib", password="secret")]) as server:
        connection = {
            "conn_type": "sftp",
            "host": server.host,
            "port": server.port,
            "login": "lib",
            "password": "secret",
        }
        extra = {"host_key": server.host_key, "look_for_keys": "false"}
        monkeypatch.setenv("AIRFLOW_CONN_LIB_SFTP", json.dumps(connection | {"extra": extra}))
        path = library.folder / "include/tenants/lib.yaml"
        tenant = yaml.safe_load(path.read_text())
        tenant["source"] = {
            "type": "sftp",
            "connection": "lib_sftp",
            "path": "outgoing/patrons.csv",
            "quiet_seconds": 0,
        }
        tenant["rejects"] = {"to": "outgoing/rejects/"}
        path.write_text(yaml.safe_dump(tenant))
        (server.folder("lib") / "outgoing").mkdir()
        yield server.folder("lib")


def deliver(library, home, **cells):
    library.deliver([1], cells=cells, name="wrong.csv")
    library.deliver([2, 3])
    wrong = (library.folder / "exports/wrong.csv").read_text().splitlines()[1:] if cells else []
    text = (library.folder / "exports/patrons.csv").read_text().rstrip("\n")
    (home / "outgoing/patrons.csv").write_text("\n".join([text, *wrong]) + "\n")


def test_the_rejects_are_put_into_the_librarys_folder_and_the_mail_says_where(library, home):
    """As a workbook and as CSV, by library and day."""
    deliver(library, home, patronGroup="Oops")
    made = library.loaded("run")
    names = ["lib_2026-11-20_rejects.csv", "lib_2026-11-20_rejects.xlsx"]
    assert sorted(path.name for path in (home / "outgoing/rejects").iterdir()) == names
    for name in names:
        own = library.load("run").run.read(name.removeprefix("lib_2026-11-20_"))
        assert (home / "outgoing/rejects" / name).read_bytes() == own
    assert sorted(made.put_back) == [f"outgoing/rejects/{name}" for name in names]
    mail = mails.result_mail(library.load("run").tenant, made)
    assert "outgoing/rejects/lib_2026-11-20_rejects.xlsx" in " ".join(mail.text.split())


def test_without_rejects_and_in_a_dry_run_nothing_is_put_there(library, home):
    """An empty file would only make people look."""
    deliver(library, home)
    assert library.loaded("good").put_back == ()
    deliver(library, home, patronGroup="Oops")
    assert library.loaded("trial", dry_run=True).put_back == ()
    assert not (home / "outgoing/rejects").exists()


def test_if_they_cannot_be_put_there_the_load_is_as_good_and_the_report_says_why(library, home):
    """The folder is a file, say."""
    (home / "outgoing/rejects").write_text("")
    deliver(library, home, patronGroup="Oops")
    made = library.loaded("run")
    assert (made.outcome, made.loaded) == ("loaded_with_rejects", 2)
    assert [warning for warning in made.warnings if "could not be put into outgoing/rejects/" in warning]
