"""Generate a FOLIO with users, an export, and a mapping with an ownership policy."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sandbox.folio import Store
from sandbox.folio.reference import departments, made_up_id, select_field, text_field

User = dict[str, Any]

MARK = "qzx"
"""Part of every generated name, address and id, so that a report or a plan that quotes a patron is detected."""

LONG_AGO = "2020-01-01T00:00:00.000+00:00"
GROUPS = ("faculty", "graduate", "staff", "undergrad")
DEPARTMENTS = ("Biology", "History", "Music", "Physics")
CAMPUSES = ("Main campus", "Riverside")
CLUBS = ("Chess", "Choir", "Rowing")
ZONES = ("America/Chicago", "Europe/Dublin", "UTC", "Australia/Sydney")
OWNERS = ("campus", "library", "first")

FOLIO_TENANT = "campaign"

PROTECTING: dict[str, Any] = {f"keep{MARK}": "all", f"phone{MARK}": ["personal.phone"]}
"""Tags by which a library protects users from its loads."""

COLUMNS = (
    "ID", "LOGIN", "CARD", "GROUP", "LAST", "FIRST", "PREFERRED", "EMAIL", "PHONE", "STREET", "CITY", "WORKSTREET",
    "DEPTS", "CAMPUS", "CLUBS", "NOTE", "EXPIRES", "ENROLLED", "BORN", "TAGS", "ACTIVE",
)  # fmt: skip

ALWAYS: dict[str, Any] = {
    "externalSystemId": {"column": "ID", "required": True},
    "username": {"column": "LOGIN", "required": True},
    "patronGroup": "GROUP",
    "personal.lastName": {"column": "LAST", "required": True},
}

SOMETIMES: tuple[dict[str, Any], ...] = (
    {"barcode": "CARD"},
    {"personal.firstName": "FIRST"},
    {"personal.preferredFirstName": "PREFERRED"},
    {"personal.email": "EMAIL"},
    {"personal.phone": "PHONE"},
    {"personal.preferredContactTypeId": {"value": "email"}},
    {"personal.dateOfBirth": {"column": "BORN", "date": "%Y-%m-%d"}},
    {"enrollmentDate": {"column": "ENROLLED", "date": "%Y-%m-%d"}},
    {"expirationDate": {"column": "EXPIRES", "date": "%Y-%m-%d"}},
    {"departments": {"column": "DEPTS", "split": ";"}},
    {"customFields.campus": "CAMPUS"},
    {"customFields.clubs": {"column": "CLUBS", "split": ";"}},
    {"customFields.note": "NOTE"},
    {"tags.tagList": {"column": "TAGS", "split": ";"}},
    {"type": {"value": "patron"}},
    {"requestPreference.holdShelf": {"value": True}, "requestPreference.delivery": {"value": False}},
)

HOME: dict[str, Any] = {
    "personal.addresses[0].addressTypeId": {"value": "Home"},
    "personal.addresses[0].addressLine1": "STREET",
    "personal.addresses[0].city": "CITY",
}
WORK: dict[str, Any] = {
    "personal.addresses[1].addressTypeId": {"value": "Work"},
    "personal.addresses[1].addressLine1": "WORKSTREET",
}
ACTIVE: tuple[dict[str, Any], ...] = (
    {"active": {"value": True}},
    {"active": {"column": "ACTIVE", "lookup": "yes_no"}},
    {},
)

OWNABLE = (
    "barcode", "patronGroup", "personal", "personal.firstName", "personal.email", "personal.phone",
    "personal.addresses", "personal.addresses[0]", "personal.preferredFirstName", "personal.preferredContactTypeId",
    "departments", "customFields", "customFields.note", "customFields.campus", "tags", "expirationDate", "active",
    "type", "requestPreference",
)  # fmt: skip


class Edit(NamedTuple):
    """An edit by a librarian in FOLIO after the plan: a field of a stored user, which no mapping fills."""

    user_id: str
    inside: str
    name: str
    value: Any


class Row(NamedTuple):
    """A row of the export: its number as a spreadsheet shows it, and its cells by column."""

    number: int
    cells: dict[str, str]


@dataclass
class World:
    """The data of one run."""

    seed: int
    zone: ZoneInfo
    source_type: str | None
    chunk_size: int
    blank_cells: str
    staff: dict[str, str]
    same_email: str
    protects: bool
    """Whether a tag protects users, and another one their phone numbers."""
    fields: dict[str, Any]
    ownership: dict[str, str]
    rows: list[Row]
    stored: list[User]
    preferences: list[User]
    edits: list[Edit] = field(default_factory=list)
    """Edits made by hand after the plan."""
    refused: set[int] = field(default_factory=set)
    """Rows whose barcodes are then given to another user, so that FOLIO refuses them."""
    keeps_created_date: bool = True
    """Whether an update leaves createdDate alone. FOLIO: mod-users since 19.6."""
    takes_over: bool = False
    """Whether the load takes over users without an externalSystemId."""
    late_seconds: float = 0.0
    """How long FOLIO continues after it has reported a refused update."""
    duplicates: set[int] = field(default_factory=set)
    """Rows that validate rejects: a unique value is in the file twice."""

    columns = COLUMNS

    def tenant(self) -> dict[str, Any]:
        """The target section of the tenant file."""
        target = {
            "type": "folio",
            "connection": "campaign_folio",
            "folio_tenant": FOLIO_TENANT,
            "chunk_size": self.chunk_size,
            "blank_cells": self.blank_cells,
            "staff": self.staff,
            "same_email": self.same_email,
            "protected": {"tags": PROTECTING} if self.protects else {},
            "match": {"users_without_id": ["barcode", "username"]} if self.takes_over else {},
            **({"source_type": self.source_type} if self.source_type else {}),
        }
        return {"mapping": "folio/campaign", "timezone": self.zone.key, "target": target}

    @property
    def prefix(self) -> str:
        """The prefix that FOLIO puts before each externalSystemId."""
        return f"{self.source_type}_" if self.source_type else ""

    def edited(self) -> World:
        """The world as if all edits had been made before the load."""
        users = deepcopy(self.stored)
        _edit({user["id"]: user for user in users}, self.edits)
        return replace(self, stored=users)

    def edit(self, store: Store) -> None:
        """Make the edits."""
        users = {edit.user_id: store.users.get(edit.user_id) for edit in self.edits}
        found = {name: deepcopy(user) for name, user in users.items() if user}
        _edit(found, self.edits)
        for user in found.values():
            store.users.put(user)

    def fill(self, store: Store) -> None:
        """Put the users and the reference data into a FOLIO."""
        store.upgrade("mod-users", "19.6.0" if self.keeps_created_date else "19.5.4")
        for department in departments(*DEPARTMENTS):
            store.departments.put(department)
        for custom_field in custom_fields():
            store.custom_fields.put(custom_field)
        for user in self.stored:
            store.users.put(user)
            store.permission_users.put({"id": made_up_id("pu", user["id"]), "userId": user["id"], "permissions": []})
        for preference in self.preferences:
            store.preferences.put(preference)

    def csv(self) -> bytes:
        """The export. No cell needs quotes."""
        lines = [",".join(COLUMNS), *(",".join(row.cells.get(name, "") for name in COLUMNS) for row in self.rows)]
        return ("\n".join(lines) + "\n").encode()

    def mapping(self) -> dict[str, Any]:
        """The mapping file."""
        lookups = {"yes_no": {"Y": True, "N": False}} if "lookup" in str(self.fields.get("active")) else {}
        return {"target": "folio", "fields": self.fields, "ownership": self.ownership, "lookups": lookups}


def custom_fields() -> list[User]:
    """The tenant's custom fields."""
    return [
        select_field("campus", "Campus", list(CAMPUSES)),
        select_field("clubs", "Clubs", list(CLUBS), multiple=True),
        text_field("note", "Note"),
        text_field("locker", "Locker"),
    ]


