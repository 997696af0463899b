"""What a run leaves behind, in a folder of this machine and in a bucket of a real S3 server."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import boto3
import pytest

from patronload.artifacts import encryption
from patronload.artifacts import run as runs
from patronload.artifacts.names import SHARED
from patronload.artifacts.run import Run
from patronload.errors import ConfigError, TransientError

RUN_ID = "scheduled__2026-11-21T10:30:00+00:00"


@pytest.fixture(params=["plain", "encrypted"])
def run(root: str, request: pytest.FixtureRequest, encrypt: Callable[..., None]) -> Run:
    """A run as Airflow names it; all that holds without encryption holds with it."""
    encrypt(*[KEY] if request.param == "encrypted" else [])
    return runs.open_run("northfield", RUN_ID)


KEY, NEWER = "bmV2ZXIgdXNlIHRoaXMga2V5LCBpdCBpcyBhIHRlc3Q=", "YW5kIG5ldmVyIHVzZSB0aGlzIG9uZSwgcGxlYXNlIDo="


CONTENTS = [b"", b"\x00\xff\r\n", "é\n".encode(), bytes(range(256)) * 30_000]


@pytest.mark.parametrize("content", CONTENTS, ids=["nothing", "bytes", "accents", "7 MB"])
def test_keeps_bytes_as_they_are(run: Run, content: bytes) -> None:
    """What is read is what was written, also in a folder of the run."""
    for name in ("export.csv", "chunks/0001.json.zst"):
        run.write(name, content)
        assert run.read(name) == content
        with run.reading(name) as file:
            assert file.read() == content


def test_keeps_json_readable(run: Run) -> None:
    """A person who opens it sees names as they are, not as codes."""
    run.write_json("report.json", {"library": "Leabharlann Naomh Clár", "rows": 3})
    assert run.read_json("report.json") == {"library": "Leabharlann Naomh Clár", "rows": 3}
    assert "Leabharlann Naomh Clár" in run.read("report.json").decode()


Put = Callable[[Run, str, bytes], None]


@pytest.fixture
def put(root: str, request: pytest.FixtureRequest) -> Put:
    """Puts a file as another process does: nothing that this one remembers learns of it."""
    if root.startswith("file"):
        return lambda run, name, content: _put_here(Path(run.folder.path) / name, content)
    server = request.getfixturevalue("artifact_store")
    bucket = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )

    def put_there(run: Run, name: str, content: bytes) -> None:
        bucket_name, _, key = f"{run.folder.path}/{name}".partition("/")
        bucket.put_object(Bucket=bucket_name, Key=key, Body=content)

    return put_there


def _put_here(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_what_another_process_puts_is_seen(run: Run, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is asked for anew: a mark, its new length, another run. A chunk was sent twice otherwise."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS_ACCEPT_OLD", "1")
    run.write("export.json", b"{}")
    run.write("sent/0001.json", b"1")
    assert (run.names("sent"), run.names("results"), run.entries()) == (
        ["sent/0001.json"],
        [],
        ["export.json", "sent"],
    )
    assert [each.id for each in runs.all_runs("northfield")] == [RUN_ID]
    before = run.last_written()
    put(run, "sent/0001.json", b"1, and more")
    put(run, "sent/0002.json", b"2")
    put(run, "results/0001.json", b"{}")
    put(run, "report.json", b"{}")
    put(runs.open_run("northfield", "manual__2"), "report.json", b"{}")
    assert (run.has("sent/0002.json"), run.has("results/0001.json"), run.has("report.json")) == (True, True, True)
    assert run.read("sent/0001.json") == b"1, and more"
    assert (run.names("sent"), run.names("results")) == (["sent/0001.json", "sent/0002.json"], ["results/0001.json"])
    assert run.entries() == ["export.json", "report.json", "results", "sent"]
    assert run.last_written() >= before
    assert len(runs.all_runs("northfield")) == 2


@pytest.mark.parametrize("root", ["bucket"], indirect=True)
def test_a_folder_that_was_made_in_s3s_console_is_nothing_in_itself(root: str, put: Put) -> None:
    """Such a folder is an empty object whose name ends with a slash."""
    run = runs.open_run("northfield", RUN_ID)
    for folder in (run.root, run.shared, run):
        put(folder, "", b"")
    put(run, "sent/", b"")
    run.write("report.json", b"{}")
    run.write("sent/0001.json", b"{}")
    assert (runs.all_tenants(), [each.id for each in runs.all_runs("northfield")]) == (["northfield"], [RUN_ID])
    assert (run.entries(), run.names("sent")) == (["report.json", "sent"], ["sent/0001.json"])


def test_a_file_that_goes_while_a_folder_is_listed_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each file that is written here has another name at first."""
    run = Run(tmp_path)
    for number in (1, 2):
        run.write(f"results/000{number}.json", b"{}")
    listed = Path.iterdir

    def and_one_that_goes(folder: Path) -> Iterator[Path]:
        yield folder / ".0003.json.unfinished"
        yield from listed(folder)

    monkeypatch.setattr(Path, "iterdir", and_one_that_goes)
    assert run.names("results") == ["results/0001.json", "results/0002.json"]


