"""
A script of the kind that libraries write themselves: csv in, json out, row by row, without checks.

It is a good one: the result for each date, flag or code is computed once and cached.
"""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

GROUPS = {"UG": "undergrad", "GR": "graduate", "FAC": "faculty", "STF": "staff"}
CAMPUSES = {"NF": "Main campus", "RV": "Riverside"}
DEPARTMENTS = {
    "BIO": "Biology", "CHE": "Chemistry", "CLA": "Classics", "HIS": "History", "MAT": "Mathematics", "MUS": "Music"
}  # fmt: skip
YES = {"Y", "yes", "T", "1"}


def run(export: Path, folder: Path, chunk_size: int) -> int:
    """Write the request bodies for an export of `wide`; returns how many there are."""
    folder.mkdir()
    chunks = 0
    with export.open(encoding="utf-8", newline="") as file:
        users = (user for row in csv.DictReader(file) if (user := _user(row)))
        for chunks, chunk in enumerate(_chunks(users, chunk_size), 1):
            body = json.dumps({"users": chunk, "totalRecords": len(chunk)}, ensure_ascii=False)
            (folder / f"{chunks:04}.json").write_text(body, encoding="utf-8")
    return chunks


def _chunks(users: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(users, size)):
        yield chunk


@cache
def _date(written: str, form: str) -> str:
    return datetime.strptime(written, form).date().isoformat() if written else ""  # noqa: DTZ007 - a day has no zone


@cache
def _departments(codes: str) -> list[str]:
    return list(dict.fromkeys(DEPARTMENTS[code.strip()] for code in codes.split(";") if code.strip()))


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", None, [], {})}


def _user(row: dict[str, str]) -> dict[str, Any] | None:
    cell = {name: value.strip() for name, value in row.items()}
    try:
        enrolled, born = _date(cell["ENROLLED"], "%Y-%m-%d"), _date(cell["BORN"], "%d.%m.%Y")
        expires, group = _date(cell["EXPIRES"], "%m/%d/%Y"), GROUPS[cell["ROLE"]]
        departments = _departments(cell["DEPTS"])
    except (ValueError, KeyError):
        return None
    home = _filled({
        "addressLine1": cell["STREET"], "addressLine2": cell["STREET2"], "city": cell["CITY"],
        "region": cell["REGION"], "postalCode": cell["ZIP"], "countryId": cell["COUNTRY"],
    })  # fmt: skip
    work = _filled({
        "addressLine1": cell["WORK_STREET"], "city": cell["WORK_CITY"], "postalCode": cell["WORK_ZIP"],
    })  # fmt: skip
    addresses = [{"addressTypeId": "Home", **home, "primaryAddress": True}] if home else []
    addresses += [{"addressTypeId": "Work", **work}] if work else []
    personal = _filled({
        "lastName": cell["SURNAME"], "firstName": cell["FIRST"], "middleName": cell["MIDDLE"],
        "preferredFirstName": cell["PREFERRED"], "email": cell["EMAIL"].lower(),
        "phone": "".join(filter(str.isdigit, cell["PHONE"])), "mobilePhone": cell["MOBILE"],
        "dateOfBirth": born, "preferredContactTypeId": "email", "addresses": addresses,
    })  # fmt: skip
    campus = cell["CAMPUS"]
    custom = {
        "homeCampus": CAMPUSES.get(campus, "Online") if campus else "", "note": cell["NOTE"], "changed": cell["CHANGED"]
    }  # fmt: skip
    return _filled({
        "externalSystemId": cell["ID"], "username": cell["LOGIN"].lower(), "barcode": cell["CARD"],
        "active": cell["STATUS"] in YES, "type": "patron", "patronGroup": group, "departments": departments,
        "enrollmentDate": enrolled, "expirationDate": expires, "personal": personal, "customFields": _filled(custom),
    })  # fmt: skip