def make(seed: int) -> World:
    """The world of a seed; the same for the same seed."""
    chance = random.Random(seed)
    fields = _fields(chance)
    ownership = _ownership(chance, fields)
    world = World(
        seed=seed,
        zone=ZoneInfo(chance.choice(ZONES)),
        source_type=chance.choice([None, "banner"]),
        chunk_size=chance.choice([20, 40, 90, 250]),
        blank_cells=chance.choice(["keep", "keep", "erase"]),
        staff={},
        same_email="report",
        protects=False,
        fields=fields,
        ownership=ownership,
        rows=[],
        stored=[],
        preferences=[],
    )
    _people(world, chance, chance.randint(200, 300))
    _add_policies(world, random.Random(seed * 104729 + 7))
    return world


def _edit(users: dict[str, User], edits: list[Edit]) -> None:
    for edit in edits:
        user = users[edit.user_id]
        holder = user.setdefault(edit.inside, {}) if edit.inside else user
        holder[edit.name] = edit.value


def _add_policies(world: World, chance: random.Random) -> None:
    """The tenant file's settings for staff and protected users, and users with the tags that protect them."""
    world.staff = chance.choice([{}, {}, {"expirationDate": "load"}, {"active": "load", "patronGroup": "load"}])
    world.same_email = chance.choice(["report", "reject", "ignore"])
    world.protects = chance.random() < 0.5  # noqa: PLR2004 - in every second run
    for user in world.stored:
        if chance.random() < 0.05:  # noqa: PLR2004 - one in twenty
            tags = user.setdefault("tags", {"tagList": []})["tagList"]
            tags.append(chance.choice(list(PROTECTING)))


