"""The first hour: what the README and "Add a library" tell a newcomer to do works, in their order, against servers."""

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from local import up
from patronload import __main__ as command_line
from patronload.artifacts import run as runs
from patronload.config import tenants
from patronload.loads.load import Load
from sandbox import connections
from sandbox.everything import OWN, Sandbox
from sandbox.folio import FolioServer, FolioTenant
from sandbox.sftp import SftpAccount, SftpServer
from sandbox.smtp import MailServer
from tests import stages
from tests.documentation.conftest import files_of_the_pages
from tests.documentation.pages import blocks, page, put

EXPORT = "docs/examples/patron_template.csv"


@pytest.fixture
def place(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's folders that the commands use."""
    (tmp_path / "docs").mkdir()
    shutil.copytree(project / "docs" / "examples", tmp_path / "docs" / "examples")
    shutil.copytree(project / "include", tmp_path / "include")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", (tmp_path / "artifacts").as_uri())
    return tmp_path


def load_of(name: str) -> Load:
    """A load by hand, as Trigger starts it."""
    tenant = tenants.load(name)
    now = datetime.now(tenant.zone)
    return Load(tenant, runs.open_run(name, "manual__1"), "manual__1", now.date())


def load_all(load: Load) -> dict[str, object]:
    """All stages; what report counts."""
    for stage in (
        stages.fetch,
        stages.validate,
        stages.transform,
        stages.plan,
        *([] if load.dry_run else [stages.post]),
    ):
        stage(load)
    return dict(stages.report(load))


def commands(name: str) -> list[list[str]]:
    """The words of every `patronload` command of a page, in their order."""
    lines = [line for block in blocks(name) if block.language == "sh" for line in block.text.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(".venv/bin/patronload ")]


def test_from_a_draft_to_a_load_in_the_sandbox(place: Path, monkeypatch: pytest.MonkeyPatch):
    """The names that draft writes are those of the sandbox's account; the file lies where the README puts it."""
    for words in commands("README.md")[:3]:
        assert command_line.main(words) == 0
    (copied,) = [
        line for block in blocks("README.md") for line in block.text.splitlines() if line.startswith("cp docs/ex")
    ]
    _, source, target = copied.split(maxsplit=2)
    with Sandbox(place / ".local/up/sandbox", s3=False) as sandbox:
        for name, value in connections(sandbox.description).items():
            monkeypatch.setenv(name, value)
        named = target.replace("$(date -u +%Y%m%d)", f"{datetime.now(UTC):%Y%m%d}")
        assert Path(named).parent.resolve() == sandbox.sftp.folder(OWN.tenant).resolve()
        shutil.copy(source, named)
        _age(Path(named))
        counts = load_all(load_of(OWN.tenant))
        assert (counts["outcome"], counts["created"]) == ("loaded", 2)
        assert len(sandbox.folio.store(OWN.folio_tenant).users) == 2


def test_the_ports_that_the_readme_names_are_those_of_make_up():
    """An SFTP program needs the port."""
    assert f"port {up.PORTS['sftp']}," in page("README.md")


KEPT = {
    "source": ("type", "connection", "path", "delimiter"),
    "target": ("type", "connection", "folio_tenant", "source_type"),
}
"""What a first tenant file takes of the page's complete one, which shows every key."""


@pytest.fixture
def elmwood(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolioServer]:
    """Elmwood's servers, files and connections; the export of today is on the SFTP server."""
    shown = files_of_the_pages()
    put(place / "include/mappings/folio/elmwood_patrons.yaml", shown["mappings/folio/elmwood_patrons.yaml"])
    complete = yaml.safe_load(shown["tenants/elmwood.yaml"])
    parts = {part: {key: complete[part][key] for key in keys} for part, keys in KEPT.items()}
    parts |= {"limits": {"max_rejects": "60%"}, "notify": {"on_failure": complete["notify"]["on_failure"]}}
    first = {key: complete[key] for key in ("tenant", "library", "mapping", "timezone")} | parts
    put(place / "include/tenants/elmwood.yaml", yaml.safe_dump(first))
    account = FolioTenant(first["target"]["folio_tenant"], "patronload", "secret-of-folio")
    with (
        SftpServer(place / "sftp", [SftpAccount("patrons", password="secret-of-the-export")]) as sftp,
        FolioServer([account]) as folio,
        MailServer(place / "mail", page=False) as mail,
    ):
        servers = {"sftp": (sftp, "ELMWOOD_SFTP"), "http": (folio, "ELMWOOD_FOLIO"), "smtp": (mail, "SMTP_DEFAULT")}
        for block in blocks("docs/add-a-library.md"):
            kind = block.note.removeprefix("connection: ")
            if block.language == "json" and kind in servers:
                _connect(monkeypatch, kind, json.loads(block.text), *servers.pop(kind))
        file = sftp.folder("patrons") / "exports" / f"elmwood_patrons_{datetime.now(DUBLIN):%Y%m%d}.csv"
        put(file, page("docs/examples/elmwood_patrons.csv"))
        _age(file)
        yield folio


DUBLIN = ZoneInfo("Europe/Dublin")


def _connect(monkeypatch: pytest.MonkeyPatch, kind: str, shown: dict[str, Any], server: Any, name: str) -> None:
    """The first connection of its kind on the page, with the address and the secrets of a server of this test."""
    extra = shown.get("extra", {})
    if kind == "sftp":
        given = {"host": server.host, "port": server.port, "password": "secret-of-the-export"}
        extra |= {"host_key": server.host_key, "look_for_keys": "false"}
    elif kind == "http":
        given = {"host": server.url, "password": "secret-of-folio"}
    else:
        given = {"host": server.host, "port": server.port, "login": None, "password": None}
        extra |= {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(shown | given | {"extra": extra}))


def _age(file: Path) -> None:
    """So that no test waits for the file to be quiet."""
    written = (datetime.now(UTC) - timedelta(minutes=10)).timestamp()
    os.utime(file, (written, written))


def test_the_commands_of_add_a_library_in_their_order(elmwood: FolioServer, capsys: pytest.CaptureFixture[str]):
    """Check and doctor as the page has them, then its dry run, which changes nothing, and its first load."""
    wanted = commands("docs/add-a-library.md")
    assert [words[0] for words in wanted] == ["check", "doctor"]
    for words in wanted:
        assert command_line.main(words) == 0, capsys.readouterr().out
    load = load_of("elmwood")
    dry = load_all(load._replace(dry_run=True))
    (store,) = elmwood.stores.values()
    assert (dry["outcome"], len(store.users)) == ("dry_run", 0)
    counts = load_all(load._replace(run_id="manual__2", run=runs.open_run("elmwood", "manual__2")))
    assert (counts["outcome"], counts["rows"]) == ("loaded_with_rejects", 6)
    assert len(store.users) == counts["created"] == 3
