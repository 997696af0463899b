"""Where tenants, mappings and run artifacts are."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def deployment() -> Path:
    """The folder with the dags/, plugins/ and include/ that come with Patronload: the project, or in the package."""
    installed = Path(__file__).parent / "deployment"
    return installed if installed.is_dir() else PROJECT


def _home() -> Path:
    """Where include/ and artifacts/ are: the project, or for an installed package the current folder."""
    return PROJECT if deployment() == PROJECT else Path.cwd()


def include() -> Path:
    """The folder with all configuration: $PATRONLOAD_INCLUDE, or include/ of the project or the current folder."""
    return Path(os.environ.get("PATRONLOAD_INCLUDE") or _home() / "include")


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
    """The templates of mails and pages: those in $PATRONLOAD_INCLUDE if it has any, otherwise those shipped."""
    own = include() / "templates"
    return own if own.is_dir() else shipped_templates()


def shipped_templates() -> Path:
    """The templates that come with Patronload."""
    return deployment() / "include" / "templates"


def artifacts() -> str:
    """The root of all run artifacts, as a URL: $PATRONLOAD_ARTIFACTS, or artifacts/ beside include/."""
    # Path.as_uri() would write a blank as %20, which ObjectStoragePath would use literally.
    return os.environ.get("PATRONLOAD_ARTIFACTS") or f"file://{_home() / 'artifacts'}"


def artifacts_keys() -> str:
    """The Airflow connection with the keys that encrypt artifacts: $PATRONLOAD_ARTIFACTS_KEYS; empty for none."""
    return os.environ.get("PATRONLOAD_ARTIFACTS_KEYS", "")


def accepts_old_artifacts() -> bool:
    """Whether artifacts from before the keys are read: $PATRONLOAD_ARTIFACTS_ACCEPT_OLD is 1."""
    return os.environ.get("PATRONLOAD_ARTIFACTS_ACCEPT_OLD", "") == "1"