def _fields(chance: random.Random) -> dict[str, Any]:
    fields = dict(ALWAYS) | chance.choice(ACTIVE)
    for some in SOMETIMES:
        if chance.random() < 0.7:  # noqa: PLR2004 - most of them, mostly
            fields |= some
    if chance.random() < 0.7:  # noqa: PLR2004 - as above
        fields |= HOME | (WORK if chance.random() < 0.5 else {})  # noqa: PLR2004 - one in two
    return fields


def _ownership(chance: random.Random, fields: dict[str, Any]) -> dict[str, str]:
    paths = [
        path for path in OWNABLE if any(name == path or name.startswith((f"{path}.", f"{path}[")) for name in fields)
    ]
    return {path: chance.choice(OWNERS) for path in chance.sample(paths, chance.randint(0, min(6, len(paths))))}


def _people(world: World, chance: random.Random, count: int) -> None:
    for number in range(1, count + 1):
        cells = _cells(chance, number)
        world.rows.append(Row(number + 1, cells))
        if chance.random() < 0.6:  # noqa: PLR2004 - most are known
            _store(world, chance, cells["ID"], number)
    for number in range(count + 1, count + 40):
        _store(world, chance, f"X{MARK}{number}", number)
    _add_troubles(world, chance)


def _cells(chance: random.Random, number: int) -> dict[str, str]:
    def sometimes(text: str, share: float = 0.8) -> str:
        return text if chance.random() < share else ""

    return {
        "ID": f"{MARK}{number:05}",
        "LOGIN": f"login{MARK}{number}",
        "CARD": sometimes(f"29{MARK}{number:06}", 0.95),
        "GROUP": chance.choice(GROUPS),
        "LAST": f"Ó Last{MARK}{number}",
        "FIRST": sometimes(f"Zoë{MARK}{chance.randint(1, 3)}"),
        "PREFERRED": sometimes(f"Pref{MARK}{number}", 0.3),
        "EMAIL": sometimes(f"mail{MARK}{number}@example.edu", 0.9),
        "PHONE": sometimes(f"+36 {MARK} {number}"),
        "STREET": sometimes(f"{number} Elm {MARK} Street"),
        "CITY": sometimes(f"City{MARK}{chance.randint(1, 2)}", 0.6),
        "WORKSTREET": sometimes(f"{number} Work {MARK} Road", 0.5),
        "DEPTS": ";".join(chance.sample(DEPARTMENTS, chance.randint(0, 2))),
        "CAMPUS": sometimes(chance.choice(CAMPUSES), 0.7),
        "CLUBS": ";".join(chance.sample(CLUBS, chance.randint(0, 2))),
        "NOTE": sometimes(f"note {MARK} {number}", 0.5),
        "EXPIRES": sometimes(chance.choice(["2031-08-31", "2032-02-29", "2021-01-31"]), 0.85),
        "ENROLLED": sometimes("2024-09-01", 0.7),
        "BORN": sometimes("2001-02-03", 0.5),
        "TAGS": sometimes(f"tag{MARK}", 0.3),
        "ACTIVE": sometimes(chance.choice("YYYN"), 0.9),
    }


