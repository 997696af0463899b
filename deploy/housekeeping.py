"""
Once a day delete what is old from Airflow's database, from Celery's, and from the folder of task logs.

The service `housekeeping` of docker-compose.yaml runs it; on Kubernetes the chart's own clean-up does the first part.
It does not touch the artifacts: the DAG patron_loads_purge deletes what is old there.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

DAY = timedelta(days=1)
CELERY_DAYS = 7
"""Airflow asks for the result of a task within seconds; nothing reads an older one."""
ALIVE = Path("/tmp/alive")  # noqa: S108  the container's own, in memory
TRY_AGAIN = timedelta(hours=1)


def main() -> None:
    """Clean up at the start and every day from then on; after a failure, every hour."""
    keep = timedelta(days=int(os.environ["KEEP_DAYS"]))
    while True:
        try:
            clean(keep)
            pause = DAY
        except Exception as error:  # noqa: BLE001  whatever it is, the next try may be better
            print(f"The clean-up failed; next try in an hour. {type(error).__name__}: {error}", file=sys.stderr)
            pause = TRY_AGAIN
        wait(pause)


def clean(keep: timedelta) -> None:
    """Delete what is older than `keep`."""
    before = datetime.now(UTC) - keep
    command = ["airflow", "db", "clean", "--clean-before-timestamp", before.isoformat(), "--skip-archive", "--yes"]
    subprocess.run(command, check=True)  # noqa: S603  nothing in it comes from outside
    results = clean_celery_results(os.environ["AIRFLOW__CELERY__RESULT_BACKEND"])
    files = clean_logs(Path(os.environ["LOGS"]), before)
    print(f"Deleted what is older than {before:%Y-%m-%d}: {results:,} results of Celery and {files:,} log files too.")


def clean_celery_results(backend: str) -> int:
    """Delete the results of Celery's tasks after a week; how many there were. `backend` is the address for Celery."""
    url = urlsplit(backend.removeprefix("db+"))
    with psycopg.connect(
        host=url.hostname,
        port=url.port or 5432,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        dbname=url.path.lstrip("/"),
    ) as connection:
        # The first worker creates the table.
        if connection.execute("SELECT to_regclass('celery_taskmeta')").fetchone() == (None,):
            return 0
        before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=CELERY_DAYS)
        return connection.execute("DELETE FROM celery_taskmeta WHERE date_done < %s", (before,)).rowcount


def clean_logs(folder: Path, before: datetime) -> int:
    """Delete the log files last written `before` then, and the folders that this empties; how many files there were."""
    old = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    return len(old)


def wait(pause: timedelta) -> None:
    """Show each minute that the process lives, for the health check."""
    end = time.monotonic() + pause.total_seconds()
    while time.monotonic() < end:
        ALIVE.touch()
        time.sleep(60)


if __name__ == "__main__":
    main()
