"""A script of the kind that libraries write themselves: csv in, json out, one row after the other, nothing checked."""

import csv
import io
import json
from datetime import datetime
from typing import Any

GROUPS = {"UG": "undergrad", "GR": "graduate", "FAC": "faculty", "STF": "staff"}
CAMPUSES = {"NF": "Main campus", "RV": "Riverside"}


def bodies(text: str, chunk_size: int) -> list[str]:
    """The request bodies for an export of Northfield's."""
    users: list[dict[str, Any]] = [
        user for row in csv.DictReader(io.StringIO(text), delimiter="|") if (user := _user(row))
    ]
    cuts = range(0, len(users), chunk_size)
    return [
        json.dumps({"users": users[at : at + chunk_size], "totalRecords": len(users[at : at + chunk_size])})
        for at in cuts
    ]


def _user(row: dict[str, str]) -> dict[str, Any] | None:
    try:
        expires = datetime.strptime(row["EXPIRES"], "%m/%d/%Y").date().isoformat() if row["EXPIRES"] else None  # noqa: DTZ007
        group = GROUPS[row["ROLE"].strip()]
    except (ValueError, KeyError):
        return None
    address = {
        "addressTypeId": "Home", "addressLine1": row["STREET"].strip(), "city": row["CITY"].strip(),
        "region": row["STATE"].strip(), "postalCode": row["ZIP"].strip(), "countryId": "US", "primaryAddress": True,
    }  # fmt: skip
    personal = {
        "lastName": row["SURNAME"].strip(), "firstName": row["FIRST"].strip(), "middleName": row["MIDDLE"].strip(),
        "preferredFirstName": row["PREFERRED"].strip(), "email": row["EMAIL"].strip().lower(),
        "phone": "".join(sign for sign in row["PHONE"] if sign.isdigit()), "preferredContactTypeId": "email",
        "addresses": [{name: value for name, value in address.items() if value != ""}],
    }  # fmt: skip
    campus = row["CAMPUS"].strip()
    user = {
        "externalSystemId": row["ID"].strip(), "username": row["LOGIN"].strip().lower(), "barcode": row["CARD"].strip(),
        "active": True, "type": "patron", "patronGroup": group, "expirationDate": expires,
        "departments": [name.strip() for name in row["DEPTS"].split(";") if name.strip()],
        "personal": {name: value for name, value in personal.items() if value != ""},
        "customFields": {"homeCampus": CAMPUSES.get(campus, "Online")} if campus else None,
    }  # fmt: skip
    return {name: value for name, value in user.items() if value not in ("", None, [])}
