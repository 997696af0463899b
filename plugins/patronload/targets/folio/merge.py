"""
Merge the file's record into the stored user, so that no data of the library or the patron is deleted.

All records have the form of the user import (see stored_users); the result is complete, as an import requires.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from patronload.config.mapping import Mapping
from patronload.config.ownership import Owner
from patronload.folding import fold
from patronload.mapping import last_changed
from patronload.targets.delivery import Record
from patronload.targets.folio.comparison import moment
from patronload.targets.folio.protection import ALL, Protection, is_staff, restore

IDS = ("externalSystemId", "username", "barcode")

INSISTED_ON = ("username", "personal.lastName")
"""Fields that an import requires; taken from the file if a stored user lacks them, whoever owns them."""

APART = ("active", "type", "externalSystemId", "id")
"""Fields with rules of their own."""

PATRON = "patron"

ADDRESS_PATH = "personal.addresses."
"""The type of the address follows."""

_DAY_LENGTH = len("2027-08-31")

LAST_MOMENT = "9999-12-31T23:59:59.000+00:00"
"""The latest possible moment; many systems use its day for "never". West of Greenwich the day ends after it."""


class Field(NamedTuple):
    """A field that the mapping fills: the object it is in ("" for the user itself), its name there, who owns it."""

    inside: str
    name: str
    owner: Owner
    erased: bool
    """Whether a blank cell empties it."""
    contested: str
    """Its name in what contested.said gives."""

    @property
    def path(self) -> str:
        """The path as the mapping writes it."""
        return f"{self.inside}.{self.name}" if self.inside else self.name


class Address(NamedTuple):
    """An address that the mapping fills: its fields, its type if that is fixed, and who owns it."""

    fields: frozenset[str]
    type_name: str | None
    owner: Owner


class Rules(NamedTuple):
    """The rules for merging, see `rules`. An owner is None where the mapping names none."""

    fields: list[Field]
    addresses: list[Address]
    preference: Owner | None
    preference_fields: frozenset[str]
    type: Owner | None
    active: Owner | None
    erase: bool
    zone: ZoneInfo
    now: datetime
    protection: Protection = Protection()
    changed: dict[str, bool] = {}  # noqa: RUF012 - it is never changed
    """Contested field -> whether the campus has changed it since the last load; unknown ones are left out."""
    left: date | None = None
    """The day on which a load made the patron inactive as a leaver. A patron who is in the file again is active."""
    renew_days: int | None = None
    """How near the stored expiry date has to be for the file's to replace it; None: it always does."""

    def fills_only_if_empty(self, path: str) -> bool:
        """Whether the campus fills a path of a record (see three_way) only where FOLIO has nothing."""
        if path.startswith(ADDRESS_PATH) and self.addresses:
            return _address_rule(self.addresses, path.removeprefix(ADDRESS_PATH)).owner == "first"
        apart = {"requestPreference": self.preference, "type": self.type}
        return apart.get(path) == "first" or any(field.path == path and field.owner == "first" for field in self.fields)

    def resolve_owner(self, owner: Owner | None, contested: str) -> Owner | None:
        """
        Who owns a field for this patron, when it belongs to whoever changed it last.

        Without the campus' value of the last load it is unknown who changed it, and FOLIO's value stays.
        """
        if owner != "last":
            return owner
        changed = self.changed.get(contested)
        return "first" if changed is None else "campus" if changed else "library"


def rules(
    mapping: Mapping, zone: ZoneInfo, now: datetime, *, erase: bool = False, protection: Protection | None = None
) -> Rules:
    """The rules of a mapping. `zone` is where the library's days end; `erase`: a blank cell empties what it owns."""
    plain = [path for path in mapping.fields if not path.startswith(("personal.addresses[", "requestPreference."))]
    preference = [path for path in mapping.fields if path.startswith("requestPreference.")]
    return Rules(
        fields=[_field(mapping, path, erase) for path in plain if path not in APART],
        addresses=_addresses(mapping),
        preference=mapping.owner("requestPreference") if preference else None,
        preference_fields=frozenset(path.split(".")[1] for path in preference),
        type=mapping.owner("type") if "type" in mapping.fields else None,
        active=mapping.owner("active") if "active" in mapping.fields else None,
        erase=erase,
        zone=zone,
        now=now,
        protection=protection or Protection(),
        renew_days=mapping.fields["expirationDate"].renew_days if "expirationDate" in mapping.fields else None,
    )


def merge(ours: Record, stored: Record | None, rules: Rules, dropped: Collection[str] = ()) -> Record:
    """
    The record to send for a patron of the file (`ours`) whom FOLIO has as `stored`, or has not (None).

    `active` and `type` are always there: FOLIO takes a user without `active` for an inactive one. `dropped` are the
    fields whose values were left out because FOLIO does not know them; they are not blank cells, and erase nothing.
    """
    stored = _returned(stored, rules)
    ours, rules = _renewed(_with_expiry_time(ours, rules.zone), stored, rules), _without(rules, dropped)
    record = _new(ours) if stored is None else _overlay(stored, ours, rules)
    if "requestPreference" in record:
        record["requestPreference"] = _sound(_with_preference(record, ours, stored, rules))
    record["type"] = _type(ours, stored, rules)
    kept = rules.protection.fields(stored) if stored is not None else frozenset[str]()
    if stored is not None:
        record = restore(record, stored, kept)
    record["active"] = _active(ours, stored, record, rules, kept)
    return {name: value for name, value in record.items() if not _is_empty(value)}


