"""The runbook, held against what really goes wrong: each error is made, and looked up as somebody on call would."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from patronload.artifacts import purging, run
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.errors import PatronloadError
from patronload.loads import approval
from patronload.loads.load import Load
from patronload.reporting import smtp
from sandbox.folio import FolioServer, FolioTenant
from tests import stages
from tests.documentation.pages import FAILURES, parts, quoted, section, table

HEADER = "externalSystemId,username,barcode,patronGroup,lastName,firstName,email,phone,expirationDate\n"
ROW = "u-1,ann,001,Student,Adams,Ann,,,\n"
BAD = "u-2,bob,002,Nobody,Baker,Bob,,,\n"

KEY, OTHER_KEY = "bmV2ZXIgdXNlIHRoaXMga2V5LCBpdCBpcyBhIHRlc3Q=", "YW5kIG5ldmVyIHVzZSB0aGlzIG9uZSwgcGxlYXNlIDo="

Make = Callable[..., Load]


@pytest.fixture(scope="module")
def folio():
    with FolioServer([FolioTenant("main", "loader", "secret-of-folio")]) as server:
        yield server


@pytest.fixture
def make(project: Path, tmp_path: Path, folio: FolioServer, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A load of one library: its export's bytes, and what its tenant file has differently."""
    shutil.copytree(project / "include" / "mappings", tmp_path / "include" / "mappings")
    (tmp_path / "include" / "tenants").mkdir()
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    connect(monkeypatch, folio.url)

    def made(export: bytes | str | None = HEADER + ROW, source_path: str | None = None, **changes: Any) -> Load:
        plain: dict[str, Any] = {
            "tenant": "lib",
            "library": "A Library",
            "mapping": "folio/flat_patrons",
            "timezone": "Europe/Dublin",
            "source": {"type": "folder", "path": f"{tmp_path}/exports/patrons.csv", "quiet_seconds": 0},
            "target": {"type": "folio", "connection": "lib_folio", "folio_tenant": "main"},
            "limits": {},
            "notify": {"on_failure": ["oncall@lib.example"]},
        }
        written = changes | {
            name: value | changes.get(name, {}) if isinstance(value, dict) else value for name, value in plain.items()
        }
        (tmp_path / "include" / "tenants" / "lib.yaml").write_text(yaml.safe_dump(written))
        if export is not None:
            (tmp_path / "exports").mkdir(exist_ok=True)
            content = export if isinstance(export, bytes) else export.encode()
            (tmp_path / "exports" / "patrons.csv").write_bytes(content)
        return Load(
            tenants.load("lib"),
            Run(tmp_path / "artifacts" / "lib" / "run"),
            "run",
            date(2026, 11, 24),
            source_path=source_path,
        )

    return made


def connect(monkeypatch: pytest.MonkeyPatch, url: str, password: str = "secret-of-folio") -> None:
    told = {"conn_type": "http", "host": url, "login": "loader", "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_LIB_FOLIO", json.dumps(told))


def error_in(load: Load) -> tuple[str, str]:
    """The step that fails, and its sentence."""
    for step in (
        stages.fetch,
        stages.validate,
        stages.transform,
        stages.plan,
        stages.post,
        stages.report,
        stages.notify,
    ):
        try:
            step(load)
        except PatronloadError as error:
            return step.__name__, str(error)
    pytest.fail("nothing went wrong")


def entries(heading: str) -> list[str]:
    """The messages of a part of the runbook."""
    return [quoted(cells[0])[0] for cells in table(section(FAILURES, heading)) if cells[0].startswith("`")]


def found(step: str, message: str) -> bool:
    """Whether whoever looks for the red task, and there for the message, finds it."""
    return any(parts(entry) and all(part in message for part in parts(entry)) for entry in entries(f"## {step}"))


