"""A person in two rows of a file: the preferred one is loaded, and the other one is accounted for."""

import pytest

from patronload.checks import validation
from patronload.config.source import Layout
from patronload.exports import reading
from patronload.rows import without

MAPPING = """
target: folio
prefer: {column: ROLE, order: [FAC, STF, UG]}
fields:
  externalSystemId: {column: ID, steps: [lower]}
  username: LOGIN
"""


def validated(mapping, *rows):
    """The rows that are loaded, skipped and rejected."""
    export = reading.read("\n".join(["ID,LOGIN,ROLE", *rows]).encode(), Layout())
    found = validation.validate(export, mapping(MAPPING))
    left = without(without(export.frame, found.skipped), found.rejects)
    return left["__row__"].to_list(), found.skipped["row"].to_list(), sorted(set(found.rejects["row"]))


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        (["1,a,UG", "1,a,FAC"], ([3], [2], [])),
        (["1,a,FAC", "1,a,UG", "1,a,STF"], ([2], [3, 4], [])),
        (["A1,a,UG", "a1,a, STF "], ([3], [2], [])),
        (["1,a,UG", "1,a,UG"], ([2], [], [3])),
        (["1,a,FAC", "1,a,FAC", "1,a,UG"], ([2], [4], [3])),
        (["1,a,UG", "1,a,UG", "1,a,FAC"], ([4], [2, 3], [])),
        (["1,a,UG", "1,b,UG"], ([], [], [2, 3])),
        (["1,a,UG", "1,a,ALUM"], ([], [], [2, 3])),
        (["1,a,UG", "1,a,"], ([], [], [2, 3])),
        (["1,a,FAC", "1,b,FAC", "1,c,UG"], ([], [], [2, 3, 4])),
        (["1,a,ALUM", "2,b,UG"], ([2, 3], [], [])),
        ([",a,FAC", ",b,UG"], ([], [], [2, 3])),
    ],
)
def test_the_preferred_row_is_loaded(mapping, rows, outcome):
    """Only if the order decides; otherwise all rows of the person are rejected, as without `prefer`."""
    assert validated(mapping, *rows) == outcome


def test_the_skipped_row_names_the_person_for_the_plan(mapping):
    """So that nobody counts as missing."""
    export = reading.read(b"ID,LOGIN,ROLE\n1,a,UG\n1,a,FAC\n", Layout())
    found = validation.validate(export, mapping(MAPPING))
    assert found.skipped.rows() == [(2, "another row of the person is preferred by ROLE", "1")]
