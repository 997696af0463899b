"""
The expected result for each row, computed only from the export, the stored users and the policy.

Written from the documented rules, on FOLIO's stored form (ids, not names), without any of the product's code, so that
the two agree only if both are right.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, time
from typing import Any, Literal, NamedTuple

from faults.world import MARK, Row, User, World, custom_fields
from sandbox.folio import Store

Fate = Literal["load", "hold", "either"]

DEFAULTS = {
    "type": "first",
    "personal.preferredFirstName": "first",
    "personal.pronouns": "first",
    "personal.profilePictureLink": "first",
    "personal.preferredContactTypeId": "first",
    "preferredEmailCommunication": "first",
    "requestPreference": "first",
    "tags": "first",
}
PROTECTED = ("staff", "system", "shadow", "dcb")
STAFF_KEEP = ("active", "patronGroup", "expirationDate")
KEYS = ("username", "barcode")
NEVER_ERASED = ("externalSystemId", "username", "personal.lastName", "active", "type")


class Expected(NamedTuple):
    """The expected result for a row: it is loaded, held back, or either; and its user if it is loaded."""

    row: Row
    fate: Fate
    before: User | None
    user: User
    preference: User | None

    @property
    def key(self) -> str:
        """The user's externalSystemId once it is loaded."""
        return str(self.user["externalSystemId"])


def expect(world: World, store: Store) -> list[Expected]:
    """The expected result for each row of a world whose FOLIO contains `store` before the load."""
    return _Oracle(world, store).expected()


def twins(world: World) -> set[int]:
    """The rows that share a unique value with another row, compared as FOLIO does."""
    found: set[int] = set()
    for column in ("ID", "LOGIN"):
        counted = Counter(row.cells[column].lower() for row in world.rows if row.cells[column])
        found |= {row.number for row in world.rows if counted[row.cells[column].lower()] > 1}
    return found