def _returned(stored: Record | None, rules: Rules) -> Record | None:
    """A leaver's stored user, without the expiry date that the load gave them when they left."""
    if stored is None or rules.left is None or not stored.get("expirationDate") or rules.protection.fields(stored):
        return stored
    given = moment(end_of_day(rules.left.isoformat(), rules.zone))
    if moment(str(stored["expirationDate"])) != given:
        return stored
    return {name: value for name, value in stored.items() if name != "expirationDate"}


def _renewed(ours: Record, stored: Record | None, rules: Rules) -> Record:
    """The file's record, with the stored expiry date as long as that is not near."""
    ends = (stored or {}).get("expirationDate")
    if rules.renew_days is None or not ends or "expirationDate" not in ours:
        return ours
    is_near = moment(str(ends)) < rules.now + timedelta(rules.renew_days)
    return ours if is_near else ours | {"expirationDate": ends}


def end_of_day(day: str, zone: ZoneInfo) -> str:
    """The last second of a day where the library is, as FOLIO writes it. FOLIO: ExpirationTool compares with now."""
    last = datetime.combine(date.fromisoformat(day), time(23, 59, 59), zone)
    try:
        return last.astimezone(UTC).isoformat(timespec="milliseconds")
    except OverflowError:
        return LAST_MOMENT


def _new(ours: Record) -> Record:
    """
    The record of someone whom FOLIO does not have; the one who may bring an id along.

    FOLIO: mod-user-import gives an id to who has none, and puts the stored one in the place of what an update brings.
    PostgreSQL writes the letters of a UUID small.
    """
    return ours | {"id": ours["id"].lower()} if "id" in ours else dict(ours)


def _without(rules: Rules, dropped: Collection[str]) -> Rules:
    """The rules for a patron some of whose fields are left as FOLIO has them."""
    if not dropped:
        return rules
    parts = frozenset(path.split(".")[1] for path in dropped if path.startswith("requestPreference."))
    left = rules.preference_fields - parts
    return rules._replace(
        fields=[field for field in rules.fields if field.path not in dropped],
        preference_fields=left,
        preference=rules.preference if left or not parts else None,
    )


def _field(mapping: Mapping, path: str, erase: bool) -> Field:
    inside, _, name = path.rpartition(".")
    owner = mapping.owner(path)
    if path in INSISTED_ON:
        return Field(inside, name, owner, erased=False, contested=path)
    erased = erase and owner in ("campus", "last")
    return Field(inside, name, owner, erased=erased, contested=last_changed.whole(path, mapping))


def _addresses(mapping: Mapping) -> list[Address]:
    found: dict[str, set[str]] = {}
    for path in mapping.fields:
        if match := re.match(r"(personal\.addresses\[\d\])\.(\w+)", path):
            found.setdefault(match[1], set()).add(match[2])
    return [Address(frozenset(names), _fixed_type(mapping, path), mapping.owner(path)) for path, names in found.items()]


def _fixed_type(mapping: Mapping, path: str) -> str | None:
    rule = mapping.fields.get(f"{path}.addressTypeId")
    return rule.value if rule is not None and isinstance(rule.value, str) else None


def _with_expiry_time(ours: Record, zone: ZoneInfo) -> Record:
    """With the day of expiry as its last second; midnight in Greenwich is the evening before in the Americas."""
    day = ours.get("expirationDate")
    if not isinstance(day, str) or len(day) != _DAY_LENGTH:
        return ours
    return ours | {"expirationDate": end_of_day(day, zone)}


def _overlay(stored: Record, ours: Record, rules: Rules) -> Record:
    record: Record = {name: dict(value) if isinstance(value, dict) else value for name, value in stored.items()}
    for field in rules.fields:
        source = (ours.get(field.inside) or {}) if field.inside else ours
        inside = record.setdefault(field.inside, {}) if field.inside else record
        _lay(inside, source.get(field.name), field, rules.resolve_owner(field.owner, field.contested))
    if is_staff(stored) and stored.get("username"):
        record["username"] = stored["username"]
    _lay_addresses(record, ours, rules)
    _lay_preference(record, ours, rules)
    return record | {name: stored[name] for name in IDS if _same(record.get(name), stored.get(name))}


def _lay(target: Record, given: Any, field: Field, owner: Owner | None) -> None:
    if given is None:
        if field.erased and owner == "campus":
            target.pop(field.name, None)
    elif owner == "campus" or (_is_empty(target.get(field.name)) and (owner == "first" or field.path in INSISTED_ON)):
        target[field.name] = given


def _same(one: str | None, other: str | None) -> bool:
    """FOLIO: found by mod-users without case and accents, and then by mod-user-import letter by letter."""
    return one is not None and other is not None and fold(one) == fold(other)


