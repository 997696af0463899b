"""What every test finds: where the project is, and where to keep what a person may want to look at."""

import os
import tempfile
from pathlib import Path

import pytest

# Whatever imports Airflow first would otherwise write a configuration into the home of who runs the tests.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="patronload-tests-"))

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's folder."""
    return PROJECT


@pytest.fixture(scope="session")
def keep() -> Path:
    """Where screenshots and logs stay after the tests; CI keeps the folder."""
    folder = Path(os.environ.get("PATRONLOAD_TEST_KEEP", PROJECT / ".local" / "tests"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
