"""Fields of a stored user that no load may change: what staff keep, and what someone protected by hand in FOLIO."""

from __future__ import annotations

import re
from typing import NamedTuple

from patronload.systems.folio import FOLIO, STAFF_FIELDS, FolioTarget
from patronload.targets.delivery import Record

STAFF_TYPES = ("staff", "system", "shadow", "dcb")
"""Types of users who log in; another type or another username would lock them out. FOLIO: mod-users UserType."""

ALL = "all"
"""Stands for the whole user."""

_OBJECTS = ("personal", "personal.addresses", "customFields", "requestPreference", "tags", "tags.tagList")

_BETWEEN = re.compile(r"[\s,;]+")


class Protection(NamedTuple):
    """
    The tenant file's settings for protected users.

    staff: fields that staff keep. custom_field: the refId of a custom field that names a user's protected fields. tags:
    the fields that a tag on a user protects.
    """

    staff: frozenset[str] = frozenset()
    custom_field: str | None = None
    tags: dict[str, frozenset[str]] = {}  # noqa: RUF012 - it is never changed

    def fields(self, stored: Record) -> frozenset[str]:
        """The paths of the fields that a stored user, in the form of the user import, keeps; `all` for the user."""
        kept = self.staff if is_staff(stored) else frozenset[str]()
        by_hand = self.by_hand(stored)
        if by_hand and self.custom_field:
            kept |= {f"customFields.{self.custom_field}"}
        if by_hand and self.tags:
            kept |= {"tags"}
        return kept | by_hand

    def by_hand(self, stored: Record) -> frozenset[str]:
        """The fields that someone has protected in FOLIO. An unknown field name protects the whole user."""
        written = str((stored.get("customFields") or {}).get(self.custom_field) or "") if self.custom_field else ""
        kept = {_path(name) for name in _BETWEEN.split(written) if name}
        for tag in (stored.get("tags") or {}).get("tagList") or ():
            kept |= self.tags.get(tag, frozenset())
        return frozenset(kept)


def of_target(target: FolioTarget) -> Protection:
    """The protection in a tenant's target."""
    protected = target.protected
    tags = {tag: frozenset({ALL} if named == ALL else named) for tag, named in protected.tags.items()}
    loaded = {str(name) for name, effect in target.staff.items() if effect == "load"}
    staff = frozenset(STAFF_FIELDS) - loaded
    return Protection(staff, protected.custom_field, tags)


def is_staff(stored: Record | None) -> bool:
    """Whether a stored user is more than a patron."""
    return stored is not None and str(stored.get("type") or "").strip().lower() in STAFF_TYPES


def restore(record: Record, stored: Record, paths: frozenset[str]) -> Record:
    """A merged record with these fields as they are stored."""
    if ALL in paths:
        return dict(stored)
    record = dict(record)
    for path in paths:
        around, _, name = path.rpartition(".")
        there = (stored.get(around) or {}) if around else stored
        inside = record if not around else dict(record.get(around) or {})
        inside.pop(name, None)
        if name in there:
            inside[name] = there[name]
        if around:
            record[around] = inside
    return record


def _path(name: str) -> str:
    """The field that a librarian means: personal.email, or email for short."""
    name = name.removesuffix("[0]")
    for path in (name, f"personal.{name}"):
        if path in _OBJECTS or path == ALL or FOLIO.kind(path) is not None:
            return path
    return ALL
