"""Where tenants, mappings and run artifacts are."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def include() -> Path:
    """The folder with all configuration: $PATRONLOAD_INCLUDE, or the project's own include/."""
    return Path(os.environ.get("PATRONLOAD_INCLUDE") or PROJECT / "include")


def tenants() -> Path:
    """The folder with one file per tenant."""
    return include() / "tenants"


def mappings() -> Path:
    """The folder with the mapping files, one subfolder per target."""
    return include() / "mappings"


def schemas() -> Path:
    """The folder with the JSON Schemas for editors."""
    return include() / "schemas"


def templates() -> Path:
    """The templates of mails and pages: those in $PATRONLOAD_INCLUDE if it has any, otherwise the project's own."""
    own = include() / "templates"
    return own if own.is_dir() else PROJECT / "include" / "templates"


def artifacts() -> str:
    """The root of all run artifacts, as a URL: $PATRONLOAD_ARTIFACTS, or the project's own artifacts/."""
    # Path.as_uri() would write a blank as %20, which ObjectStoragePath would use literally.
    return os.environ.get("PATRONLOAD_ARTIFACTS") or f"file://{PROJECT / 'artifacts'}"


def artifacts_keys() -> str:
    """The Airflow connection with the keys that encrypt artifacts: $PATRONLOAD_ARTIFACTS_KEYS; empty for none."""
    return os.environ.get("PATRONLOAD_ARTIFACTS_KEYS", "")
