"""Plans for invented patrons: a mapping, a file's patrons as `transform` makes them, and FOLIO's stored users."""

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import yaml

from patronload.config import mapping_files
from patronload.config.mapping import Mapping
from patronload.systems.folio import FOLIO
from patronload.targets.delivery import Background, Patience, Planned
from patronload.targets.folio.reference_data import CONTACT_TYPES
from patronload.targets.folio.user_import import UserImport
from sandbox.folio import FolioServer
from sandbox.folio.reference import made_up_id
from tests.targets.loads import FOLIO_TENANT, QUICK, account, folio_target

CHICAGO = ZoneInfo("America/Chicago")

FILLED = (
    "externalSystemId",
    "username",
    "barcode",
    "active",
    "patronGroup",
    "departments",
    "expirationDate",
    "personal.lastName",
    "personal.firstName",
    "personal.preferredFirstName",
    "personal.email",
    "personal.preferredContactTypeId",
    "personal.addresses[0].addressTypeId",
    "personal.addresses[0].addressLine1",
    "personal.addresses[0].city",
    "customFields.homeCampus",
)
"""The fields that the mapping of these tests fills."""


def mapping(folder: Path, filled: Iterable[str] = FILLED, ownership: dict[str, str] | None = None) -> Mapping:
    """A mapping that fills these fields, each from a column of its name."""
    written: dict[str, Any] = {path: {"column": path} for path in filled}
    for path, rule in {
        "active": {"column": "active", "lookup": "yes_no"},
        "departments": {"column": "departments", "split": ";"},
        "preferredEmailCommunication": {"column": "mails", "split": ";"},
        "tags.tagList": {"column": "tags", "split": ";"},
        "expirationDate": {"column": "expirationDate", "date": "%Y-%m-%d"},
        "personal.addresses[0].addressTypeId": {"value": "Home"},
        "requestPreference.holdShelf": {"value": True},
        "requestPreference.delivery": {"column": "delivery", "lookup": "yes_no"},
    }.items():
        written |= {path: rule} if path in written else {}
    used = {"yes_no": {"y": True, "n": False}} if any("lookup" in rule for rule in written.values()) else {}
    path = folder / "mapping.yaml"
    path.write_text(
        yaml.safe_dump({"target": "folio", "fields": written, "lookups": used, "ownership": ownership or {}})
    )
    return mapping_files.load_file(path)


def frame(records: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Patrons as `transform` leaves them, from row 2 on."""
    lines = [
        {"row": row, **{name: record.get(name) for name in FOLIO.unique}} | {"patron": json.dumps(record)}
        for row, record in enumerate(records, start=2)
    ]
    schema = {"row": pl.UInt32, **dict.fromkeys((*FOLIO.unique, "patron"), pl.String)}
    return pl.DataFrame(lines, schema=schema)


def plan(
    server: FolioServer,
    records: Iterable[dict[str, Any]],
    rules: Mapping,
    patience: Patience = QUICK,
    refused: Iterable[tuple[int, str]] = (),
    **given: Any,
) -> Planned:
    """The plan for a file's patrons; `refused` are rows that did not get as far, with their externalSystemIds."""
    with UserImport(folio_target(**given), account(server), patience) as folio:
        return folio.plan(frame(records), rules, CHICAGO, Background(refused=list(refused)))


def sent(planned: Planned) -> dict[int, dict[str, Any]]:
    """The records to be sent by row."""
    return {row: json.loads(text) for row, text in planned.patrons.frame().select("row", "patron").iter_rows()}


def reasons(planned: Planned) -> dict[int, str]:
    """Why each row is set aside, as the rejects file says it."""
    return dict(planned.rejects.select("row", "reason").iter_rows())


def stored_user(server: FolioServer, record: dict[str, Any], prefix: str = "banner_", **more: Any) -> dict[str, Any]:
    """Put a user into FOLIO, given as the import would: names of groups and types become ids."""
    store = server.store(FOLIO_TENANT)
    user = deepcopy(record) | more
    user["externalSystemId"] = prefix + record["externalSystemId"]
    user["id"] = made_up_id("user", user["externalSystemId"])
    preference = user.pop("requestPreference", None)
    if "patronGroup" in user:
        user["patronGroup"] = store.groups.find("group", user["patronGroup"])["id"]
    user["departments"] = [store.departments.find("name", name)["id"] for name in user.get("departments", [])]
    personal = user.get("personal", {})
    for address in personal.get("addresses", []):
        address["addressTypeId"] = store.address_types.find("addressType", address["addressTypeId"])["id"]
    if "preferredContactTypeId" in personal:
        personal["preferredContactTypeId"] = CONTACT_TYPES[personal["preferredContactTypeId"]]
    since = "2020-01-01T00:00:00.000+00:00"
    user |= {"createdDate": since, "updatedDate": since, "metadata": {"createdDate": since}}
    store.users.put(user)
    if preference:
        store.preferences.put({"id": made_up_id("preference", user["id"]), "userId": user["id"], **preference})
    return user
