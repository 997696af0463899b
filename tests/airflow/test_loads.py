"""The demo's libraries, loaded by Airflow's scheduler."""

import csv
import io
import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import zstandard

from local.exports import UNKNOWN_DEPARTMENT
from sandbox.folio import Store
from tests.airflow.libraries import World, accounted, dag_id, text_of
from tests.test_infiniti_loads import as_the_export_says as as_infiniti_has_it

Patron = dict[str, Any]

CONTACTS = {
    "northfield": ["systems@library.northfield.edu", "circulation@library.northfield.edu"],
    "stclare": ["library@stclare.example"],
}
ZONES = {"northfield": "America/Chicago", "stclare": "Europe/Dublin"}
FOLIO_TENANTS = {"northfield": "fs00001234", "stclare": "fs00005678"}
GROUPS = {"UG": "undergrad", "GR": "graduate", "FAC": "faculty", "STF": "staff"}
GROUPS |= {"Student": "undergrad", "Postgraduate": "graduate", "Lecturer": "faculty", "Staff": "staff"}
CAMPUSES = {"NF": "Main campus", "RV": "Riverside", "ON": "Online"}

by_library = pytest.mark.parametrize("tenant", ["northfield", "stclare"])


@by_library
def test_the_load_ends_well(world: World, loads, tenant: str):
    """All tasks succeed, each at its first try; approve ends at once, because nothing is unusual."""
    tasks = world.api.tasks(dag_id(tenant), loads[tenant])
    assert [(task.task_id, task.state, task.try_number) for task in tasks] == [
        (name, "success", 1)
        for name in ("fetch", "validate", "transform", "plan", "approve", "post", "report", "notify")
    ]


@by_library
def test_progress_is_shown_in_airflow(world: World, loads, tenant: str):
    """Under the task's tab Storage: the chunk it is at, the figures, the speed and the time left."""
    path = f"dags/{dag_id(tenant)}/dagRuns/{loads[tenant]}/taskInstances/post/state-store/progress"
    kept = json.dumps(world.api.http.get(path).raise_for_status().json())
    assert "chunk 2 of 2: " in kept
    assert "seconds left" in kept


@by_library
def test_a_note_on_the_run(world: World, loads, tenant: str):
    """Day, file and result are on the run itself, for whoever looks at Airflow's list of runs."""
    run = world.api.http.get(f"dags/{dag_id(tenant)}/dagRuns/{loads[tenant]}").raise_for_status().json()
    report = world.report(tenant, loads[tenant])
    result = (
        f"loaded, with rejects; {report['created']:,} of {report['rows']:,} rows, {report['rejected']:,} to correct"
    )
    assert run["note"] == f"Day {report['day']}, {report['export']['name']}: {result}"


@by_library
def test_an_event_of_the_patrons(world: World, loads, tenant: str):
    """A real load is an event of the library's asset, with the figures: other DAGs may go on from there."""
    events = world.api.http.get("assets/events", params={"source_dag_id": dag_id(tenant)}).raise_for_status().json()
    (event,) = [each for each in events["asset_events"] if each["source_run_id"] == loads[tenant]]
    report = world.report(tenant, loads[tenant])
    assert event["uri"] == f"x-folio://{tenant}/patrons"
    for name in ("day", "rows", "created", "updated", "failed", "rejected"):
        assert event["extra"][name] == report[name]
    assert event["extra"]["file"] == report["export"]["name"]


@by_library
def test_a_line_of_figures_for_each_step(world: World, loads, tenant: str):
    """Each task's log has one line that tells how it went, and none with what it handed on to Airflow."""
    report, run_id = world.report(tenant, loads[tenant]), loads[tenant]
    said = {
        "fetch": f"Day {report['day']}: fetched {report['export']['name']}, {report['export']['size']:,} bytes, into ",
        "validate": f"Validated {report['rows']:,} rows: ",
        "transform": "Transformed: ",
        "plan": "Planned: ",
        "post": "Posted in 2 chunks: {0:,} patrons, of whom {0:,} were created, 0 updated, 0 refused".format(
            report["created"]
        ),
        "report": f"loaded_with_rejects: rows {report['rows']:,}, created {report['created']:,}",
        "notify": "Mailed '",
    }
    for task, sentence in said.items():
        log = world.api.task_log(dag_id(tenant), run_id, task)
        assert sum(sentence in line for line in log.splitlines()) == 1, log
        assert "Returned value was" not in log


@by_library
def test_folio_holds_exactly_the_patrons_of_the_export(world: World, loads, tenant: str):
    """Each good row is a user, field by field as the export has it; nobody else is there."""
    expected = {patron["externalSystemId"]: patron for patron in expected_patrons(world, tenant)}
    store = world.sandbox.folio.store(FOLIO_TENANTS[tenant])
    stored = {user["externalSystemId"]: as_the_export_says(user, store, ZONES[tenant]) for user in store.users}
    assert len(expected) > 200
    assert stored.keys() == expected.keys()
    assert stored == expected