def test_two_who_write_a_file_at_once_do_not_meet(run: Run) -> None:
    """A task that Airflow has begun again while its first process lives: each file is one's or the other's, whole."""
    with run.writing("export.csv") as first:
        first.write(b"first " * 9)
        with run.writing("export.csv") as second:
            second.write(b"second")
        assert run.read("export.csv") == b"second"
    assert run.read("export.csv") == b"first " * 9
    assert run.entries() == ["export.csv"]


def test_a_file_is_written_anew(run: Run) -> None:
    """A step that runs again replaces what it left, also by something shorter."""
    run.write("report.json", b"a long report")
    run.write("report.json", b"short")
    assert run.read("report.json") == b"short"


def test_tells_what_is_there(run: Run) -> None:
    """Whether a chunk was answered decides whether it is sent again: it must be seen at once, and never imagined."""
    assert not run.has("results/0001.json")
    assert run.names("results") == []
    run.write_json("results/0002.json", {})
    run.write_json("results/0001.json", {})
    run.write_json("sent/0001.json", {})
    assert run.has("results/0001.json")
    assert not run.has("results/0003.json")
    assert run.names("results") == ["results/0001.json", "results/0002.json"]
    run.remove("results/0001.json")
    assert not run.has("results/0001.json")
    assert run.names("results") == ["results/0002.json"]


def test_removing_what_is_not_there_is_fine(run: Run) -> None:
    """A step that starts again clears what it may have left."""
    run.remove("failure.json")
    run.write("failure.json", b"{}")
    run.remove("failure.json")
    run.remove("failure.json")
    assert not run.has("failure.json")


def test_another_process_sees_the_same(root: str, run: Run) -> None:
    """Each task opens the run for itself."""
    assert not run.has("export.csv")
    other = runs.open_run("northfield", RUN_ID)
    other.write("export.csv", b"x")
    other.write("results/0001.json", b"x")
    assert run.has("export.csv")
    assert run.read("export.csv") == b"x"
    assert run.names("results") == ["results/0001.json"]


def break_off(run: Run, name: str, size: int) -> None:
    """Write some of a file and then fail, as a source does that goes away."""
    with suppress(ConnectionError), run.writing(name) as file:
        file.write(b"x" * size)
        raise ConnectionError


def test_what_breaks_off_leaves_nothing(run: Run) -> None:
    """Half a file under its full name would be taken for the whole by the next step."""
    for size in (3, 20_000_000):
        break_off(run, "export.csv", size)
        assert not run.has("export.csv")
        run.write("beside.csv", b"x")
        assert [path.name for path in run.folder.iterdir()] == ["beside.csv"]


def test_what_breaks_off_leaves_what_was_there(run: Run) -> None:
    """A second try that fails must not take the first one's file away."""
    run.write("export.csv", b"from the first try")
    break_off(run, "export.csv", 20_000_000)
    assert run.read("export.csv") == b"from the first try"


def test_reading_what_is_not_there_is_an_error(run: Run) -> None:
    """Not an empty file."""
    with pytest.raises(FileNotFoundError):
        run.read("export.csv")
    with pytest.raises(FileNotFoundError), run.reading("export.csv") as file:
        file.read()