def _store(world: World, chance: random.Random, key: str, number: int) -> None:
    """A user who has been in FOLIO for a long time, with data from the library."""
    spelt = key.upper() if chance.random() < 0.05 else key  # noqa: PLR2004 - one in twenty
    user: User = {
        "id": made_up_id("user", f"{world.seed}/{number}"),
        "externalSystemId": f"{world.prefix}{spelt}",
        "username": f"login{MARK}{number}" if chance.random() < 0.9 else f"old{MARK}{number}",  # noqa: PLR2004
        "active": chance.random() < 0.85,  # noqa: PLR2004 - most are
        "type": chance.choices(["patron", "staff", "system", None], [90, 4, 2, 4])[0],
        "patronGroup": _group(chance.choice(GROUPS)),
        "departments": [made_up_id("department", name) for name in chance.sample(DEPARTMENTS, chance.randint(0, 2))],
        "proxyFor": [],
        "preferredEmailCommunication": chance.choice([[], ["Support"], ["Programs", "Services"]]),
        "personal": _personal(chance, number),
        "createdDate": LONG_AGO,
        "updatedDate": LONG_AGO,
        "metadata": {"createdDate": LONG_AGO, "updatedDate": LONG_AGO},
    }
    if chance.random() < 0.9:  # noqa: PLR2004 - most have a card
        user["barcode"] = f"29{MARK}{number:06}" if chance.random() < 0.9 else f"old29{MARK}{number}"  # noqa: PLR2004
    for name, value in (
        ("expirationDate", chance.choice(["2030-06-30T23:59:59.000+00:00", "2022-06-30T00:00:00.000+00:00"])),
        ("enrollmentDate", "2023-09-01T00:00:00.000+00:00"),
        ("tags", {"tagList": [f"kept{MARK}"]}),
        ("customFields", _custom_values(chance, number)),
    ):
        if chance.random() < 0.6:  # noqa: PLR2004 - many have it
            user[name] = value
    world.stored.append({name: value for name, value in user.items() if value is not None})
    if chance.random() < 0.3:  # noqa: PLR2004 - some have one
        world.preferences.append(_preference(chance, user))


def _personal(chance: random.Random, number: int) -> User:
    personal: User = {"lastName": f"Before{MARK}{number}", "addresses": []}
    for name, value in (
        ("firstName", f"Old{MARK}"),
        ("middleName", f"M{MARK}"),
        ("preferredFirstName", f"Chosen{MARK}{number}"),
        ("pronouns", "they/them"),
        ("email", f"old{MARK}{number}@example.edu"),
        ("phone", f"{MARK}555"),
        ("mobilePhone", f"{MARK}556"),
        ("preferredContactTypeId", chance.choice(["001", "002", "004"])),
        ("profilePictureLink", f"https://pictures.example/{MARK}"),
        ("dateOfBirth", "2000-01-01T00:00:00.000+00:00"),
    ):
        if chance.random() < 0.5:  # noqa: PLR2004 - half of them
            personal[name] = value
    for name in ("Home", "Work", "Claim"):
        if chance.random() < 0.4:  # noqa: PLR2004 - some
            address = {"addressTypeId": _address_type(name), "addressLine1": f"{number} Old {MARK}", "countryId": "IE"}
            personal["addresses"].append(address | ({"city": f"Old{MARK}"} if chance.random() < 0.5 else {}))  # noqa: PLR2004
    return personal