@by_library
def test_every_row_is_accounted_for(world: World, loads, tenant: str):
    """rows = created + updated + failed + rejected, and each number is that of the export."""
    report = world.report(tenant, loads[tenant])
    export = world.demo_exports[tenant]
    refused = {row for rows in export.faults.values() for row in rows}
    assert report["rows"] == len(export.rows) == accounted(report)
    assert report["created"] == len(expected_patrons(world, tenant))
    assert report["rejected"] == len(refused)
    assert report["failed"] == 0
    assert report["not_sent"] == report["unconfirmed"] == report["updated"] == 0


@by_library
def test_the_mail_is_there(world: World, loads, tenant: str):
    """One mail to the contacts for this outcome, HTML and text, with the numbers and a way to the report."""
    (mail,) = world.mails(loads[tenant])
    report = world.report(tenant, loads[tenant])
    assert mail["X-RcptTo"].split(", ") == CONTACTS[tenant]
    assert f"{report['created']:,} patrons are loaded" in mail["Subject"]
    html = mail.get_body(("html",))
    assert html is not None
    for body in (text_of(mail), html.get_content()):
        for number in ("rows", "created", "updated", "failed", "rejected"):
            assert f"{report[number]:,}" in body
    assert not list(mail.iter_attachments())


@by_library
def test_the_artifacts_are_complete(world: World, loads, tenant: str):
    """The folder tells the story of the run: what came, what was sent, what was answered, what is to be mended."""
    folder = world.folder(tenant, loads[tenant])
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert names == {
        "export.csv",
        "export.json",
        "rows.parquet",
        "ragged.parquet",
        "rows.json",
        "validation.json",
        "validation.html",
        "failing.parquet",
        "fields.json",
        "skipped.parquet",
        "noted.parquet",
        "gates.json",
        "rejects/validate.parquet",
        "rejects/transform.parquet",
        "noted_transform.parquet",
        "rejects/plan.parquet",
        "rejects.csv",
        "rejects.xlsx",
        "patrons.parquet",
        "plan.json",
        "planned.parquet",
        "unchanged.parquet",
        "changes.parquet",
        "before.parquet",
        "remembered.json",
        "ledger_changes.parquet",
        *(f"{place}/000{chunk}.json{suffix}" for chunk in (1, 2) for place, suffix in PARTS.items()),
        "report.json",
        "report.html",
    }
    export = world.demo_exports[tenant]
    assert (folder / "export.csv").read_bytes() == export.content
    patrons = pl.read_parquet(folder / "patrons.parquet")
    bodies = [zstandard.ZstdDecompressor().decompressobj().decompress(p.read_bytes()) for p in chunks_in(folder)]
    sent = [user for body in bodies for user in json.loads(body)["users"]]
    assert {user["externalSystemId"] for user in sent} <= set(patrons["externalSystemId"])
    planned = pl.read_parquet(folder / "planned.parquet")
    assert len(sent) == planned.height == world.report(tenant, loads[tenant])["created"]
    report = world.report(tenant, loads[tenant])
    rejects = (folder / "rejects.csv").read_text(encoding="utf-8-sig")
    delimiter = "|" if tenant == "northfield" else ","
    mend = list(csv.DictReader(io.StringIO(rejects, newline=""), delimiter=delimiter))
    assert len(mend) == report["rejected"] + report["failed"]
    for row in mend:
        said = export.rows[int(row["reject_row"]) - 2]
        assert {name: row[name] for name in said} == said
        assert row["reject_reason"]


def test_the_school_is_in_infiniti_exactly_as_its_export_says(world: World, loads):
    """Each good row is a user, field by field, and nobody else is there; report and mail tell the rest."""
    tenant = "wattlegrove"
    tasks = world.api.tasks(dag_id(tenant), loads[tenant])
    assert [(task.state, task.try_number) for task in tasks] == [("success", 1)] * 8
    export, report = world.demo_exports[tenant], world.report(tenant, loads[tenant])
    faulty = {row for rows in export.faults.values() for row in rows}
    good = [row for number, row in enumerate(export.rows, start=2) if number not in faulty]
    assert world.sandbox.infiniti.school.users == {row["Login"].lower(): as_infiniti_has_it(row) for row in good}
    assert report["rows"] == len(export.rows) == accounted(report)
    assert (report["created"] + report["updated"], report["failed"]) == (len(good), 2)
    assert report["rejected"] == len(faulty) - 2
    (mail,) = world.mails(loads[tenant])
    assert mail["X-RcptTo"] == "library@wattlegrove.example"
    assert "refused by Infiniti" in text_of(mail)
    assert (world.artifacts / tenant / "ledger.parquet").exists()


