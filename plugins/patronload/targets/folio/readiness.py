"""Find out whether FOLIO is ready for loads: the login, the permissions, the modules and the reference data."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from patronload.config.mapping import Mapping
from patronload.errors import TargetError
from patronload.targets.delivery import Record
from patronload.targets.folio import preflight
from patronload.targets.folio.client import Folio
from patronload.targets.folio.findings import Finding
from patronload.targets.folio.reference_data import Reference

MODULES = ("mod-users-", "mod-user-import-")

NO_USER = str(UUID(int=0))
"""An id that no user has: asking for it shows only whether we may ask."""


def readiness(folio: Folio, mapping: Mapping) -> Iterator[str]:
    """
    Sentences about what FOLIO has; nothing is changed there.

    Raises TargetError for everything that has to be fixed first, in one message; TransientError.
    """
    match = folio.target.match
    permissions = preflight.log_in(folio, changes_users=bool(match.users_without_id or match.identities))
    reference = preflight.reference(folio, permissions)
    users = permissions.attempt(folio.count_users, 0)
    nothing: dict[str, Record] = {}
    permissions.attempt(lambda: folio.preferences_by_user_ids([NO_USER]), nothing)
    permissions.check()
    if stops := [each.sentence for each in _of_versions(folio, mapping) if each.effect == "stop"]:
        raise TargetError(" ".join(stops))
    if unknown := sorted(_groups(mapping) - reference.groups.keys()):
        raise TargetError(
            f"FOLIO does not have these patron groups of the mapping file: {', '.join(unknown)}. Create them in FOLIO, "
            "or correct the mapping."
        )
    yield f"The login works, and no permission is missing. FOLIO has {users:,} users."
    yield from _modules(folio)
    yield _in_words(reference)


def _of_versions(folio: Folio, mapping: Mapping) -> list[Finding]:
    found, _ = preflight.drifts(folio)
    return preflight.drift_findings(found, mapping.fields)


def _groups(mapping: Mapping) -> set[str]:
    """The patron groups that the mapping file itself names: constants, defaults and what its lookups lead to."""
    rule = mapping.fields.get(mapping.system.group or "")
    named: set[object] = set()
    for variant in rule.variants if rule else ():
        named |= {variant.value, variant.default, *mapping.lookups.get(variant.lookup or "", {}).values()}
    return {one for one in named if isinstance(one, str) and one}


def _modules(folio: Folio) -> Iterator[str]:
    try:
        modules = [name for name in folio.modules() if name.startswith(MODULES)]
    except TargetError:
        yield "FOLIO does not report its modules' versions, so they could not be compared."
        return
    yield f"Modules: {', '.join(sorted(modules)) or 'neither mod-users nor mod-user-import is listed'}."


def _in_words(reference: Reference) -> str:
    lists = {
        "patron groups": reference.groups,
        "address types": reference.address_types,
        "departments": reference.departments,
        "custom fields": reference.custom_fields,
        "service points": reference.service_points,
    }
    return f"Reference data: {', '.join(f'{len(entries):,} {name}' for name, entries in lists.items())}."
