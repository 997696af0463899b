"""
The speed and memory of posting planned patrons to a FOLIO that answers at once.

`python -m benchmarks.posting URL FOLDER` posts the run in a folder, in a separate process so that its peak memory is
measured separately, and prints both.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import zstandard

from patronload import settings, targets
from patronload.artifacts.run import Run
from patronload.connections import Connection
from patronload.loads.posting import post
from patronload.systems.folio import FolioTarget

CHUNK = 250


class Measured(NamedTuple):
    """
    One load: users per second in elapsed time and in CPU time, which is more reliable on a busy machine; and the
    increase of the process's peak memory in MB.
    """

    speed: float
    speed_alone: float
    growth: float


def measure(few: int = 10_000, many: int = 100_000) -> None:
    """Print the figures for two sizes, side by side."""
    with null_folio() as url, tempfile.TemporaryDirectory() as folder:
        found = {number: _posted(url, Path(folder) / str(number), number) for number in (few, many)}
    for number, measured in found.items():
        print(
            f"  {number:8,} users {measured.speed:10,.0f} users/s elapsed, {measured.speed_alone:10,.0f} in "
            f"CPU time; peak memory +{measured.growth:.1f} MB"
        )
    size = many * len(record(0)) / 1e6
    print(f"  chunk {CHUNK}, null server on loopback; the {many:,} users are {size:.0f} MB of JSON")


@contextmanager
def null_folio() -> Iterator[str]:
    """The address of a FOLIO that does nothing, in a separate process."""
    command = [sys.executable, "-m", "benchmarks.null_folio"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, cwd=settings.PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.stdin.close()


def record(number: int) -> str:
    """A complete record of a fictional patron, as plan writes it."""
    user: dict[str, Any] = {
        "externalSystemId": f"{number:08}", "username": f"patron{number}", "barcode": f"2{number:07}", "active": True,
        "type": "patron", "patronGroup": "undergrad", "expirationDate": "2099-09-01T04:59:59.000+00:00",
        "departments": ["Physics", "Music"], "tags": {"tagList": ["new"]}, "customFields": {"homeCampus": "Main"},
        "requestPreference": {"holdShelf": True, "delivery": False},
        "personal": {
            "lastName": "O'Brádaigh", "firstName": "Zoë", "middleName": "Maeve", "preferredFirstName": "Zo",
            "email": f"patron{number}@example.edu", "phone": "312 555 0199", "preferredContactTypeId": "email",
            "addresses": [
                {"addressTypeId": name, "addressLine1": f"{number} Elm Street", "addressLine2": "Flat 2",
                 "city": "Northfield", "region": "IL", "postalCode": "60601", "countryId": "US",
                 "primaryAddress": name == "Home"}
                for name in ("Home", "Work")
            ],
        },
    }  # fmt: skip
    return json.dumps(user, ensure_ascii=False, separators=(",", ":"))


def make_run(folder: Path, number: int) -> None:
    """Write a run's folder as plan leaves it."""
    run, target = Run(folder), _target()
    for chunk, start in enumerate(range(0, number, CHUNK), start=1):
        texts = [record(one) for one in range(start, min(start + CHUNK, number))]
        run.write(f"chunks/{chunk:04}.json.zst", zstandard.compress(targets.request_body(target, texts)))
    rows = pl.DataFrame({"row": range(2, number + 2), "externalSystemId": [f"{one:08}" for one in range(number)]})
    chunks = ((pl.col("row") - 2) // CHUNK + 1).cast(pl.UInt32)
    with run.writing("planned.parquet") as file:
        rows.with_columns(pl.col("row").cast(pl.UInt32), chunk=chunks, level=pl.lit(0, pl.UInt32)).write_parquet(file)


def _target() -> FolioTarget:
    fields = {"type": "folio", "connection": "x", "folio_tenant": "bench", "source_type": "bench", "chunk_size": CHUNK}
    return FolioTarget.model_validate(fields)


def _posted(url: str, folder: Path, number: int) -> Measured:
    make_run(folder, number)
    command = [sys.executable, "-m", "benchmarks.posting", url, str(folder)]
    done = subprocess.run(command, cwd=settings.PROJECT, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    seconds, processor, growth = map(float, done.stdout.split()[-3:])
    return Measured(number / seconds, number / processor, growth)


def _post(url: str, folder: str) -> None:
    account = Connection("bench", host=url, login="bench", password="secret")  # noqa: S106 - a password of the stand-in
    with targets.open_target(_target(), lambda _: account) as folio:
        folio.clock()  # logs in
        before, started, spent = _peak(), time.perf_counter(), time.process_time()
        post.post(Run(Path(folder)), folio)
        print(time.perf_counter() - started, time.process_time() - spent, _peak() - before)


def _peak() -> float:
    """Peak memory in MB; Linux counts in kB, macOS in bytes."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    _post(*sys.argv[1:])
