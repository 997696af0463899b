"""What purging asks of a folder and of a bucket, and what killed processes leave there."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patronload.artifacts import purging
from patronload.artifacts import run as runs
from patronload.artifacts.bucket_store import BucketStore
from patronload.artifacts.folder_store import FolderStore
from patronload.config.tenants import Keep

KEEP = Keep(patrons="30 days", reports="400 days")
RUNS = ("manual__1", "manual__2", ".manual__3")


def nobody(_tenant: str, _run_id: str) -> bool:
    return False


@pytest.fixture
def written(root: str) -> list[runs.Run]:
    """Runs with patrons, reports and chunks, and a file that they share, in a folder and in a bucket."""
    made = [runs.open_run("ashford", run_id) for run_id in RUNS]
    for run in made:
        for name in ("report.json", "export.csv", "export.json", "chunks/0001.json.zst", "chunks/0002.json.zst"):
            run.write(name, b"{}")
    made[0].shared.write("ledger.json", b"{}")
    return made


def clock(written: list[runs.Run]) -> datetime:
    """The time by the clock of whoever keeps the runs: a bucket may have another one than the tests."""
    moment = written[-1].written_at("chunks/0002.json.zst")
    assert moment is not None
    return moment.astimezone(UTC)


def test_young_runs_are_not_looked_into(written, monkeypatch):
    """Their files are listed together: a bucket with 1,000 libraries would be asked 400,000 times each night."""
    asked, now = [], clock(written)
    monkeypatch.setattr(BucketStore, "entries", lambda _, name="": asked.append(name) or [])
    if not isinstance(runs.store_of(written[0].folder.parent), BucketStore):
        pytest.skip("a folder costs nothing to list")
    assert purging.purge("ashford", KEEP, now, nobody) == (0, 0)
    assert asked == []


@pytest.mark.parametrize(("days", "gone", "left"), [(29, (0, 0), 3), (31, (3, 0), 3), (401, (0, 3), 0)])
def test_both_are_purged_alike(written, days, gone, left):
    """First the patrons of each run, then the run; what they share stays."""
    now = clock(written) + timedelta(days=days)
    assert purging.purge("ashford", KEEP, now, nobody) == gone
    assert len(runs.all_runs("ashford")) == left
    assert all(run.has("export.csv") is (days < 30) for run in written)
    assert runs.open_run("ashford", "manual__1").shared.has("ledger.json")
    assert purging.purge("ashford", KEEP, now, nobody) == (0, 0)


def test_a_tenant_without_runs(root):
    """Nothing is there, and nothing is wrong."""
    assert purging.purge("bexley", KEEP, datetime.now(UTC), nobody) == (0, 0)


def test_what_a_killed_process_had_begun_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It holds patrons and has no name that anything would read: it goes after a day, wherever it is."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{tmp_path}")
    run = runs.open_run("ashford", "manual__1")
    run.write("report.json", b"{}")
    writing = [run.writing("export.csv"), run.writing("chunks/0001.json.zst"), run.shared.writing("ledger.json")]
    for each in writing:
        each.__enter__().write(b"a patron")
    hidden = [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert len(hidden) == 3
    now = datetime.now(UTC)
    assert purging.remove_unfinished(now) == 0
    for path in hidden[:2]:
        os.utime(path, ((now - timedelta(days=1.1)).timestamp(),) * 2)
    assert purging.remove_unfinished(now) == 2
    assert [path for path in hidden if path.exists()] == hidden[2:]
    assert run.has("report.json")


def test_a_new_name_is_given_only_once(tmp_path: Path):
    """What `create` leaves when it is killed goes the same way: its file has the same ending meanwhile."""
    seen = []
    store = FolderStore(tmp_path)
    link = Path.hardlink_to

    def look(self: Path, target: str) -> None:
        seen.extend(path.name for path in tmp_path.iterdir())
        link(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "hardlink_to", look)
        assert store.create("lease.json", b"{}")
    assert len(seen) == 1
    assert seen[0].endswith(".unfinished")
    assert [path.name for path in tmp_path.iterdir()] == ["lease.json"]