class _Oracle:
    def __init__(self, world: World, store: Store) -> None:
        self.world = world
        self.twins = twins(world)
        self.now = datetime.now(UTC)
        self.groups = {row["group"]: row["id"] for row in store.groups}
        self.types = {row["addressType"]: row["id"] for row in store.address_types}
        self.departments = {row["name"]: row["id"] for row in store.departments}
        self.options = {
            field["refId"]: {one["value"]: one["id"] for one in field["selectField"]["options"]["values"]}
            for field in custom_fields()
            if "selectField" in field
        }
        self.stored = {user["externalSystemId"].lower(): user for user in world.stored if "externalSystemId" in user}
        self.mails = Counter(row.cells["EMAIL"].lower() for row in world.rows)
        self.by_mail: dict[str, list[User]] = {}
        for user in world.stored:
            self.by_mail.setdefault(user["personal"].get("email", "").lower(), []).append(user)
        self.preferences = {row["userId"]: row for row in world.preferences}
        self.holders = {(key, user[key].lower()): user for user in world.stored for key in KEYS if user.get(key)}

    def expected(self) -> list[Expected]:
        made = [self._one(row) for row in self.world.rows]
        fates = {one.row.number: self._own_fate(one) for one in made}
        self._share_cards(made, fates)
        self._settle(made, fates)
        return [one._replace(fate=fates[one.row.number]) for one in made]

    def _one(self, row: Row) -> Expected:
        before = self.stored.get(self._key(row).lower()) or self._taken_over(row)
        user = self._merged(row, before)
        keeps_all = before is not None and "all" in self._kept(before)
        preference = self.preferences.get(before["id"]) if before and keeps_all else self._preference(before)
        return Expected(row, "load", before, user, preference)

    def _taken_over(self, row: Row) -> User | None:
        """The user without an externalSystemId whom the row is; never staff, and no one whose ids contradict it."""
        ids = {"username": row.cells["LOGIN"], "barcode": row.cells["CARD"] if "barcode" in self.world.fields else ""}
        ids = {name: value.lower() for name, value in ids.items() if value}
        found = [self.holders[key] for key in ids.items() if key in self.holders]
        found = [user for user in found if "externalSystemId" not in user]
        if not found or not self.world.takes_over or (found[0].get("type") or "").lower() in PROTECTED:
            return None
        agrees = all(found[0].get(name, value).lower() == value for name, value in ids.items())
        return found[0] if agrees and "all" not in self._kept(found[0]) else None

    def _key(self, row: Row) -> str:
        return self.world.prefix + row.cells["ID"]

    # One row's user

    def _merged(self, row: Row, before: User | None) -> User:
        user: User = deepcopy(before) if before else {"personal": {"addresses": []}, "departments": []}
        for path in self.world.fields:
            if not path.startswith(("personal.addresses", "requestPreference", "active", "type", "externalSystemId")):
                self._lay(user, path, self._value(path, row), before)
        self._lay_addresses(user, row, before)
        user["externalSystemId"] = (before or {}).get("externalSystemId") or self._key(row)
        for key in KEYS:
            if before and before.get(key) and user.get(key) and before[key].lower() == user[key].lower():
                user[key] = before[key]
        protected = before is not None and (before.get("type") or "").lower() in PROTECTED
        if before and protected:
            user["username"] = before["username"]
        user["type"] = before["type"] if before and protected else self._type(row, before)
        if before is None or not self._kept(before):
            user["active"] = self._active(row, before, user)
            return user
        return self._as_protected(row, user, before)

    def _as_protected(self, row: Row, user: User, before: User) -> User:
        """The fields that staff keep, and those that a tag protects."""
        kept = self._kept(before)
        if "all" in kept:
            return deepcopy(before)
        for name in kept - {"active", "phone"}:
            _copy(name, before, user)
        if "phone" in kept:
            _copy("phone", before["personal"], user["personal"])
        if "active" not in kept:
            user["active"] = self._active(row, before, user)
        elif user.get("expirationDate") != before.get("expirationDate") and self._is_past(user.get("expirationDate")):
            user["active"] = False
        else:
            _copy("active", before, user)
        return user

    def _kept(self, before: User) -> set[str]:
        """The names of the fields that no load may change; `all` for the whole user."""
        kept = set()
        if (before.get("type") or "").lower() in PROTECTED:
            kept = {name for name in STAFF_KEEP if self.world.staff.get(name) != "load"}
        if self._has_tag(before, "keep"):
            kept.add("all")
        if self._has_tag(before, "phone"):
            kept |= {"phone", "tags"}
        return kept

    def _has_tag(self, user: User, beginning: str) -> bool:
        tags = (user.get("tags") or {}).get("tagList", [])
        return self.world.protects and f"{beginning}{MARK}" in tags

    def _value(self, path: str, row: Row) -> Any:  # noqa: C901, PLR0911 - one return for each kind of field
        """The row's value for a field, in FOLIO's stored form; None if there is none, or if FOLIO does not know it."""
        rule = self.world.fields.get(path)
        if rule is None:
            return None
        if isinstance(rule, dict) and "value" in rule:
            return "002" if path.endswith("preferredContactTypeId") else rule["value"]
        cell = row.cells.get(rule if isinstance(rule, str) else rule["column"], "")
        if not cell:
            return None
        if path == "active":
            return cell == "Y"
        if path == "patronGroup":
            return self.groups.get(cell)
        if path == "departments":
            return [self.departments.get(name) for name in cell.split(";")]
        if path.startswith("customFields."):
            return self._option(path.removeprefix("customFields."), cell)
        if path == "tags.tagList":
            return cell.split(";")
        if path == "expirationDate":
            return self._end_of_day(cell)
        if path in ("enrollmentDate", "personal.dateOfBirth"):
            return f"{cell}T00:00:00.000+00:00"
        return cell

    def _option(self, ref_id: str, cell: str) -> Any:
        options = self.options.get(ref_id)
        if options is None:
            return cell
        return [options.get(name) for name in cell.split(";")] if ref_id == "clubs" else options.get(cell)

    def _end_of_day(self, day: str) -> str:
        moment = datetime.combine(datetime.fromisoformat(day).date(), time(23, 59, 59), self.world.zone)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")

    def _owner(self, path: str) -> str:
        for policy in (self.world.ownership, DEFAULTS):
            part = path
            while part:
                if part in policy:
                    return policy[part]
                part = part[: max(part.rfind("."), part.rfind("["), 0)]
        return "campus"

    def _lay(self, user: User, path: str, value: Any, before: User | None) -> None:
        around, _, name = path.rpartition(".")
        holder = user.setdefault(around, {}) if around else user
        owner = self._owner(path)
        if before is None:
            if value is not None:
                holder[name] = value
        elif owner == "campus" or (owner == "first" and _empty(holder.get(name))):
            if value is not None:
                holder[name] = value
            elif owner == "campus" and self.world.blank_cells == "erase" and path not in NEVER_ERASED:
                holder.pop(name, None)

    def _lay_addresses(self, user: User, row: Row, before: User | None) -> None:
        addresses = user["personal"].setdefault("addresses", [])
        for number, name in enumerate(("Home", "Work")):
            path = f"personal.addresses[{number}]"
            lines = [field.rpartition(".")[2] for field in self.world.fields if field.startswith(f"{path}.")]
            lines = [line for line in lines if line != "addressTypeId"]
            if not lines:
                continue
            given = {line: self._value(f"{path}.{line}", row) for line in lines}
            at = next((index for index, one in enumerate(addresses) if one["addressTypeId"] == self.types[name]), None)
            self._lay_address(addresses, at, {"addressTypeId": self.types[name]} | given, self._owner(path), before)

    def _lay_address(self, addresses: list[User], at: int | None, given: User, owner: str, before: User | None) -> None:
        there = any(value is not None for line, value in given.items() if line != "addressTypeId")
        new = {line: value for line, value in given.items() if value is not None}
        if at is None:
            if there and (before is None or owner != "library"):
                addresses.append(new)
        elif owner == "campus" and there:
            blank = given if self.world.blank_cells == "erase" else {}
            kept = {line: value for line, value in addresses[at].items() if line not in blank}
            addresses[at] = kept | new
        elif owner == "campus" and self.world.blank_cells == "erase":
            addresses.pop(at)

    def _type(self, row: Row, before: User | None) -> str:
        ours = self._value("type", row)
        owner, old = self._owner("type"), (before or {}).get("type")
        taken = ours if before is None or owner == "campus" or (owner == "first" and not old) else old
        return str(taken or old or "patron")

    def _active(self, row: Row, before: User | None, user: User) -> bool:
        ours = self._value("active", row)
        active = True if before is None else bool(before.get("active", True))
        if ours is not None and (before is None or self._owner("active") == "campus"):
            active = ours
        if self._is_past(user.get("expirationDate")):
            return False
        run_out = before is not None and not before.get("active") and self._is_past(before.get("expirationDate"))
        if ours is None and run_out and ("active" not in self.world.fields or self._owner("active") == "campus"):
            return active or bool(user.get("expirationDate"))
        return active

    def _is_past(self, moment: str | None) -> bool:
        return moment is not None and datetime.fromisoformat(moment) < self.now

    def _preference(self, before: User | None) -> User | None:
        old = self.preferences.get(before["id"]) if before else None
        if "requestPreference.holdShelf" not in self.world.fields:
            return old
        ours = {"holdShelf": True, "delivery": False}
        owner = self._owner("requestPreference")
        if before is None or (owner == "first" and old is None) or (owner == "campus" and old is None):
            return ours
        if old is None or owner != "campus":
            return old
        merged = {**old, **ours}
        return {
            name: value for name, value in merged.items() if name not in ("fulfillment", "defaultDeliveryAddressTypeId")
        }

    # Which rows load

    def _own_fate(self, one: Expected) -> Fate:
        if one.row.number in self.twins or one.row.number in self.world.refused or self._may_be_the_same_person(one):
            return "hold"
        unknown = [
            path
            for path in ("patronGroup", "departments", "customFields.campus", "customFields.clubs")
            if self._is_unknown(path, one.row)
        ]
        if not unknown:
            return "load"
        # A value that the policy keeps out of FOLIO may be ignored or rejected.
        kept = self._kept(one.before) if one.before else set()
        used = [path for path in unknown if self._owner(path) == "campus" and not kept & {path, "all"}]
        unused = one.before is not None and not used
        return "either" if unused else "hold"

    def _is_unknown(self, path: str, row: Row) -> bool:
        if path not in self.world.fields:
            return False
        value = self._value(path, row)
        column = {"patronGroup": "GROUP", "departments": "DEPTS", "customFields.campus": "CAMPUS"}.get(path, "CLUBS")
        return bool(row.cells[column]) and (value is None or (isinstance(value, list) and None in value))

    def _may_be_the_same_person(self, one: Expected) -> bool:
        """A new externalSystemId with the e-mail address of a user who is in FOLIO but not in the file."""
        mail = one.row.cells["EMAIL"].lower()
        if one.before or not mail or "personal.email" not in self.world.fields or self.world.same_email != "reject":
            return False
        same = self.by_mail.get(mail, [])
        in_file = {self._key(row).lower() for row in self.world.rows} if same else set()
        once = self.mails[mail] == 1
        staff = any((user.get("type") or "").lower() in PROTECTED for user in same)
        return once and len(same) == 1 and not staff and same[0].get("externalSystemId", "").lower() not in in_file

    def _share_cards(self, made: list[Expected], fates: dict[int, Fate]) -> None:
        """A barcode in several rows belongs to the row whose user has it; if there is none, to no row."""
        wanted: dict[str, list[Expected]] = {}
        for one in made:
            if fates[one.row.number] != "hold" and one.user.get("barcode"):
                wanted.setdefault(one.user["barcode"].lower(), []).append(one)
        for card, several in wanted.items():
            holder = self.holders.get(("barcode", card))
            takers = [one for one in several if holder is None or not one.before or one.before["id"] != holder["id"]]
            if len(takers) > 1:
                fates.update({one.row.number: "hold" for one in takers})

    def _settle(self, made: list[Expected], fates: dict[int, Fate]) -> None:
        """Hold back rows that want a key another user keeps, and rows that wait for each other in a circle."""
        by_user = {one.before["id"]: one for one in made if one.before}
        changed = True
        while changed:
            changed = False
            waits: dict[int, set[int]] = {}
            for one in made:
                if fates[one.row.number] == "hold":
                    continue
                waits[one.row.number] = set()
                for key in KEYS:
                    holder = self.holders.get((key, (one.user.get(key) or "").lower()))
                    if holder is None or (one.before and holder["id"] == one.before["id"]):
                        continue
                    giver = by_user.get(holder["id"])
                    gives = giver is not None and (giver.user.get(key) or "").lower() != holder[key].lower()
                    if giver is None or not gives or fates[giver.row.number] == "hold":
                        fates[one.row.number], changed = "hold", True
                    elif fates[giver.row.number] == "either":
                        fates[one.row.number] = "either"
                    if giver is not None:
                        waits[one.row.number].add(giver.row.number)
            for number in _in_circles(waits):
                changed |= fates[number] != "hold"
                fates[number] = "hold"


