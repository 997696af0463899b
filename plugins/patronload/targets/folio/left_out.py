"""Service points by code or name, and values that FOLIO does not know and that the tenant file wants left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from patronload.systems.folio import FolioTarget
from patronload.targets.delivery import Record
from patronload.targets.folio.reference_data import Reference

DEPARTMENTS, SERVICE_POINT = "departments", "requestPreference.defaultServicePointId"


class LeftOut:
    """
    The values that are left out, counted.

    may_create_department, may_create_option: whether FOLIO is given a name that it does not know.
    """

    def __init__(
        self,
        target: FolioTarget,
        reference: Reference,
        may_create_department: Callable[[str], bool],
        may_create_option: Callable[[str], bool],
    ) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._target = target
        self._reference = reference
        self._may_create_department = may_create_department
        self._may_create_option = may_create_option

    def without(self, ours: Record) -> tuple[Record, tuple[str, ...]]:
        """
        A patron of the file, with the service point's id in place of its code or name, and without unknown values that
        the tenant file wants left out; and the fields that have no value left. They stay as FOLIO has them.
        """
        known = dict(ours)
        self._set_service_point(known)
        self._set_departments(known)
        self._set_custom_fields(known)
        gone = [path for path in (DEPARTMENTS,) if path in ours and path not in known]
        gone += [f"customFields.{key}" for key in ours.get("customFields", {}) if key not in known["customFields"]]
        if "defaultServicePointId" in ours.get("requestPreference", {}):
            gone += [] if "defaultServicePointId" in known.get("requestPreference", {}) else [SERVICE_POINT]
        return (ours if known == ours else known), tuple(gone)

    def _set_service_point(self, known: Record) -> None:
        preference = known.get("requestPreference") or {}
        given = preference.get("defaultServicePointId")
        if given is None:
            return
        point = self._reference.service_point(given)
        if point is None and self._leaves_out(SERVICE_POINT):
            self._count("service point", given)
            others = {name: value for name, value in preference.items() if name != "defaultServicePointId"}
            known["requestPreference"] = others
            if not others:
                del known["requestPreference"]
        elif point is not None:
            known["requestPreference"] = preference | {"defaultServicePointId": point}

    def _set_departments(self, known: Record) -> None:
        if DEPARTMENTS in known and self._leaves_out(DEPARTMENTS):
            kept = [name for name in known[DEPARTMENTS] if self._has_department(name)]
            known[DEPARTMENTS] = kept
            if not kept:
                del known[DEPARTMENTS]

    def _has_department(self, name: str) -> bool:
        if name in self._reference.departments or self._may_create_department(name):
            return True
        self._count("department", name)
        return False

    def _set_custom_fields(self, known: Record) -> None:
        if "customFields" in known:
            kept = {key: self._known_value(key, value) for key, value in known["customFields"].items()}
            known["customFields"] = {key: value for key, value in kept.items() if value is not None}

    def _known_value(self, key: str, value: Any) -> Any:
        """The value without unknown options; None if nothing is left."""
        if not self._leaves_out(f"customFields.{key}"):
            return value
        if key not in self._reference.custom_fields:
            self._count("custom field", key)
            return None
        if key not in self._reference.options or not isinstance(value, str | list):
            return value
        if isinstance(value, list):
            return [option for option in value if self._has_option(key, option)] or None
        return value if self._has_option(key, value) else None

    def _has_option(self, key: str, option: str) -> bool:
        if option in self._reference.options[key] or self._may_create_option(option):
            return True
        self._count(f"option of the custom field '{key}'", option)
        return False

    def _leaves_out(self, path: str) -> bool:
        return self._target.unknown_value(path) == "leave_out"

    def _count(self, kind: str, value: str) -> None:
        self.counts.setdefault(kind, Counter())[value] += 1