PARTS = {"chunks": ".zst", "sent": "", "results": ""}


def chunks_in(folder):
    return sorted((folder / "chunks").iterdir())


def expected_patrons(world: World, tenant: str) -> list[Patron]:
    """What the export says, read with Python's own csv and said again in FOLIO's words: nothing of ours is used."""
    export = world.demo_exports[tenant]
    delimiter, patron = ("|", northfield_patron) if tenant == "northfield" else (",", stclare_patron)
    text = io.StringIO(export.content.decode("utf-8-sig"), newline="")
    faulty = {row for rows in export.faults.values() for row in rows}
    rows = csv.DictReader(text, delimiter=delimiter)
    return [without_blanks(patron(row)) for number, row in enumerate(rows, start=2) if number not in faulty]


def northfield_patron(row: dict[str, str]) -> Patron:
    assert UNKNOWN_DEPARTMENT not in row["DEPTS"]
    return {
        "externalSystemId": f"banner_{row['ID']}",
        "username": row["LOGIN"].lower(),
        "barcode": row["CARD"],
        "active": True,
        "type": "patron",
        "patronGroup": GROUPS[row["ROLE"]],
        "departments": sorted(name for name in row["DEPTS"].split(";") if name),
        "expirationDate": datetime.strptime(row["EXPIRES"], "%m/%d/%Y").date().isoformat(),  # noqa: DTZ007 - a day
        "personal": {
            "lastName": row["SURNAME"],
            "firstName": row["FIRST"],
            "middleName": row["MIDDLE"],
            "preferredFirstName": row["PREFERRED"],
            "email": row["EMAIL"].lower(),
            "phone": "".join(sign for sign in row["PHONE"] if sign.isdigit()),
            "preferredContactTypeId": "email",
            "addresses": [
                {
                    "addressTypeId": "Home",
                    "addressLine1": row["STREET"],
                    "city": row["CITY"],
                    "region": row["STATE"],
                    "postalCode": row["ZIP"],
                    "countryId": "US",
                    "primaryAddress": True,
                }
            ],
        },
        "customFields": {"homeCampus": CAMPUSES[row["CAMPUS"]]},
    }


def stclare_patron(row: dict[str, str]) -> Patron:
    return {
        "externalSystemId": row["externalSystemId"],
        "username": row["username"],
        "barcode": row["barcode"],
        "active": True,
        "type": "patron",
        "patronGroup": GROUPS[row["patronGroup"]],
        "expirationDate": row["expirationDate"],
        "personal": {
            "lastName": row["lastName"],
            "firstName": row["firstName"],
            "email": row["email"].lower(),
            "phone": row["phone"],
            "preferredContactTypeId": "email",
        },
    }


def local_day(moment: str, zone: str) -> str:
    """The library's day that ends at a moment; FOLIO takes an expiry of midnight UTC a day early in the Americas."""
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute, local.second) == (23, 59, 59)
    return local.date().isoformat()


def as_the_export_says(user: Patron, store: Store, zone: str) -> Patron:
    """A stored user with names in place of FOLIO's ids, without what FOLIO adds by itself."""
    said = {name: user[name] for name in user if name not in FOLIOS_OWN}
    said["patronGroup"] = name_of(store.groups, user["patronGroup"], "group")
    said["departments"] = sorted(name_of(store.departments, each, "name") for each in user["departments"])
    said["expirationDate"] = local_day(user["expirationDate"], zone)
    said["personal"] = user["personal"] | {
        "preferredContactTypeId": {"002": "email"}[user["personal"]["preferredContactTypeId"]],
        "addresses": [
            {name: address[name] for name in address if name != "id"}
            | {"addressTypeId": name_of(store.address_types, address["addressTypeId"], "addressType")}
            for address in user["personal"]["addresses"]
        ],
    }
    said["customFields"] = {name: option(store, name, choice) for name, choice in user.get("customFields", {}).items()}
    return without_blanks(said)


FOLIOS_OWN = ("id", "createdDate", "updatedDate", "metadata", "proxyFor", "preferredEmailCommunication")


def name_of(table: Any, row_id: str, column: str) -> str:
    row = table.get(row_id)
    assert row is not None
    return str(row[column])


def option(store: Store, ref_id: str, choice: str) -> str:
    field = store.custom_fields.find("refId", ref_id)
    assert field is not None
    return next(each["value"] for each in field["selectField"]["options"]["values"] if each["id"] == choice)


def without_blanks(patron: Patron) -> Patron:
    """An empty cell leaves its field out; so do empty lists and parts."""
    kept = {name: without_blanks(value) if isinstance(value, dict) else value for name, value in patron.items()}
    return {name: value for name, value in kept.items() if value not in ("", [], {})}
