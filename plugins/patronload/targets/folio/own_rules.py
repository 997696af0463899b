"""Why FOLIO refuses a patron, whatever is in it: rules that are known without asking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from patronload.targets.delivery import Problem, Record
from patronload.targets.folio.merge import DELIVERY

FULFILLMENTS = ("Hold Shelf", "Delivery")
"""FOLIO: mod-user-import userImportRequestPreference.json; another one has the whole request refused."""

EMAIL_COMMUNICATION = ("Support", "Programs", "Services")
"""FOLIO: mod-user-import userdataimport.json, preferredEmailCommunication; as above."""

SAME_TYPE = "two addresses are of the same address type"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""FOLIO: raml-util uuid.schema, which mod-users holds an id to."""


def problems(record: Record) -> list[Problem]:
    """All that FOLIO would refuse in a complete record."""
    found = (of_id(record), same_types(record), of_preference(record), of_email_communication(record))
    return [problem for part in found for problem in part]


def of_id(record: Record) -> Iterable[Problem]:
    """FOLIO: see _UUID."""
    given = record.get("id")
    if given is not None and not _UUID.fullmatch(given):
        yield Problem("id", str(given), "FOLIO accepts only a UUID as an id, like 7c5abc9f-f3d7-4856-b8d7-6712462ca007")


def same_types(record: Record) -> Iterator[Problem]:
    """FOLIO: mod-users AddressValidator."""
    types = [address.get("addressTypeId") for address in (record.get("personal") or {}).get("addresses", ())]
    for name in sorted({name for name in types if name and types.count(name) > 1}):
        yield Problem("personal.addresses[0].addressTypeId", name, SAME_TYPE)


def of_preference(record: Record) -> Iterable[Problem]:
    """FOLIO: mod-user-import UserRequestManagerValidator; it would fail the patron after having changed it."""
    preference = record.get("requestPreference")
    if preference is None:
        return
    if preference["holdShelf"] is not True:
        yield Problem("requestPreference.holdShelf", "false", "FOLIO requires holdShelf: true")
    if preference["delivery"]:
        yield from _of_delivery(preference, record)


def of_email_communication(record: Record) -> Iterable[Problem]:
    """FOLIO: see EMAIL_COMMUNICATION."""
    given = record.get("preferredEmailCommunication", ())
    for value in [given] if isinstance(given, str) else given:
        if value not in EMAIL_COMMUNICATION:
            words = "FOLIO takes Support, Programs and Services as preferredEmailCommunication"
            yield Problem("preferredEmailCommunication", str(value), words)


def _of_delivery(preference: Record, record: Record) -> Iterable[Problem]:
    fulfillment = preference.get("fulfillment")
    if fulfillment is not None and fulfillment not in FULFILLMENTS:
        words = "FOLIO takes Hold Shelf or Delivery as fulfillment, spelt like this"
        yield Problem("requestPreference.fulfillment", str(fulfillment), words)
    for name in DELIVERY:
        if preference.get(name) is None:
            yield Problem(f"requestPreference.{name}", "", f"a request preference with delivery needs {name}")
    wanted = preference.get(DELIVERY[1])
    types = [address.get("addressTypeId") for address in (record.get("personal") or {}).get("addresses", ())]
    if wanted is not None and wanted not in types:
        words = "the request preference names an address type for delivery, but the patron has no such address"
        yield Problem(f"requestPreference.{DELIVERY[1]}", wanted, words)