def test_runs_and_tenants_do_not_meet(root: str) -> None:
    """Each has a folder of its own."""
    for tenant in ("northfield", "stclare"):
        for run_id in (RUN_ID, "manual__2026-11-21T10:30:00+00:00"):
            run = runs.open_run(tenant, run_id)
            assert not run.has("export.csv")
            run.write("export.csv", b"x")


def test_tells_a_person_where_it_is(root: str, run: Run) -> None:
    """In the mail and the report: below the root, by tenant and run, without a login."""
    assert run.url.endswith(f"/northfield/{RUN_ID}")
    assert run.url.startswith(root.partition("@")[0].partition("://")[0])


@pytest.mark.parametrize(
    "run_id", ["../../elsewhere", "a/b", "..", ".hidden", "a b?c#d%e", "2026-11-21T10:30:00+00:00"]
)
def test_no_run_id_leads_out_of_the_folder(root: str, run_id: str) -> None:
    """An administrator may allow any text as a run id."""
    run = runs.open_run("northfield", run_id)
    run.write("export.csv", b"x")
    assert run.read("export.csv") == b"x"
    tenant = runs.open_run("northfield", "other").folder.parent
    assert [path.name for path in tenant.iterdir()] == [run.folder.name]


def test_the_folder_of_a_run_is_a_plain_one_too(tmp_path: Path) -> None:
    """The command line keeps a preview wherever it is told to, without Airflow."""
    run = Run(tmp_path / "out")
    run.write_json("report.json", {"rows": 1})
    assert json.loads((tmp_path / "out/report.json").read_text()) == {"rows": 1}
    assert run.names("results") == []


def test_a_root_with_blanks_and_accents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project may be cloned anywhere."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{tmp_path}/Mes données #1")
    runs.open_run("northfield", RUN_ID).write("export.csv", b"x")
    assert (tmp_path / "Mes données #1/northfield" / RUN_ID / "export.csv").read_bytes() == b"x"


def test_the_default_root_is_where_the_project_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the project's own path has blanks and accents in it."""
    from patronload import settings

    project = tmp_path / "Mes projets"
    monkeypatch.delenv("PATRONLOAD_ARTIFACTS", raising=False)
    monkeypatch.setattr(settings, "PROJECT", project)
    runs.open_run("northfield", "a").write("export.csv", b"x")
    assert (project / "artifacts/northfield/a/export.csv").read_bytes() == b"x"


def test_a_file_being_written_does_not_show(tmp_path: Path) -> None:
    """Neither by name nor in the list."""
    run = Run(tmp_path / "out")
    with run.writing("results/0001.json") as file:
        file.write(b"x")
        assert not run.has("results/0001.json")
        assert run.names("results") == []
    assert run.names("results") == ["results/0001.json"]


def test_of_what_is_encrypted_nothing_can_be_read(root: str, encrypt: Callable[..., None]) -> None:
    """Whatever is written, and in whatever way: only who has the key finds a patron in it."""
    encrypt(KEY)
    run = runs.open_run("northfield", RUN_ID)
    run.write("export.csv", b"Abernathy" * 300_000)
    run.write_json("sent/0001.json", ["Abernathy"])
    assert run.create_json("_leases/x.json", ["Abernathy"])
    assert not run.create_json("_leases/x.json", ["Another"])
    names = ["export.csv", "sent/0001.json", "_leases/x.json"]
    written = [(run.folder / name).read_bytes() for name in names]
    assert all(content.startswith(encryption.MAGIC) and b"Abernathy" not in content for content in written)
    again = runs.open_run("northfield", RUN_ID)
    assert all(b"Abernathy" in again.read(name) for name in names)


def test_without_the_setting_nothing_is_encrypted(root: str, encrypt: Callable[..., None]) -> None:
    """Byte for byte as before."""
    encrypt()
    run = runs.open_run("northfield", RUN_ID)
    run.write("export.csv", b"Abernathy")
    assert (run.folder / "export.csv").read_bytes() == b"Abernathy"


