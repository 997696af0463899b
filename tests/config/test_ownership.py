"""Who owns a field."""

import pytest

from patronload import systems
from patronload.config import ownership


@pytest.mark.parametrize(
    ("policy", "path", "owner"),
    [
        ({}, "personal.email", "campus"),
        ({}, "personal.pronouns", "first"),
        ({}, "tags.tagList", "first"),
        ({}, "requestPreference.delivery", "first"),
        ({"personal": "library"}, "personal.email", "library"),
        ({"personal": "library"}, "personal.pronouns", "library"),
        ({"personal": "library", "personal.email": "campus"}, "personal.email", "campus"),
        ({"personal.addresses": "library"}, "personal.addresses[1].city", "library"),
        ({"personal.addresses": "library", "personal.addresses[1]": "first"}, "personal.addresses[1].city", "first"),
        ({"customFields": "first"}, "customFields.home-campus", "first"),
    ],
)
def test_the_longest_path_says_who(policy: dict[str, ownership.Owner], path: str, owner: str) -> None:
    """What the mapping says, from near to far; then what makes sense by itself; then the campus."""
    assert ownership.owner(policy, "folio", path) == owner


def test_every_field_can_be_owned_but_those_that_never_change() -> None:
    """By itself, or with the whole that it is a part of."""
    known = ownership.paths("folio", ["customFields.campus"])
    for path in systems.KNOWN["folio"].fields:
        parts = [path.replace("[]", "[0]"), path.rpartition("[]")[0], path.split(".")[0]]
        assert path in ("externalSystemId", "id") or any(part in known for part in parts), path
    assert {"personal", "customFields", "customFields.campus", "personal.addresses[0]"} <= set(known)
    assert not {
        "externalSystemId",
        "id",
        "tags.tagList",
        "requestPreference.delivery",
        "personal.addresses[0].city",
    } & set(known)
