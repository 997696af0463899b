"""How full each field of the patrons is, and which codes became which patron groups."""

import polars as pl

from patronload.config.mapping import Mapping
from patronload.mapping import transform
from patronload.rows import ROW, no_rejects

MAPPING = Mapping.model_validate(
    {
        "target": "folio",
        "fields": {
            "externalSystemId": "ID",
            "username": "ID",
            "active": {"value": True},
            "patronGroup": {"column": "ROLE", "lookup": "groups"},
            "personal.lastName": "NAME",
            "personal.email": "MAIL",
        },
        "lookups": {"groups": {"UG": "undergrad", "GR": "graduate", "otherwise": "visitor", "blank": "visitor"}},
    }
)

ROWS = [
    ("1", "UG", "Kim", "a@b.example"),
    ("2", " ug ", "Lee", None),
    ("3", "secret", "Max", None),
    ("4", None, "Noa", None),
    ("5", "GR", None, "c@d.example"),
]


def made() -> transform.Transformed:
    """The patrons of these rows; the last one has no name and is rejected."""
    frame = pl.DataFrame(ROWS, schema=["ID", "ROLE", "NAME", "MAIL"], orient="row").with_row_index(ROW, 2)
    refused = no_rejects().vstack(
        pl.DataFrame(
            [{"row": 6, "column": "NAME", "value": "", "reason": "r", "summary": "s"}], schema=no_rejects().schema
        )
    )
    return transform.transform_part(frame, MAPPING, refused)


def test_each_field_is_counted_among_the_patrons():
    """Fixed values are in all of them; rejected rows do not count."""
    filled = dict(made().filled.iter_rows())
    assert filled == {
        "externalSystemId": 4,
        "username": 4,
        "active": 4,
        "patronGroup": 4,
        "personal.lastName": 4,
        "personal.email": 1,
    }


def test_codes_with_their_groups():
    """As the lookup writes them; what the lookup does not list may be anything, and is not named."""
    found = {(code, group): patrons for code, group, patrons in made().codes.iter_rows()}
    assert {group for _, group in found} <= {"undergrad", "visitor"}
    assert found.get((None, "visitor")) == 1
    assert found.get(("(blank)", "visitor")) == 1
    assert sum(found.values()) == 4
    assert "secret" not in str(found)


def test_a_group_without_a_lookup_has_no_codes():
    """Then the column has the groups themselves."""
    fields = dict(MAPPING.fields) | {"patronGroup": MAPPING.fields["username"]}
    plain = MAPPING.model_copy(update={"fields": fields, "lookups": {}})
    frame = pl.DataFrame(ROWS, schema=["ID", "ROLE", "NAME", "MAIL"], orient="row").with_row_index(ROW, 2)
    assert transform.transform_part(frame, plain, no_rejects()).codes.height == 0
