"""The checks of patrons that need no FOLIO, for a preview."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from patronload import rows
from patronload.config.mapping import Mapping
from patronload.targets.delivery import Offline, Record, only_known, reject
from patronload.targets.folio import findings, group_offsets, lines, merge, own_rules
from patronload.targets.folio.reference_data import CONTACT_TYPES
from patronload.targets.folio.shown_values import describe

CONTACT_TYPE = "preferredContactTypeId"


def offline(mapping: Mapping, patrons: pl.DataFrame, zone: ZoneInfo) -> Offline:
    """
    The patrons as they are posted for people whom FOLIO does not have, without those that FOLIO refuses in any case.

    A contact type that does not exist is left out, as in a load, with a warning.
    """
    rules = merge.rules(mapping, zone, datetime.now(UTC))
    dropped: Counter[str] = Counter()
    posted, rejects, without_group, without_type = [], [], [], []
    for row, text in patrons.select("row", "patron").iter_rows():
        ours = _without_unknown_contact(group_offsets.without(json.loads(text)), dropped)
        typed = _without_untyped_addresses(ours)
        without_type += [row] if typed != ours else []
        record = merge.merge(typed, None, rules)
        found = own_rules.problems(record)
        rejects += [reject(row, problem, mapping) for problem in found]
        if not found:
            posted.append(lines.to_text(record))
            without_group += [] if record.get("patronGroup") or mapping.newcomers != "create" else [row]
    refused = pl.DataFrame(rejects, schema=rows.REJECTS) if rejects else rows.no_rejects()
    told = [finding.sentence for finding in findings.without_group(without_group)]
    return Offline(posted, refused, [*only_known(mapping), *_warnings(dropped), *told, *_untyped(without_type)])


def _without_untyped_addresses(patron: Record) -> Record:
    """FOLIO cannot store an address without a type; a load leaves it out, too."""
    personal = patron.get("personal") or {}
    addresses = personal.get("addresses") or []
    typed = [address for address in addresses if address.get("addressTypeId")]
    if len(typed) == len(addresses):
        return patron
    others = {name: value for name, value in personal.items() if name != "addresses"}
    return patron | {"personal": others | ({"addresses": typed} if typed else {})}


def _untyped(numbers: list[int]) -> list[str]:
    if not numbers:
        return []
    where = findings.in_rows(numbers)
    return [f"In {where} an address has no type. It is left out. Fill in the type, or give its rule a 'default'."]


def _without_unknown_contact(patron: Record, dropped: Counter[str]) -> Record:
    personal = patron.get("personal") or {}
    contact = personal.get(CONTACT_TYPE)
    if contact is None or str(contact).lower() in CONTACT_TYPES:
        return patron
    dropped[str(contact)] += 1
    return patron | {"personal": {name: value for name, value in personal.items() if name != CONTACT_TYPE}}


def _warnings(dropped: Counter[str]) -> list[str]:
    if not dropped:
        return []
    told = describe(dropped, {})
    return [f"FOLIO does not know the contact type{'' if told.values else ':'} {told.sentence} It is left out."]