def test_a_key_is_changed_for_a_newer_one(
    root: str, encrypt: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before encryption, by the old key, by the new one: all are read, and the new one is what writes."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS_ACCEPT_OLD", "1")
    encrypt()
    runs.open_run("northfield", RUN_ID).write("export.csv", b"plain")
    encrypt(KEY)
    runs.open_run("northfield", RUN_ID).write("rows.json", b"old")
    encrypt(NEWER, KEY)
    run = runs.open_run("northfield", RUN_ID)
    run.write("plan.json", b"new")
    assert [run.read(name) for name in ("export.csv", "rows.json", "plan.json")] == [b"plain", b"old", b"new"]
    encrypt(NEWER)
    assert runs.open_run("northfield", RUN_ID).read("plan.json") == b"new"


def test_without_the_right_key_the_file_is_named(root: str, encrypt: Callable[..., None]) -> None:
    """Another key, or none any more; the message says which file, and what to do."""
    encrypt(KEY)
    runs.open_run("northfield", RUN_ID).write("export.csv", b"Abernathy")
    for keys, told in (([NEWER], "Add the key that encrypted it"), ([], "Set PATRONLOAD_ARTIFACTS_KEYS to the")):
        encrypt(*keys)
        run = runs.open_run("northfield", RUN_ID)
        assert run.has("export.csv")
        with pytest.raises(ConfigError, match=told) as error:
            run.read("export.csv")
        assert f"{run.url}/export.csv" in str(error.value)
        with pytest.raises(ConfigError, match=told), run.reading("export.csv"):
            pass


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([" "], "There is no key in the password of the Airflow connection 'artifacts_keys'."),
        ([KEY, "s3cret"], "Key 2 of 2 in the password of the Airflow connection 'artifacts_keys' is not a Fernet key"),
        ([KEY[:-2]], "Key 1 of 1 "),
    ],
)
def test_what_is_no_key_is_told_before_anything_is_written(
    root: str, encrypt: Callable[..., None], keys: list[str], told: str
) -> None:
    """Nothing is written unencrypted because a key is misspelt, and the key itself is not shown."""
    encrypt(*keys)
    run = runs.open_run("northfield", RUN_ID)
    with pytest.raises(ConfigError) as error:
        run.write("export.csv", b"Abernathy")
    assert told in str(error.value)
    assert "s3cret" not in str(error.value)
    assert KEY[:20] not in str(error.value)
    assert not run.has("export.csv")


def test_a_key_in_the_place_of_its_connection_is_not_shown(
    root: str, encrypt: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever misreads the setting must not find the key in a log."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS_KEYS", KEY)
    with pytest.raises(ConfigError, match="is not the name of an Airflow connection") as error:
        runs.open_run("northfield", RUN_ID).write("export.csv", b"x")
    assert KEY not in str(error.value)
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS_KEYS", "nobody")
    with pytest.raises(ConfigError, match="No Airflow connection is called 'nobody'"):
        runs.open_run("northfield", RUN_ID).write("export.csv", b"x")


def test_a_bucket_that_does_not_answer_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of it; no task takes its silence for a file that is not there."""
    from airflow.sdk.io import store

    extra = {
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1},
    }
    fields = {"conn_type": "aws", "login": "x", "password": "y", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTS", json.dumps(fields))
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", "s3://artifacts@patronload/down")
    run = runs.open_run("northfield", RUN_ID)
    for ask in (
        lambda: run.has("export.csv"),
        lambda: run.read("export.csv"),
        lambda: run.write("export.csv", b"x"),
        lambda: run.create_json("lease.json", {}),
        lambda: run.names("results"),
        run.entries,
        run.others,
        lambda: runs.all_runs("northfield"),
    ):
        with pytest.raises(TransientError, match=r"The artifacts in s3://patronload cannot be reached \(\w+\)\."):
            ask()


HOSTILE_IDS = [
    *("manual__X", ".manual__X", "..manual__X", "%2Emanual__X", "run", ".", ".history", "ledger.parquet"),
    *("ledger.json", "ledger-secret.json", "%6Cedger.json", "ledger.json.", "_leases"),
]


def test_no_two_run_ids_have_the_same_folder(root: str) -> None:
    """Whoever may start a load chooses its id. It must lead neither to another run nor to what all runs share."""
    folders = [runs.open_run("northfield", run_id) for run_id in HOSTILE_IDS]
    assert [run.id for run in folders] == HOSTILE_IDS
    names = [run.folder.name for run in folders]
    assert len(set(names)) == len(HOSTILE_IDS)
    assert not any(name in SHARED or name.startswith(".") for name in names)
    for run in folders:
        run.write("report.json", run.id.encode())
    assert {run.id: run.read("report.json").decode() for run in runs.all_runs("northfield")} == dict(
        zip(HOSTILE_IDS, HOSTILE_IDS, strict=True)
    )


def test_the_folders_of_earlier_runs_are_found(root: str) -> None:
    """An id as Airflow makes it is its folder's name."""
    for run_id in (RUN_ID, "manual__2026-11-21T10:30:00.123456+00:00", "backfill__x~1", "a b?c#d%e"):
        assert runs.open_run("northfield", run_id).folder.name == quote(run_id, safe="~:+")


