"""The sandbox in a process of its own, with the exports of the last days on its SFTP server."""

import csv
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Self
from zoneinfo import ZoneInfo

import httpx

from local import demo_connections, exports
from local.api import AirflowApi
from local.environment import clean_environment
from local.guard import Guard, Program
from sandbox import connections
from sandbox.everything import SCHOOL
from sandbox.infiniti import IMPORT

START_PATIENCE = 300.0
DAYS = 5
"""The number of days before today that have an export too, for backfills."""


class Library(NamedTuple):
    """A library of the demo, as far as the tenant file does not describe it."""

    tenant: str
    zone: str
    folder: str
    """Where on the SFTP server the exports go."""
    export: Callable[[date], exports.Export]
    patron: Callable[[exports.Row], dict[str, Any]]
    """A row as FOLIO or Infiniti would have it from an earlier load."""
    source_type: str = ""

    @property
    def dag_id(self) -> str:
        """Airflow's name for its loads."""
        return f"patron_load__{self.tenant}"

    @property
    def today(self) -> date:
        """The library's own day, as first asked for: a demo that runs past midnight keeps its day."""
        return _today(self.zone)


@cache
def _today(zone: str) -> date:
    return datetime.now(ZoneInfo(zone)).date()


def _northfield_patron(row: exports.Row) -> dict[str, Any]:
    personal = {"lastName": row["SURNAME"], "firstName": row["FIRST"], "email": row["EMAIL"]}
    return {"username": row["LOGIN"].lower(), "externalSystemId": row["ID"], "personal": personal}


def _stclare_patron(row: exports.Row) -> dict[str, Any]:
    personal = {"lastName": row["lastName"], "firstName": row["firstName"]}
    return {"username": row["username"], "externalSystemId": row["externalSystemId"], "personal": personal}


def _wattlegrove_patron(row: exports.Row) -> dict[str, Any]:
    is_staff = row["Type"] == "Staff"
    known = {"username": row["Login"].lower(), "surname": row["Family name"], "givenname": row["Given name"]}
    return known | {"enabled": "Y", "staffmember": "Y" if is_staff else "N", "graduationyear": row["Leaves in"]}


LIBRARIES = (
    Library("northfield", "America/Chicago", "outgoing", exports.northfield, _northfield_patron, "banner"),
    Library("stclare", "Europe/Dublin", "", exports.stclare, _stclare_patron),
    Library(SCHOOL, "Australia/Sydney", "library", exports.wattlegrove, _wattlegrove_patron),
)


class StandIns:
    """
    A context manager that runs `python -m sandbox`; `description` says where everything is.

    The SFTP server has the exports of today and of the days before, and FOLIO and Infiniti know some of the patrons.
    S3 is left out: it takes ten seconds to start, and artifacts in a folder are easier to look at.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "sandbox.log"
        command = [sys.executable, "-m", "sandbox", "--folder", str(self.folder), "--no-s3", *options]
        self._guard = Guard([Program("sandbox", command, clean_environment(), self.log)])
        self.description: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._guard.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.stop()

    @property
    def connections(self) -> dict[str, str]:
        """Airflow's connections to the sandbox: AIRFLOW_CONN_<ID> -> JSON."""
        return connections(self.description)

    @property
    def mail_folder(self) -> Path:
        """Where the mails are kept, one file each."""
        return Path(self.description["smtp"]["folder"])

    @property
    def mail_page(self) -> str:
        """Where the mails can be read."""
        return str(self.description["smtp"]["page_url"])

    @property
    def infiniti_page(self) -> str:
        """Where the school's users are shown."""
        return str(self.description["infiniti"]["url"])

    def check(self) -> None:
        """Raise when the sandbox is no longer running."""
        self._guard.check()

    def _start(self) -> None:
        file = self.folder / "sandbox.json"
        # One left by a sandbox that was killed would send us to closed ports.
        file.unlink(missing_ok=True)
        self._guard.start()
        deadline = time.monotonic() + START_PATIENCE
        while not file.exists():
            self._guard.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sandbox was not ready after {START_PATIENCE:.0f} s; see {self.log}")
            time.sleep(0.05)
        self.description = json.loads(file.read_text())
        for library in LIBRARIES:
            put_exports(library, Path(_account(self.description["sftp"]["accounts"], "username", library)["folder"]))
            if self.description["restored"]:
                continue  # they know their patrons
            if library.tenant == SCHOOL:
                import_earlier_patrons(library, self.description["infiniti"])
            else:
                load_earlier_patrons(library, self.description["folio"])