def _lay_addresses(record: Record, ours: Record, rules: Rules) -> None:
    """An address of the file goes over the stored one of its type; a blank line is a blank cell like any other."""
    if not rules.addresses:
        return
    stored = (record.get("personal") or {}).get("addresses") or []
    addresses: dict[str, Record] = {address["addressTypeId"]: address for address in stored}
    given = (ours.get("personal") or {}).get("addresses") or []
    primary = None
    for address in given:
        name = address["addressTypeId"]
        rule = _address_rule(rules.addresses, name)
        there = addresses.get(name)
        owner = rules.resolve_owner(rule.owner, f"personal.addresses {name}")
        if owner == "campus" or (owner == "first" and there is None):
            emptied = rule.fields if rules.erase else frozenset[str]()
            kept = {key: value for key, value in (there or {}).items() if key not in emptied}
            addresses[name] = kept | address
            primary = name if address.get("primaryAddress") else primary
    if rules.erase:
        blank = {rule.type_name for rule in rules.addresses if rule.owner == "campus"}
        for name in blank - {address["addressTypeId"] for address in given}:
            addresses.pop(name or "", None)
    if primary:
        for name, address in addresses.items():
            addresses[name] = address | {"primaryAddress": False} if _is_another(address, name, primary) else address
    record.setdefault("personal", {})["addresses"] = list(addresses.values())


def _is_another(address: Record, name: str, primary: str) -> bool:
    return name != primary and bool(address.get("primaryAddress"))


def _address_rule(addresses: list[Address], name: str) -> Address:
    """The rule for an address of this type; where types come from the file, of all that have no fixed one."""
    for rule in addresses:
        if rule.type_name == name:
            return rule
    free = [rule for rule in addresses if rule.type_name is None] or addresses
    return free[0]._replace(fields=frozenset().union(*(rule.fields for rule in free)))


def _lay_preference(record: Record, ours: Record, rules: Rules) -> None:
    given, stored = ours.get("requestPreference"), record.get("requestPreference")
    owner = rules.resolve_owner(rules.preference, "requestPreference")
    if owner == "campus":
        kept = {key: value for key, value in (stored or {}).items() if key not in rules.preference_fields}
        base = kept if rules.erase else stored or {}
        if given:
            record["requestPreference"] = base | given
        elif rules.erase:
            record.pop("requestPreference", None)
    elif owner == "first" and given and not stored:
        record["requestPreference"] = dict(given)


def _with_preference(record: Record, ours: Record, stored: Record | None, rules: Rules) -> Record:
    """The preference; without delivery, once an erased cell has taken away the address that FOLIO delivers to."""
    preference: Record = record["requestPreference"]
    was_there = bool(stored and stored.get("requestPreference"))
    if not (rules.erase and was_there) or DELIVERY[1] in (ours.get("requestPreference") or {}):
        return preference
    types = [address.get("addressTypeId") for address in (record.get("personal") or {}).get("addresses", ())]
    return preference if preference.get(DELIVERY[1]) in types else preference | {"delivery": False}


def _sound(preference: Record) -> Record:
    """FOLIO: holdShelf and delivery are required; without delivery there is nothing to say about it."""
    whole = {"holdShelf": True, "delivery": False} | preference
    if whole["delivery"] is False:
        return {name: value for name, value in whole.items() if name not in DELIVERY}
    return whole


DELIVERY = ("fulfillment", "defaultDeliveryAddressTypeId")
"""FOLIO: mod-user-import UserRequestManagerValidator; needed with delivery, refused without."""


def _type(ours: Record, stored: Record | None, rules: Rules) -> str:
    theirs = (stored or {}).get("type")
    if is_staff(stored):
        return str(theirs)
    owner = rules.resolve_owner(rules.type, "type")
    if stored is None or owner == "campus" or (owner == "first" and not theirs):
        return str(ours.get("type") or theirs or PATRON)
    return str(theirs or PATRON)


def _active(ours: Record, stored: Record | None, record: Record, rules: Rules, kept: Collection[str]) -> bool:
    """FOLIO: ExpirationTool makes inactive who has run out, each minute, so `active` and the date have to agree."""
    if stored is not None and ({"active", ALL} & set(kept)):
        has_new_date = record.get("expirationDate") != stored.get("expirationDate")
        return bool(stored.get("active")) and not (has_new_date and _is_over(record, rules.now))
    owner = rules.resolve_owner(rules.active, "active")
    given = ours.get("active") if owner == "campus" or stored is None else None
    ends = record.get("expirationDate")
    if _is_over(record, rules.now):
        return False
    if given is not None:
        return bool(given)
    if stored is None or stored.get("active") or (rules.left and ours.get("active") is not False):
        return True
    was = stored.get("expirationDate")
    renewed = bool(was and ends and moment(was) < rules.now)
    # A new date from the campus is more significant than an `active` that never changes.
    return renewed and rules.active in (None, "campus", "last") and ours.get("active") is not False


def _is_over(record: Record, now: datetime) -> bool:
    ends = record.get("expirationDate")
    return bool(ends) and moment(str(ends)) < now


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})