@pytest.mark.parametrize(
    ("step", "options"),
    [
        pytest.param("fetch", {"export": None}, id="no such folder"),
        pytest.param("fetch", {"source": {"path": "{tmp}/exports/other.csv"}}, id="no such file"),
        pytest.param("fetch", {"source": {"path": "{tmp}/exports/o*.csv"}}, id="no file that matches"),
        pytest.param("fetch", {"source": {"path": "{tmp}/exports"}}, id="a folder"),
        pytest.param("fetch", {"source_path": "/etc/passwd"}, id="another folder's file"),
        pytest.param("fetch", {"source_path": "a\nb.csv"}, id="a path with a line break"),
        pytest.param("fetch", {"source": {"path": "exports/patrons.csv"}}, id="a path from nowhere"),
        pytest.param("fetch", {"source": {"type": "sftp", "connection": "nobody"}}, id="no such connection"),
        pytest.param("validate", {"export": b"PK\x03\x04 sheet"}, id="an Excel file"),
        pytest.param("validate", {"export": b"PK\x03\x04"[:0]}, id="an empty file"),
        pytest.param("validate", {"export": HEADER.encode() + b"u-1,\xff\xfe\n"}, id="another encoding"),
        pytest.param("validate", {"export": HEADER + 'u-1,"ann,001\n'}, id="a quote that is not closed"),
        pytest.param("validate", {"export": HEADER.replace("username", "barcode") + ROW}, id="a column twice"),
        pytest.param("validate", {"export": HEADER.replace("lastName", "last") + ROW}, id="a column too few"),
        pytest.param("validate", {"limits": {"min_rows": 5}}, id="too few rows"),
        pytest.param("transform", {"export": HEADER + ROW + BAD}, id="too many rejects"),
    ],
)
def test_an_error_of_the_file(make: Make, tmp_path: Path, step: str, options: dict[str, Any]):
    """What is wrong with a file is found under the task that is red, by the words of the message."""
    source = {name: str(value).replace("{tmp}", str(tmp_path)) for name, value in options.get("source", {}).items()}
    failed, message = error_in(make(**options | {"source": source}))
    assert failed == step, message
    assert found(step, message), message


def test_an_error_of_the_library_system(
    make: Make, folio: FolioServer, closed_port: int, monkeypatch: pytest.MonkeyPatch
):
    """FOLIO is down, or does not know us: under plan, or under post, which plan sends its reader to."""
    for url, password in ((f"http://127.0.0.1:{closed_port}", "x"), (folio.url, "wrong")):
        load = make()
        connect(monkeypatch, url, password)
        failed, message = error_in(load)
        assert failed == "plan"
        assert found("plan", message) or found("post", message), message


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("by", ["ann", None])
def test_an_error_of_who_is_asked(make: Make, approved: bool, by: str | None):
    """A no, no answer, and a yes without a reason."""
    load = make(limits={"min_rows": 5}, approval={"ask": ["head@lib.example"]})
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
        step(load)
    turn = approval.Turn(3, None)
    stages.approve(load, turn)
    with pytest.raises(PatronloadError) as said:
        stages.approve(load, turn, approval.Answer(approved and by is not None, by, datetime.now(UTC), None))
    assert found("approve", str(said.value)), said.value


def test_an_error_of_the_mail_server(make: Make, closed_port: int, monkeypatch: pytest.MonkeyPatch):
    """There is no connection, or nobody answers."""
    load = make(notify={"always": ["systems@lib.example"]})
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    for told in (None, {"conn_type": "smtp", "host": "127.0.0.1", "port": closed_port}):
        if told:
            extra = {
                "disable_tls": True,
                "disable_ssl": True,
                "from_email": "a@b.example",
                "retry_limit": 0,
                "timeout": 2,
            }
            monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(told | {"extra": extra}))
            monkeypatch.setattr(smtp.send, "__defaults__", ((),))
        failed, message = error_in(load)
        assert failed == "notify"
        assert found("notify", message), message


@pytest.mark.parametrize("keys", ["", "no-key", OTHER_KEY, None], ids=["none", "no key", "another", "not set"])
def test_an_error_of_the_keys(make: Make, encrypt: Callable[..., None], keys: str | None):
    """The artifacts cannot be encrypted, or not be decrypted any more."""
    load = make()
    encrypt(KEY)
    stages.fetch(load)
    encrypt(*[f" {keys}"] if keys is not None else [])
    with pytest.raises(PatronloadError) as told:
        stages.validate(load._replace(run=Run(load.run.folder)))
    assert found("Any task", str(told.value)), told.value


def test_an_error_of_any_task(make: Make, monkeypatch: pytest.MonkeyPatch):
    """A purged run, and an unexpected error."""
    load = make()
    load.run.write_json(run.PURGED, {"purged": datetime.now(UTC).isoformat()})
    with pytest.raises(PatronloadError) as over:
        purging.check(load.run)
    assert found("Any task", str(over.value))
    monkeypatch.setattr("patronload.sources.fetch", lambda *_: 1 / 0)
    failed, message = error_in(load)
    assert failed == "fetch"
    assert found("Any task", message), message