def _custom_values(chance: random.Random, number: int) -> User:
    values = {"campus": "opt_1", "clubs": ["opt_0", "opt_2"], "note": f"old {MARK} {number}", "locker": f"{MARK}7"}
    return {name: value for name, value in values.items() if chance.random() < 0.6}  # noqa: PLR2004 - many


def _preference(chance: random.Random, user: User) -> User:
    preference: User = {"id": made_up_id("preference", user["id"]), "userId": user["id"], "holdShelf": True}
    homes = [address for address in user["personal"]["addresses"] if address["addressTypeId"] == _address_type("Claim")]
    if homes and chance.random() < 0.6:  # noqa: PLR2004 - some
        delivery = {"delivery": True, "fulfillment": "Delivery", "defaultDeliveryAddressTypeId": _address_type("Claim")}
        return preference | delivery
    return preference | {"delivery": False, "defaultServicePointId": "3a40852d-49fd-4df2-a1f9-6e2641a6e91f"}


_BY_NAME = Store()


def _group(name: str) -> str:
    found = _BY_NAME.groups.find("group", name)
    assert found
    return str(found["id"])


def _address_type(name: str) -> str:
    found = _BY_NAME.address_types.find("addressType", name)
    assert found
    return str(found["id"])


def _add_troubles(world: World, chance: random.Random) -> None:
    """Rows that cannot be loaded, or only in a certain order: unknown values, duplicates, keys of others, swaps."""
    rows = chance.sample(world.rows, min(60, len(world.rows)))
    stored = {user["externalSystemId"].removeprefix(world.prefix).lower(): user for user in world.stored}
    known = [row for row in rows if row.cells["ID"].lower() in stored]
    new = [row for row in rows if row.cells["ID"].lower() not in stored]
    strangers = [user for user in world.stored if f"X{MARK}" in user["externalSystemId"]]
    some = [*known[:12], *new[:8]]
    chance.shuffle(some)
    for row in some[:6]:
        row.cells[chance.choice(["GROUP", "DEPTS", "CAMPUS", "CLUBS"])] = "Nowhere"
    for row in some[6:9]:
        row.cells["CARD"] = chance.choice(strangers).get("barcode", "")
    for row in some[9:11]:
        row.cells["LOGIN"] = chance.choice(strangers)["username"].upper()
    for first, second in (some[11:13],):
        first.cells["CARD"], second.cells["CARD"] = second.cells["CARD"], first.cells["CARD"]
    for giver, taker in (some[13:15], some[15:17]):
        taker.cells["CARD"] = stored.get(giver.cells["ID"].lower(), giver.cells).get("barcode", giver.cells["CARD"])
        giver.cells["CARD"] = f"new29{MARK}{giver.number}"
    for row, twin in (some[17:19],):
        row.cells["LOGIN"] = twin.cells["LOGIN"].upper()
    for row, twin in zip(known[12:14], new[11:13], strict=False):
        twin.cells["CARD"] = row.cells["CARD"].upper()
    if chance.random() < 0.5 and new[9:10]:  # noqa: PLR2004 - one in two
        new[9].cells["LOGIN"] = strangers[0]["username"]
    if chance.random() < 0.5 and new[10:11] and strangers[1]["personal"].get("email"):  # noqa: PLR2004
        new[10].cells["EMAIL"] = strangers[1]["personal"]["email"]