def test_a_folder_with_the_name_of_a_file_does_not_count_as_the_file(tmp_path: Path) -> None:
    """An earlier version could make one beside the runs, and every later load of the library failed."""
    run = Run(tmp_path / "northfield")
    (tmp_path / "northfield/ledger.json").mkdir(parents=True)
    run.remove("ledger.json")
    assert not run.has("ledger.json")


def test_with_keys_a_plain_file_is_refused(
    root: str, put: Put, encrypt: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the folder could otherwise give a run other patrons; older files need a switch."""
    encrypt(KEY)
    run = runs.open_run("northfield", RUN_ID)
    put(run, "plan.json", b"{}")
    with pytest.raises(ConfigError, match=r"plan\.json is not encrypted, although there are keys"):
        run.read("plan.json")
    with pytest.raises(ConfigError, match="PATRONLOAD_ARTIFACTS_ACCEPT_OLD"), run.reading("plan.json"):
        pass
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS_ACCEPT_OLD", "1")
    assert run.read("plan.json") == b"{}"


def test_an_encrypted_file_is_refused_in_another_place(root: str, put: Put, encrypt: Callable[..., None]) -> None:
    """Another run, another library, another name; the whole root may move."""
    encrypt(KEY)
    run, other, library = (
        runs.open_run(tenant, run_id)
        for tenant, run_id in (("northfield", RUN_ID), ("northfield", "manual__2"), ("stclare", RUN_ID))
    )
    run.write("patrons.parquet", b"Abernathy")
    content = (run.folder / "patrons.parquet").read_bytes()
    for to, name in ((other, "patrons.parquet"), (library, "patrons.parquet"), (run, "planned.parquet")):
        put(to, name, content)
        with pytest.raises(ConfigError, match="belongs to another tenant, run or file name"):
            to.read(name)
    assert run.read("patrons.parquet") == b"Abernathy"


@pytest.mark.parametrize("written", ["file:{}", "FILE://{}", " {}", "file://{}/."])
def test_an_encrypted_file_is_bound_to_its_library_however_the_root_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypt: Callable[..., None], written: str
) -> None:
    """A run of another library has the same id every night."""
    encrypt(KEY)
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", written.format(tmp_path))
    run, library = (runs.open_run(tenant, RUN_ID) for tenant in ("northfield", "stclare"))
    run.write("patrons.parquet", b"Abernathy")
    library.write("patrons.parquet", b"Baker")
    shutil.copy(tmp_path / "northfield" / run.folder.name / "patrons.parquet", library.folder.path)
    with pytest.raises(ConfigError, match="belongs to another tenant, run or file name"):
        library.read("patrons.parquet")


@pytest.mark.parametrize("root", ["bucket"], indirect=True)
def test_a_write_that_is_killed_leaves_no_file_on_this_machine(root: str, tmp_path: Path, monkeypatch) -> None:
    """What goes to a bucket waits in a file without a name, which is gone with the process."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with runs.open_run("northfield", RUN_ID).writing("export.csv") as file:
        file.write(b"Abernathy" * 100_000)
        assert list(tmp_path.iterdir()) == []
