"""What is taken away when it is old, and what never is."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patronload.artifacts import names, purging
from patronload.artifacts.run import Run
from patronload.config.tenants import Keep
from patronload.errors import ConfigError

NOW = datetime(2026, 11, 24, 1, 20, tzinfo=UTC)
KEEP = Keep(patrons="30 days", reports="400 days")

PATRONS = (
    "export.csv", "rejects/validate.parquet", "rejects/transform.parquet", "rejects/plan.parquet", "patrons.parquet",
    "planned.parquet", "chunks/0001.json.zst", "sent/0001.json", "results/0001.json", "rejects.csv",
)  # fmt: skip


def nobody(_tenant: str, _run_id: str) -> bool:
    return False


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{tmp_path}")
    return tmp_path


def leave(root: Path, days: float, run_id: str = "manual__2026-01-01T01:02:03+00:00__x", *left: str) -> Path:
    """A run's folder, all of it written so many days ago."""
    folder = root / "ashford" / run_id
    for name in left or (*PATRONS, *(name for name in purging.KEPT if name != names.PURGED)):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
        moment = (NOW - timedelta(days=days)).timestamp()
        os.utime(file, (moment, moment))
    return folder


def left(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_patrons_go_first(root: Path):
    """After 30 days nothing of a patron is left; the figures are. A second time there is nothing to do."""
    old, young = leave(root, 30), leave(root, 29.9, "manual__young")
    before = left(young)
    assert purging.purge("ashford", KEEP, NOW, nobody) == (1, 0)
    assert left(old) == set(purging.KEPT)
    assert left(young) == before
    assert purging.purge("ashford", KEEP, NOW, nobody) == (0, 0)


def test_in_the_end_all_goes(root: Path):
    """After 400 days the whole folder is gone, and what is not a run's stays."""
    old = leave(root, 400)
    ledger, other = root / "ashford" / "ledger.json", root / "ashford" / "ledger" / "2020.json"
    other.parent.mkdir()
    for file in (ledger, other):
        file.write_text("{}")
        os.utime(file, (0, 0))
    assert purging.purge("ashford", KEEP, NOW, nobody) == (0, 1)
    assert not old.exists()
    assert ledger.exists()
    assert other.exists()


def test_what_nobody_named_goes_with_the_patrons(root: Path):
    """A file that a later version leaves behind may hold patrons: only what is known to hold none is kept."""
    folder = leave(root, 31, "manual__x", "report.json", "leavers.csv", "more/names.csv")
    purging.purge("ashford", KEEP, NOW, nobody)
    assert left(folder) == {"report.json", "purged.json"}


@pytest.mark.parametrize("days", [31, 500])
def test_a_run_that_is_under_way_is_left_alone(root: Path, days: int):
    """Cleared after a year, waiting, or slow: what Airflow works on is not taken from under its hands."""
    folder, asked = leave(root, days), []

    def working(tenant: str, run_id: str) -> bool:
        asked.append((tenant, run_id))
        return True

    before = left(folder)
    assert purging.purge("ashford", KEEP, NOW, working) == (0, 0)
    assert left(folder) == before
    assert asked
    assert set(asked) == {("ashford", folder.name)}


def test_a_run_goes_on_counts_as_young(root: Path):
    """The newest file of a run tells its age."""
    folder = leave(root, 100)
    os.utime(folder / "report.json", ((NOW - timedelta(days=1)).timestamp(),) * 2)
    assert purging.purge("ashford", KEEP, NOW, nobody) == (0, 0)


def test_interrupted_in_the_middle(root: Path, monkeypatch):
    """What a crash leaves is taken away the next time, and in between no task takes the run for a whole one."""
    folder = leave(root, 31)
    real, calls = Run.remove_entry, []

    def crash(run, name):
        calls.append(name)
        if len(calls) == 3:
            raise OSError("gone")
        real(run, name)

    monkeypatch.setattr(Run, "remove_entry", crash)
    with pytest.raises(OSError, match="gone"):
        purging.purge("ashford", KEEP, NOW, nobody)
    with pytest.raises(ConfigError, match="Start a new run for its day"):
        purging.check(Run(folder))
    monkeypatch.setattr(Run, "remove_entry", real)
    assert purging.purge("ashford", KEEP, NOW, nobody) == (1, 0)
    assert left(folder) == set(purging.KEPT)


def test_a_library_that_is_gone(root: Path, tmp_path: Path, monkeypatch):
    """Its patrons are not kept for ever: the usual ages go. While a file does not load, nothing is taken away."""
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    (tmp_path / "include" / "tenants").mkdir(parents=True)
    (tmp_path / "include" / "tenants" / "broken.yaml").write_text("tenant: [")
    for name in ("gone", "broken"):
        (root / name / "manual__1").mkdir(parents=True)
    assert [(name, keep) for name, keep in purging.keeps() if name != "include"] == [("gone", Keep())]
