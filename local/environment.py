"""Where the project is, what the programs we start see of our environment, and files that only we may read."""

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

UNWANTED = ("AIRFLOW", "PATRONLOAD_", "GX_")


def clean_environment() -> dict[str, str]:
    """A copy of our environment variables, fit for Airflow and the sandbox."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    # Without byte code Airflow starts three to five times slower.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    # Loopback must not be asked for at a proxy.
    kept["NO_PROXY"] = kept["no_proxy"] = "127.0.0.1,localhost"
    # Airflow starts itself by name.
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept


def write_private(path: Path, text: str) -> None:
    """Only the owner can read it, from the first moment on; it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)
