"""The fields of a target, as a mapping writes them."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from patronload import systems
from patronload.systems import fields
from patronload.systems.fields import Kind
from sandbox.folio.bodies import ImportedUser


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("username", Kind.TEXT),
        ("active", Kind.YES_NO),
        ("departments", Kind.LIST),
        ("expirationDate", Kind.DATE),
        ("personal.lastName", Kind.TEXT),
        ("personal.addresses[0].city", Kind.TEXT),
        ("personal.addresses[9].primaryAddress", Kind.YES_NO),
        ("customFields.homeCampus", Kind.CUSTOM),
        ("customFields.home-campus_2", Kind.CUSTOM),
        ("tags.tagList", Kind.LIST),
    ],
)
def test_knows_what_a_field_takes(path: str, kind: Kind) -> None:
    """So that a date is not written into a name."""
    assert fields.kind("folio", path) is kind


@pytest.mark.parametrize(
    "path",
    [
        "meta",
        "proxyFor",
        "createdDate",
        "updatedDate",
        "metadata",
        "personal",
        "personal.addresses",
        "personal.addresses[0]",
        "personal.addresses.city",
        "personal.addresses[].city",
        "personal.addresses[10].city",
        "personal.addresses[-1].city",
        "personal.addresses[0].metadata",
        "customFields",
        "customFields.",
        "customFields.a b",
        "customFields.a.b",
        "Username",
        " username",
        "username\n",
        "",
    ],
)
def test_knows_no_other_field(path: str) -> None:
    """What the server sets itself, and what is not there at all."""
    assert fields.kind("folio", path) is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("username", Kind.TEXT),
        ("enabled", Kind.YES_NO),
        ("graduationyear", Kind.YEAR),
        ("personal.lastName", None),
        ("userName", None),
        ("customFields.campus", None),
    ],
)
def test_knows_infinitis_fields(path: str, kind: Kind | None) -> None:
    """Each target has its own."""
    assert fields.kind("infiniti", path) is kind


@pytest.mark.parametrize("target", systems.KNOWN)
def test_every_field_that_is_shown_may_be_written(target: str) -> None:
    """The list in a message can be copied from."""
    for path in fields.names(target):
        assert fields.kind(target, path) is not None


@pytest.mark.parametrize("target", systems.KNOWN)
def test_what_is_required_or_unique_is_a_field(target: str) -> None:
    """No rule about a field that nobody can fill."""
    system = systems.KNOWN[target]
    named = (*system.required, *system.required_within.values(), *system.unique, *system.remembered, system.key)
    for path in named:
        assert path in system.fields


THE_SERVERS_OWN = {
    "meta",
    "proxyFor",
    "createdDate",
    "updatedDate",
    "metadata",
    "requestPreference.id",
    "requestPreference.userId",
    "requestPreference.metadata",
}
"""Set by FOLIO, or deprecated there."""


def nested(annotation: Any) -> Iterator[Any]:
    """An annotation and what stands inside its brackets, at any depth."""
    yield annotation
    for inner in get_args(annotation):
        yield from nested(inner)


def properties(body: type[BaseModel], before: str = "") -> Iterator[str]:
    """The properties of the user import's schema, as a mapping writes them."""
    for name, field in body.model_fields.items():
        parts = list(nested(field.annotation))
        inside = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        of_a_list = any(get_origin(part) is list for part in parts)
        yield from properties(inside[0], f"{before}{name}{'[]' if of_a_list else ''}.") if inside else [before + name]


def test_everything_in_the_user_import_schema_can_be_mapped() -> None:
    """But for what the server sets, and for custom fields, whose names are the library's."""
    known = set(systems.KNOWN["folio"].fields)
    schema = set(properties(ImportedUser))
    assert schema - known - {"customFields"} == THE_SERVERS_OWN
    assert known <= schema
