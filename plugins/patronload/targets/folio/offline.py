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
from patronload.targets.folio import group_offsets, lines, merge, own_rules
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
    posted, rejects = [], []
    for row, text in patrons.select("row", "patron").iter_rows():
        ours = _without_unknown_contact(group_offsets.without(json.loads(text)), dropped)
        record = merge.merge(ours, None, rules)
        found = own_rules.problems(record)
        rejects += [reject(row, problem, mapping) for problem in found]
        if not found:
            posted.append(lines.to_text(record))
    refused = pl.DataFrame(rejects, schema=rows.REJECTS) if rejects else rows.no_rejects()
    return Offline(posted, refused, [*only_known(mapping), *_warnings(dropped)])


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
