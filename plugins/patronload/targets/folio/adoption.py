"""Find the users whom earlier programs loaded for this library, by the prefix of their ids or by patron group."""

from __future__ import annotations

from contextlib import closing

import polars as pl

from patronload.errors import TargetError
from patronload.targets.delivery import ADOPTED, TAKEN_OVER, Adopting, Record
from patronload.targets.folio.client import Folio
from patronload.targets.folio.protection import is_staff
from patronload.targets.folio.reference_data import Reference
from patronload.targets.patron_ledger import PatronLedger
from patronload.targets.spool import Spool


def found(folio: Folio, adopting: Adopting, ledger: PatronLedger | None, reference: Reference) -> pl.DataFrame:
    """
    The users who are asked for; see ADOPTED. All users are read, because a prefix search of FOLIO finds others as well.

    Raises TargetError when there is no such group, or no prefix; TransientError.
    """
    _check(folio, adopting, reference)
    groups = reference.group_names
    lines = Spool(ADOPTED)
    for user in folio.all_users():
        group = groups.get(user.get("patronGroup") or "")
        if group in adopting.groups or (adopting.by_prefix and _key(folio, user) is not None):
            key = _key(folio, user)
            lines.add(key, group, user.get("type"), _state(user, key, ledger))
    with closing(lines):
        return pl.concat(lines.parts())


def _check(folio: Folio, adopting: Adopting, reference: Reference) -> None:
    if adopting.by_prefix and not folio.prefix:
        raise TargetError(
            "Nothing was sent. 'prefix' takes over users by the prefix of their externalSystemId, and this library has "
            "none: target.source_type is empty. Name patron groups under 'Take over users' instead."
        )
    if unknown := sorted(set(adopting.groups) - set(reference.groups)):
        raise TargetError(
            f"Nothing was sent. FOLIO has no patron group {', '.join(unknown)}. Under 'Take over users' write "
            "'prefix', or names of patron groups as FOLIO has them, with commas between."
        )


def _key(folio: Folio, user: Record) -> str | None:
    """The user's key as the library's files have it; None if the id is not one of this library."""
    written = user.get("externalSystemId") or ""
    return written.removeprefix(folio.prefix) or None if written.startswith(folio.prefix) else None


def _state(user: Record, key: str | None, ledger: PatronLedger | None) -> str:
    if is_staff(user):
        return "staff"
    if key is None:
        return "without an id"
    return "known" if ledger is not None and key in ledger else TAKEN_OVER
