"""Check the values of a load that FOLIO has to know, like patron groups and departments, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from patronload.folding import fold
from patronload.systems.folio import FolioTarget
from patronload.targets.delivery import Problem, Record
from patronload.targets.folio import own_rules
from patronload.targets.folio.field_formats import misfit
from patronload.targets.folio.findings import Finding
from patronload.targets.folio.left_out import LeftOut
from patronload.targets.folio.reference_data import CONTACT_TYPES, Reference
from patronload.targets.folio.shown_values import Shown, are_too_many, describe, may_be_shown

USER_TYPES = ("patron", "staff", "shadow", "system", "dcb")
"""FOLIO: mod-users UserTenantService; in a consortium no other type is taken, in this spelling."""

CONTACT_TYPE = "personal.preferredContactTypeId"


class Values:
    """Counts the values of a load that FOLIO has to know."""

    def __init__(self, target: FolioTarget, reference: Reference) -> None:
        self.target = target
        self.reference = reference
        self.unknown: dict[str, Counter[str]] = {}
        self.dropped: dict[str, Counter[str]] = {}
        self._stopping: set[str] = set()
        """The kinds of unknown values that stop the run."""
        self.departments: Counter[str] = Counter()
        """To be created: names of departments, with the rows that have them."""
        self.options: dict[str, Counter[str]] = {}
        """To be created: options of each custom field, with their rows."""
        self._codes: dict[str, str] = {}
        """The codes of departments that may be created, by name."""
        self._left_out = LeftOut(target, reference, self._could_create_department, self._may_create_option)
        self._taken = {fold(one) for entry in reference.departments.values() for one in _name_and_code(entry)}

    def without_dropped(self, ours: Record) -> tuple[Record, tuple[str, ...]]:
        """
        A patron of the file without the values that FOLIO would drop or that are left out, and the fields that lost
        theirs; see LeftOut.

        What FOLIO has in their place is kept, whatever a blank cell would do.

        FOLIO: UserDataProcessingService leaves out addresses and contact types whose names it does not know.
        """
        ours, gone = self._left_out.without(ours)
        personal = dict(ours.get("personal") or {})
        contact, given = personal.get("preferredContactTypeId"), personal.get("addresses", [])
        addresses = [address for address in given if self._has_type(address)]
        if contact is not None and str(contact).lower() not in CONTACT_TYPES:
            self._count(self.dropped, "contact type", str(contact))
            del personal["preferredContactTypeId"]
            return ours | {"personal": personal | {"addresses": addresses}}, (CONTACT_TYPE, *gone)
        if len(addresses) == len(given):
            return ours, gone
        return ours | {"personal": personal | {"addresses": addresses}}, gone

    def problems(self, record: Record) -> list[Problem]:
        """Why FOLIO would refuse a merged record, as far as this is known without asking it."""
        before = len(self._codes)
        found = [
            *own_rules.of_id(record),
            *self._of_group(record),
            *self._of_departments(record),
            *self._of_custom_fields(record),
            *self._of_type(record),
            *self._of_preference(record),
            *own_rules.of_email_communication(record),
        ]
        if found:
            self._forget_codes(before)
        return found

    @property
    def may_create(self) -> bool:
        """Whether records may need something that FOLIO does not have yet."""
        return bool(self._codes) or "options" in self.target.create

    def create_for(self, records: Iterable[Record]) -> None:
        """These records are sent: what they need, and only that, is to be created."""
        for record in records:
            self.departments.update(name for name in record.get("departments", ()) if name in self._codes)
            for key, value in record.get("customFields", {}).items():
                if new := [option for option in _options(value) if self._is_new_option(key, option)]:
                    self.options.setdefault(key, Counter()).update(new)

    def to_create(self) -> dict[str, Any]:
        """The values that `post` creates before the first patron, see Target.prepare; none of a kind with too many."""
        departments = [] if are_too_many(self.departments) else list(self.departments)
        return {
            "departments": [{"name": name, "code": self._codes[name]} for name in departments],
            "options": {key: list(names) for key, names in self.options.items() if not are_too_many(names)},
        }

    def findings(self) -> list[Finding]:
        """All findings, one line each."""
        found = [
            self._finding(kind, counter, "stop" if kind in self._stopping else "reject", self._stored_spellings(kind))
            for kind, counter in self.unknown.items()
        ]
        found += [
            self._finding(kind, counter, "leave out", self._stored_spellings(kind))._replace(effect="warn")
            for kind, counter in self._left_out.counts.items()
        ]
        found += [
            self._finding(kind, counter, self.target.dropped_values, self._stored_spellings(kind))
            for kind, counter in self.dropped.items()
        ]
        if self.departments:
            effect, told, more = _creation(self.departments)
            found.append(
                Finding("department", effect, f"Departments to be created in FOLIO: {told.sentence}{more}", told.values)
            )
        for key, names in self.options.items():
            effect, told, more = _creation(names)
            found.append(
                Finding(
                    "option",
                    effect,
                    f"Options to be added to the custom field '{key}' in FOLIO: {told.sentence}{more}",
                    told.values,
                )
            )
        return found

    def _of_group(self, record: Record) -> Iterable[Problem]:
        group = record.get("patronGroup")
        if group is not None and group not in self.reference.groups:
            yield self._unknown("patronGroup", "patron group", group)

    def _of_departments(self, record: Record) -> Iterable[Problem]:
        for name in record.get("departments", ()):
            if name not in self.reference.departments and not self._may_create_department(name):
                yield self._unknown("departments", "department", name)

    def _of_custom_fields(self, record: Record) -> Iterable[Problem]:
        for key, value in record.get("customFields", {}).items():
            if key not in self.reference.custom_fields:
                yield self._unknown(f"customFields.{key}", "custom field", key)
            elif words := misfit(self.reference.custom_fields[key], value):
                yield Problem(f"customFields.{key}", str(value), words)
            elif key in self.reference.options and isinstance(value, str | list):
                for option in _options(value):
                    if option not in self.reference.options[key] and not self._may_create_option(option):
                        yield self._unknown(f"customFields.{key}", f"option of the custom field '{key}'", option)

    def _of_type(self, record: Record) -> Iterable[Problem]:
        if self.target.member_of and record["type"] not in USER_TYPES:
            yield self._unknown("type", "type of user", record["type"])

    def _of_preference(self, record: Record) -> Iterable[Problem]:
        yield from own_rules.of_preference(record)
        point = (record.get("requestPreference") or {}).get("defaultServicePointId")
        if point is not None and point not in self.reference.service_points:
            yield self._unknown("requestPreference.defaultServicePointId", "service point", point)

    def _has_type(self, address: Record) -> bool:
        name = address.get("addressTypeId")
        if name not in self.reference.address_types:
            self._count(self.dropped, "address type", str(name or ""))
            return False
        return True

    def _may_create_department(self, name: str) -> bool:
        """Only one that is new in name and code: an import that finds the code would rename the department."""
        if not self._could_create_department(name):
            return False
        if name not in self._codes:
            self._codes[name] = _code(name)
            self._taken |= {fold(name), fold(_code(name))}
        return True

    def _could_create_department(self, name: str) -> bool:
        if "departments" not in self.target.create or not may_be_shown(name):
            return False
        return name in self._codes or self._taken.isdisjoint((fold(name), fold(_code(name))))

    def _forget_codes(self, before: int) -> None:
        """The row that wanted the last departments is not sent; someone else may want them spelt otherwise."""
        for name in list(self._codes)[before:]:
            self._taken -= {fold(name), fold(self._codes.pop(name))}

    def _may_create_option(self, option: str) -> bool:
        return "options" in self.target.create and bool(option.strip()) and may_be_shown(option)

    def _is_new_option(self, key: str, option: str) -> bool:
        known = self.reference.options.get(key)
        return known is not None and option not in known

    def _unknown(self, field: str, kind: str, value: str) -> Problem:
        self._count(self.unknown, kind, value)
        if self.target.unknown_value(field) == "stop":
            self._stopping.add(kind)
        return Problem(field, value, f"FOLIO does not know the {kind}")

    def _count(self, counters: dict[str, Counter[str]], kind: str, value: str) -> None:
        counters.setdefault(kind, Counter())[value] += 1

    def _stored_spellings(self, kind: str) -> dict[str, str]:
        """FOLIO's values by folded spelling, to find a slip of case or accent."""
        lists: dict[str, Iterable[str]] = {
            "patron group": self.reference.groups,
            "department": self.reference.departments,
            "custom field": self.reference.custom_fields,
            "address type": self.reference.address_types,
            "service point": self.reference.service_point_names,
        }
        return {fold(name): name for name in lists.get(kind, ())}

    def _finding(self, kind: str, counter: Counter[str], effect: str, known: dict[str, str]) -> Finding:
        what = {
            "reject": "These rows are rejected.",
            "stop": "The tenant file says to stop.",
            "leave out": "The tenant file says to leave it out; the patrons are loaded without it.",
            "warn": "FOLIO would drop it silently, so it is left out; the patrons are loaded without it.",
        }[effect]
        told = describe(counter, known)
        between = "" if told.values else ":"
        return Finding(kind, effect, f"FOLIO does not know the {kind}{between} {told.sentence} {what}", told.values)


def _options(value: Any) -> Iterable[str]:
    """The options that a custom field's value names."""
    return [value] if isinstance(value, str) else value if isinstance(value, list) else []


TOO_MANY_TO_CREATE = (
    " These are too many to create. If the column is right, create them in FOLIO by hand; if not, correct the mapping."
)


def _creation(counter: Counter[str]) -> tuple[str, Shown, str]:
    """The finding about new values: its effect, the description of the values, and advice."""
    told = describe(counter, {})
    return ("stop", told, TOO_MANY_TO_CREATE) if are_too_many(counter) else ("create", told, "")


def _code(name: str) -> str:
    """The code of a department that is created."""
    return name.upper().replace(" ", "_")


def _name_and_code(entry: Record) -> Iterable[str]:
    return (entry[key] for key in ("name", "code") if entry.get(key))
