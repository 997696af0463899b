"""The reference data a new FOLIO tenant has: patron groups, address types, service points, custom fields."""

from __future__ import annotations

import uuid
from typing import Any

Rows = list[dict[str, Any]]

_NAMESPACE = uuid.UUID("6f3c1d38-5a3c-4f06-9d7e-3b8f4b6f5a01")


def made_up_id(kind: str, name: str) -> str:
    """The same id for the same thing each time, so that tests and demos can be compared."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{name}"))


def groups() -> Rows:
    """FOLIO: mod-users ref-data/groups; a group may have a period after which its new users expire."""
    rows: Rows = [
        {"id": "503a81cd-6c26-400f-b620-14c08943697c", "group": "faculty", "desc": "Faculty Member"},
        {"id": "ad0bc554-d5bc-463c-85d1-5562127ae91b", "group": "graduate", "desc": "Graduate Student"},
        {"id": "3684a786-6671-4268-8ed0-9db82ebca60b", "group": "staff", "desc": "Staff Member"},
        {"id": "bdc2b6d4-5ceb-4a12-ab46-249b9a68473e", "group": "undergrad", "desc": "Undergraduate Student"},
    ]
    rows[0]["expirationOffsetInDays"] = 365
    created = {"createdDate": "2026-01-05T08:00:00.000+00:00", "updatedDate": "2026-01-05T08:00:00.000+00:00"}
    return [row | {"metadata": dict(created)} for row in rows]


def note_types() -> Rows:
    """FOLIO: mod-notes populate-default-note-type.xml."""
    return [{"id": made_up_id("note-type", "General note"), "name": "General note"}]


def address_types() -> Rows:
    """FOLIO: mod-users ref-data/addresstypes."""
    return [
        {"id": "b6f4d1c6-0dfa-463c-9534-f49c4f0ae090", "addressType": "Claim", "desc": "Claim Address"},
        {"id": "93d3d88d-499b-45d0-9bc7-ac73c3a19880", "addressType": "Home", "desc": "Home Address"},
        {"id": "46ff3f08-8f41-485c-98d8-701ba8404f4f", "addressType": "Order", "desc": "Order Address"},
        {"id": "a3c3d60b-df9e-41d9-b7f5-983008bc1a45", "addressType": "Payment", "desc": "Payment Address"},
        {"id": "c42be2ab-c3fd-486c-a1fe-9e5ea0f16198", "addressType": "Returns", "desc": "Returns Address"},
        {"id": "1c4b225f-f669-4e9b-afcd-ebc0e273a34e", "addressType": "Work", "desc": "Work Address"},
    ]


def service_points() -> Rows:
    """FOLIO: mod-inventory-storage reference-data/service-points."""
    return [
        {
            "id": "3a40852d-49fd-4df2-a1f9-6e2641a6e91f",
            "name": "Circ Desk 1",
            "code": "cd1",
            "discoveryDisplayName": "Circulation Desk -- Hallway",
            "pickupLocation": True,
        },
        {
            "id": "c4c90014-c8c9-4ade-8f24-b5e313319f4b",
            "name": "Circ Desk 2",
            "code": "cd2",
            "discoveryDisplayName": "Circulation Desk -- Back Entrance",
            "pickupLocation": True,
        },
        {
            "id": "7c5abc9f-f3d7-4856-b8d7-6712462ca007",
            "name": "Online",
            "code": "Online",
            "discoveryDisplayName": "Online",
            "pickupLocation": False,
        },
    ]


def departments(*names: str) -> Rows:
    """None in a new tenant; an institution's own by name. FOLIO: mod-users has no reference departments."""
    return [
        {"id": made_up_id("department", name), "name": name, "code": name.upper().replace(" ", "_")} for name in names
    ]


def text_field(ref_id: str, name: str) -> dict[str, Any]:
    """A custom field to type into. FOLIO: folio-custom-fields, type TEXTBOX_SHORT."""
    return _custom_field(ref_id, name, "TEXTBOX_SHORT") | {"textField": {"fieldFormat": "TEXT"}}


def select_field(ref_id: str, name: str, options: list[str], multiple: bool = False) -> dict[str, Any]:
    """A custom field to choose from. FOLIO: folio-custom-fields, SINGLE_SELECT_DROPDOWN or MULTI_SELECT_DROPDOWN."""
    values = [{"id": f"opt_{at}", "value": value, "default": False} for at, value in enumerate(options)]
    kind = "MULTI_SELECT_DROPDOWN" if multiple else "SINGLE_SELECT_DROPDOWN"
    return _custom_field(ref_id, name, kind) | {
        "selectField": {"multiSelect": multiple, "options": {"values": values, "sortingOrder": "CUSTOM"}}
    }


def _custom_field(ref_id: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "id": made_up_id("custom-field", ref_id),
        "refId": ref_id,
        "name": name,
        "type": kind,
        "entityType": "user",
        "visible": True,
        "required": False,
    }


MODULES = {
    "mod-authtoken-2.16.1": ("authtoken",),
    "mod-login-7.13.0": ("login",),
    "mod-permissions-6.7.0": ("permissions",),
    "mod-users-19.6.0": ("users", "custom-fields"),
    "mod-user-import-3.11.0": ("user-import",),
    "mod-circulation-storage-17.4.0": ("request-preference-storage",),
    "mod-inventory-storage-29.0.0": ("service-points",),
    "mod-circulation-24.5.0": ("circulation",),
    "mod-feesfines-19.4.0": ("feesfines",),
    "mod-notes-7.0.0": ("notes",),
}
"""Modules of the tenant and the interfaces they provide."""
