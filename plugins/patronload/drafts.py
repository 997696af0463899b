"""
Draft a first tenant file and a first mapping file from a sample of an export, for a person to correct.

A column is put where its name says: `lastName`, `last_name` and `personal.lastName` are one. What is not certain is
left for the person, and said so; no value of the sample is written down.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import yaml

from patronload import exports, fields
from patronload.errors import SourceError
from patronload.exports import Export
from patronload.fields import Kind
from patronload.tenants import Layout

DELIMITERS = (",", ";", "|", "\t")
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d")

ALSO = {
    "id": "externalSystemId", "esid": "externalSystemId", "studentid": "externalSystemId",
    "studentno": "externalSystemId",
    "login": "username", "userid": "username", "netid": "username",
    "card": "barcode", "cardno": "barcode", "cardnumber": "barcode",
    "group": "patronGroup", "patrontype": "patronGroup", "role": "patronGroup", "status": "patronGroup",
    "surname": "personal.lastName", "familyname": "personal.lastName", "last": "personal.lastName",
    "first": "personal.firstName", "givenname": "personal.firstName", "forename": "personal.firstName",
    "middle": "personal.middleName", "preferred": "personal.preferredFirstName",
    "mail": "personal.email", "emailaddress": "personal.email", "phonenumber": "personal.phone",
    "mobile": "personal.mobilePhone", "cell": "personal.mobilePhone",
    "expires": "expirationDate", "expiry": "expirationDate", "validuntil": "expirationDate",
    "birthdate": "personal.dateOfBirth", "dob": "personal.dateOfBirth",
    "street": "personal.addresses[0].addressLine1", "address": "personal.addresses[0].addressLine1",
    "zip": "personal.addresses[0].postalCode", "postcode": "personal.addresses[0].postalCode",
    "state": "personal.addresses[0].region", "country": "personal.addresses[0].countryId",
    "depts": "departments", "dept": "departments", "department": "departments",
}  # fmt: skip
"""What else columns are called, in small letters and digits alone."""


class Draft(NamedTuple):
    """The texts of a tenant file and of a mapping file, and the columns that found no field."""

    tenant: str
    mapping: str
    left: list[str]


def draft(content: bytes, name: str, encoding: str = "cp1252") -> Draft:
    """
    Files for a library that is called `name`. The delimiter is the one that gives most columns.

    Raises SourceError when the sample cannot be read.
    """
    export, delimiter = _read(content, encoding)
    rules, left = _rules(export)
    return Draft(_tenant(name, delimiter, export.encoding), _mapping(rules, left), left)


def _read(content: bytes, encoding: str) -> tuple[Export, str]:
    read: list[tuple[Export, str]] = []
    told: SourceError | None = None
    for delimiter in DELIMITERS:
        try:
            read.append((exports.read(content, Layout(delimiter=delimiter, encoding=encoding)), delimiter))
        except SourceError as error:
            told = told or error
    if not read:
        raise told or SourceError("The sample cannot be read.")
    return max(read, key=lambda pair: len(pair[0].columns))


def _rules(export: Export) -> tuple[dict[str, object], list[str]]:
    known = {_plain(path.rsplit(".", 1)[-1]): path for path in reversed(fields.names("folio"))}
    known |= {_plain(path): path for path in fields.names("folio")} | ALSO
    rules: dict[str, object] = {}
    left = []
    for column in export.columns:
        path = known.get(_plain(column))
        if path is None or path in rules:
            left.append(column)
        else:
            rules[path] = _rule(path, column, export)
    for path in ("externalSystemId", "username", "personal.lastName"):
        rules.setdefault(path, {"column": "WHICH COLUMN?", "required": True})
    order = fields.names("folio")
    return dict(sorted(rules.items(), key=lambda rule: order.index(rule[0]))), left


def _rule(path: str, column: str, export: Export) -> object:
    kind = fields.kind("folio", path)
    if kind is Kind.DATE:
        return {"column": column, "date": _form(export.frame[column].to_list())}
    if kind is Kind.LIST:
        return {"column": column, "split": ";"}
    if kind is Kind.YES_NO:
        return {"column": column, "lookup": "yes_no"}
    required = path in ("externalSystemId", "username", "personal.lastName", "patronGroup")
    return {"column": column, "required": True} if required else column


def _form(cells: Iterable[str]) -> str:
    """The way in which all of the cells are dates; the first of several, which the person has to look at."""
    shape = {re.sub(r"\d", "9", cell.strip()) for cell in cells if cell.strip()}
    patterns = {"%Y-%m-%d": r"9{4}-9\d?9?-9+", "%d.%m.%Y": r"9+\.9+\.9{4}", "%Y%m%d": r"9{8}"}
    for form, pattern in patterns.items():
        if shape and all(re.fullmatch(pattern, each) for each in shape):
            return form
    days = [int(found[0]) for cell in cells if (found := re.match(r"\d+", cell.strip()))]
    return "%d/%m/%Y" if any(day > len(DATES) + 7 for day in days) else "%m/%d/%Y"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _mapping(rules: dict[str, object], left: list[str]) -> str:
    body: dict[str, object] = {"target": "folio", "description": "A first draft: look at every line.", "fields": rules}
    if any(isinstance(rule, dict) and rule.get("lookup") for rule in rules.values()):
        words = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
        body["lookups"] = {"yes_no": words}
    unused = "".join(f"#   {column}\n" for column in left)
    notes = f"# No field was found for these columns:\n{unused}\n" if left else ""
    return notes + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)


def _tenant(name: str, delimiter: str, encoding: str) -> str:
    body = {
        "tenant": name,
        "library": f"The library {name}",
        "mapping": f"folio/{name}",
        "timezone": "UTC",
        "source": {
            "type": "sftp", "connection": f"{name}_sftp", "path": "patrons_{date:%Y%m%d}.csv", "delimiter": delimiter,
            "encoding": encoding,
        },
        "target": {"type": "folio", "connection": f"{name}_folio", "folio_tenant": "fs00000000"},
        "notify": {"on_failure": ["somebody@library.example"]},
    }  # fmt: skip
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)