def serve(folder: Path, api: AirflowApi, *options: str) -> NoReturn:
    """Run until asked to end; the Airflow behind `api` gets the connections (Docker Compose)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    with StandIns(folder, *options) as stand_ins:
        for name in demo_connections.offer(api, stand_ins.connections):
            print(f"The connection {name} is not the sandbox's and stays as it is.", flush=True)
        api.close()
        ready.touch()
        while True:
            stand_ins.check()
            time.sleep(1)


def put_exports(library: Library, folder: Path) -> None:
    """Put the exports of the last days where the SFTP server finds them, each as old as its day."""
    place = folder / library.folder
    place.mkdir(parents=True, exist_ok=True)
    for day in exports.days_before(library.today, DAYS):
        export = library.export(day)
        file = place / export.name
        file.write_bytes(export.content)
        # Written at midnight of its day; the newest one is today's.
        delivered = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(library.zone)).timestamp()
        os.utime(file, (delivered, delivered))


def load_earlier_patrons(library: Library, folio: Mapping[str, Any]) -> None:
    """Have FOLIO know every other patron of the export already, so that there is something to update."""
    account = _account(folio["tenants"], "tenant", library)
    known = earlier_patrons(library)
    headers = {"X-Okapi-Tenant": account["folio_tenant"]}
    with httpx.Client(base_url=folio["url"], headers=headers, timeout=300, trust_env=False) as client:
        login = {"username": account["username"], "password": account["password"]}
        client.headers["X-Okapi-Token"] = (
            client.post("/authn/login", json=login).raise_for_status().json()["okapiToken"]
        )
        for start in range(0, len(known), 500):
            users = known[start : start + 500]
            body: dict[str, Any] = {"users": users, "totalRecords": len(users)}
            if library.source_type:
                body["sourceType"] = library.source_type
            answer = client.post("/user-import", json=body).raise_for_status().json()
            if answer["failedRecords"]:
                raise RuntimeError(f"the sandbox's FOLIO did not accept all earlier patrons of {library.tenant}")


def import_earlier_patrons(library: Library, infiniti: Mapping[str, Any]) -> None:
    """The same for the school's Infiniti, by a file of its own."""
    known = earlier_patrons(library)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(known[0]))
    writer.writeheader()
    writer.writerows(known)
    url, account = f"{infiniti['url']}{IMPORT}", (infiniti["username"], infiniti["password"])
    files = {"file": ("earlier.csv", text.getvalue().encode())}
    answer = httpx.post(url, files=files, auth=account, timeout=300, trust_env=False).raise_for_status().json()
    if not answer["success"]:
        raise RuntimeError(f"the sandbox's Infiniti did not accept all earlier patrons of {library.tenant}")


def earlier_patrons(library: Library) -> list[dict[str, Any]]:
    """Every other patron of today's export, but for those with a fault."""
    export = library.export(library.today)
    faulty = {number - 2 for numbers in export.faults.values() for number in numbers}
    return [library.patron(row) for at, row in enumerate(export.rows) if at % 2 and at not in faulty]


def _account(accounts: Sequence[Mapping[str, Any]], key: str, library: Library) -> Mapping[str, Any]:
    return next(account for account in accounts if account[key] == library.tenant)
