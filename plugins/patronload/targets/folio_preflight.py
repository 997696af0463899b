"""
Ask FOLIO, before anything is sent, whether it can take a load: permissions, modules, and the values it has to know.

All that is found is told at once. A value that FOLIO does not know is one line with its number of rows, not a thousand
failed users.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from patronload.errors import TargetError
from patronload.folding import fold
from patronload.systems.folio import FolioTarget
from patronload.targets.delivery import Problem, Record
from patronload.targets.folio import Folio
from patronload.targets.folio_merge import DELIVERY
from patronload.targets.folio_reference import CONTACT_TYPES, LISTS, Reference, misfit

Got = TypeVar("Got")

USER_TYPES = ("patron", "staff", "shadow", "system", "dcb")
"""FOLIO: mod-users UserTenantService; in a consortium no other type is taken, in this spelling."""

MOST_VALUES = 20
"""More different unknown values than this tell of a wrong column, not of a forgotten code; they are only counted."""

LONGEST_VALUE = 60

CONTACT_TYPE = "personal.preferredContactTypeId"


class Drift(NamedTuple):
    """A property of users that mod-users has since a version and mod-user-import can read since another."""

    property: str
    users: tuple[int, int, int]
    user_import: tuple[int, int, int]
    everybody: bool
    """Whether practically every user has it, so that practically every update would fail."""


DRIFTS = (
    Drift("personal.preferredContactTypeIds", (19, 7, 0), (3, 12, 0), everybody=True),
    Drift("personal.pronouns", (19, 5, 0), (3, 10, 2), everybody=False),
)
"""FOLIO: NEWS.md of both modules; mod-user-import 3.11.0, the newest that is known here, cannot read the first."""


class Finding(NamedTuple):
    """A line of the report. effect: reject (the rows), warn, stop (the run), create; values: with their rows."""

    kind: str
    effect: str
    sentence: str
    values: list[dict[str, Any]]


class Permissions:
    """Collects what the user of the connection may not do, instead of stopping at the first."""

    def __init__(self) -> None:
        self.errors: list[TargetError] = []

    def attempt(self, work: Callable[[], Got], otherwise: Got) -> Got:
        """What `work` gives, or `otherwise` after a refusal, which is kept."""
        try:
            return work()
        except TargetError as error:
            self.errors.append(error)
            return otherwise

    def check(self) -> None:
        """Raises one TargetError for all refusals."""
        sentences = list(dict.fromkeys(str(error) for error in self.errors))
        if sentences:
            raise TargetError(" ".join(sentences))


def reference(folio: Folio, permissions: Permissions) -> Reference:
    """All lists of the tenant; one that the user may not read is empty."""
    empty: dict[str, Record] = {}
    return Reference(
        **{name: permissions.attempt(partial(folio.names, *where), empty) for name, where in LISTS.items()}
    )


def drifts(folio: Folio) -> tuple[list[Drift], list[str]]:
    """The properties that FOLIO's user import cannot read here, by the modules' versions; and warnings."""
    try:
        modules = folio.modules()
    except TargetError:
        return [], ["FOLIO does not tell its modules' versions, so they could not be compared."]
    users, user_import = _version(modules, "mod-users"), _version(modules, "mod-user-import")
    if users is None or user_import is None:
        return [], []
    return [drift for drift in DRIFTS if users >= drift.users and user_import < drift.user_import], []


def drift_findings(found: Iterable[Drift], filled: Iterable[str]) -> list[Finding]:
    """What such a pair of versions means for a mapping that fills these fields."""
    fields = list(filled)
    return [
        Finding(
            "module versions",
            "stop" if drift.everybody or drift.property in fields else "warn",
            f"FOLIO's modules do not fit each other: mod-users {_dotted(drift.users)} and later keeps "
            f"{drift.property}, which mod-user-import before {_dotted(drift.user_import)} cannot read; "
            f"{'nearly every update' if drift.everybody else 'updates of users who have it'} would fail. "
            "Ask FOLIO's administrator for a mod-user-import that fits.",
            [],
        )
        for drift in found
    ]


class Values:
    """What the patrons of a load need FOLIO to know, counted value by value."""

    def __init__(self, target: FolioTarget, reference: Reference) -> None:
        self.target = target
        self.reference = reference
        self.unknown: dict[str, Counter[str]] = {}
        self.dropped: dict[str, Counter[str]] = {}
        self.departments: dict[str, str] = {}
        """To be created: each code by the department's name."""
        self.options: dict[str, list[str]] = {}
        """To be created: the options of each custom field."""
        self._taken = {fold(one) for entry in reference.departments.values() for one in _name_and_code(entry)}

    def without_dropped(self, ours: Record) -> tuple[Record, tuple[str, ...]]:
        """
        A patron of the file without the values that FOLIO would drop, and the fields that lost theirs.

        What FOLIO has in their place is kept, whatever a blank cell would do.

        FOLIO: UserDataProcessingService leaves out addresses and contact types whose names it does not know.
        """
        personal = dict(ours.get("personal") or {})
        contact, given = personal.get("preferredContactTypeId"), personal.get("addresses", [])
        addresses = [address for address in given if self._has_type(address)]
        if contact is not None and str(contact).lower() not in CONTACT_TYPES:
            self._count(self.dropped, "contact type", str(contact))
            del personal["preferredContactTypeId"]
            return ours | {"personal": personal | {"addresses": addresses}}, (CONTACT_TYPE,)
        if len(addresses) == len(given):
            return ours, ()
        return ours | {"personal": personal | {"addresses": addresses}}, ()

    def problems(self, record: Record) -> list[Problem]:
        """Why FOLIO would refuse a merged record, as far as that can be told without asking it."""
        return [
            *self._of_group(record),
            *self._of_departments(record),
            *self._of_custom_fields(record),
            *self._of_type(record),
            *self._of_preference(record),
        ]

    def findings(self) -> list[Finding]:
        """All that was counted, in lines."""
        stop = self.target.unknown_values == "stop"
        found = [
            self._finding(kind, counter, "stop" if stop else "reject", self._known(kind))
            for kind, counter in self.unknown.items()
        ]
        found += [
            self._finding(kind, counter, self.target.dropped_values, self._known(kind))
            for kind, counter in self.dropped.items()
        ]
        if self.departments:
            names = ", ".join(f"'{name}'" for name in self.departments)
            found.append(Finding("department", "create", f"Departments to be created in FOLIO: {names}.", []))
        found += [
            Finding(
                "option", "create", f"Options to be added to the custom field '{key}' in FOLIO: {', '.join(names)}.", []
            )
            for key, names in self.options.items()
        ]
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
                for option in [value] if isinstance(value, str) else value:
                    if option not in self.reference.options[key] and not self._may_create_option(key, option):
                        yield self._unknown(f"customFields.{key}", f"option of the custom field '{key}'", option)

    def _of_type(self, record: Record) -> Iterable[Problem]:
        if self.target.member_of and record["type"] not in USER_TYPES:
            yield self._unknown("type", "type of user", record["type"])

    def _of_preference(self, record: Record) -> Iterable[Problem]:
        """FOLIO: mod-user-import UserRequestManagerValidator; it would fail the patron after having changed it."""
        preference = record.get("requestPreference")
        if preference is None:
            return
        point = preference.get("defaultServicePointId")
        if preference["holdShelf"] is not True:
            yield Problem("requestPreference.holdShelf", "false", "FOLIO insists on holdShelf: true")
        if point is not None and point not in self.reference.service_points:
            yield self._unknown("requestPreference.defaultServicePointId", "service point", point)
        if preference["delivery"]:
            yield from self._of_delivery(preference, record)

    def _of_delivery(self, preference: Record, record: Record) -> Iterable[Problem]:
        for name in DELIVERY:
            if preference.get(name) is None:
                yield Problem(f"requestPreference.{name}", "", f"a request preference with delivery needs {name}")
        wanted = preference.get(DELIVERY[1])
        types = [address.get("addressTypeId") for address in (record.get("personal") or {}).get("addresses", ())]
        if wanted is not None and wanted not in types:
            words = "the request preference delivers to an address type that the patron has no address of"
            yield Problem(f"requestPreference.{DELIVERY[1]}", wanted, words)

    def _has_type(self, address: Record) -> bool:
        name = address.get("addressTypeId")
        if name not in self.reference.address_types:
            self._count(self.dropped, "address type", str(name or ""))
            return False
        return True

    def _may_create_department(self, name: str) -> bool:
        """Only one that is new in name and code: an import that finds the code would rename the department."""
        if "departments" not in self.target.create:
            return False
        if name not in self.departments:
            code = name.upper().replace(" ", "_")
            if fold(name) in self._taken or fold(code) in self._taken:
                return False
            self.departments[name] = code
            self._taken |= {fold(name), fold(code)}
        return True

    def _may_create_option(self, key: str, option: str) -> bool:
        if "options" not in self.target.create or not option.strip():
            return False
        known = self.options.setdefault(key, [])
        if option not in known:
            known.append(option)
        return True

    def _unknown(self, field: str, kind: str, value: str) -> Problem:
        self._count(self.unknown, kind, value)
        return Problem(field, value, f"FOLIO does not know the {kind}")

    def _count(self, counters: dict[str, Counter[str]], kind: str, value: str) -> None:
        counters.setdefault(kind, Counter())[value] += 1

    def _known(self, kind: str) -> dict[str, str]:
        """What FOLIO has, by its folded spelling, to find a slip of case or accent."""
        lists: dict[str, Iterable[str]] = {
            "patron group": self.reference.groups,
            "department": self.reference.departments,
            "custom field": self.reference.custom_fields,
            "address type": self.reference.address_types,
        }
        return {fold(name): name for name in lists.get(kind, ())}

    def _finding(self, kind: str, counter: Counter[str], effect: str, known: dict[str, str]) -> Finding:
        rows = sum(counter.values())
        listed = [(value, count) for value, count in counter.most_common() if _may_be_shown(value)]
        what = {
            "reject": "These rows are rejected.",
            "stop": "The tenant file says to stop.",
            "warn": "FOLIO would drop it without a word, so it is left out; the patrons are loaded without.",
        }[effect]
        if len(counter) > MOST_VALUES or not listed:
            told = f"{len(counter):,} different ones in {rows:,} rows; is the right column mapped?"
            return Finding(kind, effect, f"FOLIO does not know the {kind}: {told} {what}", [])
        told = ", ".join(_told(value, count, known) for value, count in listed)
        more = f" and {len(counter) - len(listed)} more" if len(listed) < len(counter) else ""
        values = [{"value": value, "rows": count} for value, count in listed]
        return Finding(kind, effect, f"FOLIO does not know the {kind} {told}{more}. {what}", values)


def _told(value: str, count: int, known: dict[str, str]) -> str:
    near = known.get(fold(value))
    hint = f"; FOLIO has '{near}'" if near else ""
    return f"'{value}' ({count:,} {'row' if count == 1 else 'rows'}{hint})"


def _may_be_shown(value: str) -> bool:
    """A name of a group or of a department may stand in a mail; what looks like a person's data may not."""
    return len(value) <= LONGEST_VALUE and "@" not in value and not re.search(r"\d{5}", value)


def _name_and_code(entry: Record) -> Iterable[str]:
    return (entry[key] for key in ("name", "code") if entry.get(key))


def _version(modules: Iterable[str], name: str) -> tuple[int, int, int] | None:
    for module in modules:
        if found := re.fullmatch(rf"{name}-(\d+)\.(\d+)\.(\d+).*", module):
            return int(found[1]), int(found[2]), int(found[3])
    return None


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