def _in_circles(waits: dict[int, set[int]]) -> set[int]:
    """The rows that wait, directly or indirectly, for themselves."""
    found = set()
    for start, first in waits.items():
        seen: set[int] = set()
        todo = set(first)
        while todo:
            one = todo.pop()
            seen.add(one)
            todo |= waits.get(one, set()) - seen
        if start in seen:
            found.add(start)
    return found


def _copy(name: str, source: User, target: User) -> None:
    target.pop(name, None)
    if name in source:
        target[name] = source[name]


def _empty(value: Any) -> bool:
    return value is None or value in ("", [])


def comparable(user: User | None) -> Any:
    """A stored user without fields set by the server and without empty fields; departments are unordered."""
    if user is None:
        return None
    kept = {name: value for name, value in user.items() if name not in ("id", "createdDate", "updatedDate", "metadata")}
    personal = {name: value for name, value in kept.pop("personal", {}).items() if not _empty(value)}
    addresses = [
        {name: value for name, value in one.items() if name != "id" and value is not False and not _empty(value)}
        for one in personal.pop("addresses", [])
    ]
    personal["addresses"] = sorted(addresses, key=lambda one: str(one.get("addressTypeId")))
    custom = {name: value for name, value in (kept.pop("customFields", None) or {}).items() if not _empty(value)}
    tags = (kept.pop("tags", None) or {}).get("tagList") or []
    flat = {name: value for name, value in kept.items() if not _empty(value)}
    if "departments" in flat:
        flat["departments"] = sorted(flat["departments"], key=str)
    return {**flat, "active": bool(flat.get("active")), "personal": personal, "customFields": custom, "tags": tags}


def comparable_preference(preference: User | None) -> Any:
    """A request preference without fields set by the server."""
    if preference is None:
        return None
    return {name: value for name, value in preference.items() if name not in ("id", "userId", "metadata")}
