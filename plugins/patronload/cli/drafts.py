"""
Draft a first tenant file and a first mapping file from a sample of an export, for a person to review.

Columns are assigned to fields by their names: `lastName`, `last_name` and `personal.lastName` are the same. Anything
uncertain is left to the person, and listed at the top of the mapping file. No value of the sample is written down,
except the codes of patron groups, and those only if they are few and each occurs in several rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from patronload import systems
from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import reading, unpacking
from patronload.exports.reading import Export
from patronload.systems import System
from patronload.systems.fields import Kind

DELIMITERS = (",", ";", "|", "\t")

MOST_GROUPS = 20

ASK = "WHICH COLUMN?"
"""Marks a place in the draft where a person has to enter a column."""

ALSO = {
    "folio": {
        "id": "externalSystemId", "esid": "externalSystemId", "studentid": "externalSystemId",
        "studentno": "externalSystemId", "personid": "externalSystemId", "employeeid": "externalSystemId",
        "login": "username", "userid": "username", "netid": "username",
        "card": "barcode", "cardno": "barcode", "cardnumber": "barcode", "librarycard": "barcode",
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
        "tags": "tags.tagList",
    },
    "infiniti": {
        "login": "username", "userid": "username", "netid": "username", "user": "username",
        "active": "enabled", "status": "enabled", "current": "enabled",
        "staff": "staffmember", "isstaff": "staffmember", "type": "staffmember",
        "firstname": "givenname", "forename": "givenname", "first": "givenname",
        "lastname": "surname", "familyname": "surname", "last": "surname",
        "secondname": "middlename", "middle": "middlename", "preferred": "preferredname",
        "email": "emailaddress", "mail": "emailaddress",
        "yearofgraduation": "graduationyear", "leavesin": "graduationyear",
        "barcode": "librarybarcode", "card": "librarybarcode", "cardnumber": "librarybarcode",
        "id": "adminsystemid", "studentid": "adminsystemid", "code": "adminsystemid",
        "sex": "gender", "form": "formclass", "class": "formclass", "homegroup": "formclass",
        "group": "presentationgrouplabel", "patrongroup": "presentationgrouplabel",
    },
}  # fmt: skip
"""Other names for columns, in lower-case letters and digits only."""

YES_NO = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}

FORMS = {
    "%Y-%m-%d": r"\d{4}-\d\d-\d\d",
    "%Y%m%d": r"\d{8}",
    "%d.%m.%Y": r"\d{1,2}\.\d{1,2}\.\d{4}",
    "%m/%d/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d/%m/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%m/%d/%y": r"\d{1,2}/\d{1,2}/\d\d",
    "%d/%m/%y": r"\d{1,2}/\d{1,2}/\d\d",
    "%Y/%m/%d": r"\d{4}/\d\d?/\d\d?",
    "%d-%b-%Y": r"\d{1,2}-[A-Za-z]{3}-\d{4}",
}
"""Date formats, and a pattern for each."""

MONTHS = 12


class Draft(NamedTuple):
    """The texts of a tenant file and of a mapping file, and notes for the person who reviews them."""

    tenant: str
    mapping: str
    notes: list[str]


def draft(content: bytes, name: str, target: str = "folio", encoding: str = "cp1252") -> Draft:
    """
    Files for the library `name`, for the `target` folio or infiniti.

    The delimiter is the one that gives most columns; `encoding` is used for a sample that is not UTF-8. Raises
    SourceError if the sample cannot be read.
    """
    export, delimiter = _read(content, encoding)
    made = _Drafting(export, systems.KNOWN[target])
    if export.encoding == encoding != "utf-8":
        has = "has no accents" if unpacking.unpack(content).isascii() else "is not UTF-8"
        made.notes.append(f"The sample {has}; {encoding} is a guess. Check names with accents.")
    return Draft(_tenant(name, target, delimiter, export.encoding), made.mapping(), made.notes)


def _read(content: bytes, encoding: str) -> tuple[Export, str]:
    read: list[tuple[Export, str]] = []
    told: SourceError | None = None
    for delimiter in DELIMITERS:
        try:
            read.append((reading.read(content, Layout(delimiter=delimiter, encoding=encoding)), delimiter))
        except SourceError as error:
            told = told or error
    if not read:
        raise told or SourceError("The sample cannot be read.")
    return max(read, key=lambda pair: len(pair[0].columns))


class _Drafting:
    """The mapping of a sample, rule by rule."""

    def __init__(self, export: Export, system: System) -> None:
        self.export = export
        self.system = system
        self.notes: list[str] = []
        self.lookups: dict[str, dict[str, Any]] = {}
        known = self._fields_by_column()
        self.rules: dict[str, object] = {}
        left = []
        for column in export.columns:
            path = known.get(_plain(column))
            if path is None or path in self.rules:
                left.append(column)
            else:
                self.rules[path] = self._rule(path, column)
        self._complete()
        if left:
            self.notes.append(f"No field was found for these columns: {', '.join(left)}.")

    def mapping(self) -> str:
        """The text of the mapping file."""
        body: dict[str, object] = {"target": self.system.type, "description": "A first draft: check every line."}
        order = self.system.names
        body["fields"] = dict(sorted(self.rules.items(), key=lambda rule: order.index(rule[0])))
        if self.lookups:
            body["lookups"] = self.lookups
        schema = "# yaml-language-server: $schema=../../schemas/mapping.schema.json\n"
        notes = "".join(f"# {_on_one_line(note)}\n" for note in self.notes)
        return schema + notes + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)

    def _fields_by_column(self) -> dict[str, str]:
        """Fields by the names of columns; a complete path has precedence over its last part."""
        names = self.system.names
        last = {_plain(path.rsplit(".", 1)[-1]): path for path in reversed(names) if path != "id"}
        return last | {_plain(path): path for path in names if path != "id"} | ALSO[self.system.type]

    def _complete(self) -> None:
        """Add every field that the target requires, even without a column for it."""
        needed = [*self.system.required, *self.system.required_within.values()]
        for path in needed:
            if path not in self.rules:
                # A column that was not found must not disable anyone, or make anyone staff.
                fixed = self.system.fields[path] is Kind.YES_NO
                self.rules[path] = {"value": path != "staffmember"} if fixed else {"column": ASK, "required": True}
                self.notes.append(f"{path} is required: which column has it?")
        if any(path.startswith("personal.addresses[0].") for path in self.rules):
            self.rules.setdefault("personal.addresses[0].addressTypeId", {"value": "Home"})

    def _rule(self, path: str, column: str) -> object:
        kind, cells = self.system.kind(path), [cell.strip() for cell in self.export.frame[column] if cell.strip()]
        if kind is Kind.DATE:
            return {"column": column, "date": self._form(column, cells)}
        if kind is Kind.LIST:
            self.notes.append(f"{column}: which character separates several values? The draft assumes a semicolon.")
            return {"column": column, "split": ";"}
        if kind is Kind.YES_NO:
            self.lookups["yes_no"] = dict(YES_NO)
            return {"column": column, "steps": ["lower"], "lookup": "yes_no"}
        if path == self.system.group:
            return self._group(column, cells)
        needed = (*self.system.required, *self.system.required_within.values())
        return {"column": column, "required": True} if path in needed else column

    def _group(self, column: str, cells: list[str]) -> object:
        codes = Counter(cells)
        rule: dict[str, object] = {"column": column, "required": True}
        if not codes or len(codes) > MOST_GROUPS or 2 * len(codes) > len(cells):
            return rule
        self.lookups["patron_groups"] = {code: code for code in sorted(codes)}
        self.notes.append(f"{column}: write the names of {self.system.name}'s groups into the lookup patron_groups.")
        return rule | {"lookup": "patron_groups"}

    def _form(self, column: str, cells: list[str]) -> str:
        """The format in which all cells are dates; if there are several, the first, with a note for the person."""
        found = [form for form, shape in FORMS.items() if cells and all(re.fullmatch(shape, cell) for cell in cells)]
        found = [form for form in found if _is_possible(form, cells)]
        if not found:
            self.notes.append(f"{column}: no date format fits the sample; the draft assumes %Y-%m-%d.")
            return "%Y-%m-%d"
        if len(found) > 1:
            self.notes.append(f"{column}: the dates in the sample fit {' and '.join(found)}; check which one is right.")
        return found[0]


def _is_possible(form: str, cells: Iterable[str]) -> bool:
    """Whether no cell has a 13th month."""
    if form[1] not in "md" or "%b" in form:
        return True
    place = form.split("/").index("%m") if "/" in form else 1
    return all(int(re.split(r"\D", cell)[place]) <= MONTHS for cell in cells)


def _on_one_line(note: str) -> str:
    """Text on one line; the name of a column may contain line breaks and worse."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(note.split()))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _tenant(name: str, target: str, delimiter: str, encoding: str) -> str:
    connected: dict[str, str] = {"type": target, "connection": f"{name}_{target}"}
    body = {
        "tenant": name,
        "library": f"The library {name}",
        "mapping": f"{target}/{name}",
        "timezone": "UTC",
        "source": {
            "type": "sftp", "connection": f"{name}_sftp", "path": "patrons_{date:%Y%m%d}.csv", "delimiter": delimiter,
            "encoding": encoding,
        },
        "target": connected | ({"folio_tenant": "fs00000000"} if target == "folio" else {}),
        "notify": {"on_failure": ["someone@library.example"]},
    }  # fmt: skip
    schema = "# yaml-language-server: $schema=../schemas/tenant.schema.json\n"
    return schema + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)
