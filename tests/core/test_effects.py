"""Limits on the effect of a load: what a plan may do before it stops, or a person is asked."""

import polars as pl
import pytest

from patronload.checks import effects
from patronload.checks.effects import Effects, Tally
from patronload.config.tenants import Limits
from patronload.targets.delivery import CHANGES


def planned(*, known=1000, active=1000, inactive=0, fields=None, **actions):
    moving = {"active": [("true", "false", inactive)]} if inactive else {}
    return Effects(actions, fields or {}, moving, active, known)


def sentences(plan, *, is_first=False, **limits):
    return [verdict.sentence for verdict in effects.verdicts(Limits(**limits), plan, is_first=is_first)]


@pytest.mark.parametrize(
    ("inactive", "active", "stops"),
    [
        (50, 1000, False),
        (51, 1000, True),
        (9, 100, False),
        (10, 100, True),
        (9, 9, True),
        (5, 10, False),
        (6, 10, True),
    ],
)
def test_by_default_a_twentieth_and_ten_users_may_not_become_inactive(inactive, active, stops):
    """5 %, from 10 users on, or more than half of a small library; also in the first load."""
    plan = planned(active=active, known=active, inactive=inactive, update=inactive)
    for is_first in (False, True):
        found = sentences(plan, is_first=is_first)
        expected = f"{inactive} of {active:,} active users would become inactive; limits.becoming_inactive allows 5%."
        assert found == ([expected] if stops else [])


@pytest.mark.parametrize(("field", "limit", "most"), [("username", "5%", 50), ("barcode", "10%", 100)])
def test_by_default_ids_may_not_change_for_many(field, limit, most):
    """Usernames and barcodes, but not in a library's first load."""
    assert sentences(planned(fields={field: most}, update=most)) == []
    plan = planned(fields={field: most + 1}, update=most + 1)
    (found,) = sentences(plan)
    assert found == (
        f"The {field} of {most + 1} of 1,000 known users would change; limits.changed_fields.{field} allows {limit}."
    )
    assert sentences(plan, is_first=True) == []


@pytest.mark.parametrize(("limit", "allows"), [("20%", "20%"), (200, "200")])
def test_created_and_changed_are_shares_or_numbers(limit, allows):
    """A share is of the known users; both are off unless the tenant file has them, and returning users are changed."""
    fine = planned(create=200, update=150)
    fine.actions["return"] = 50
    assert sentences(fine, created=limit, changed=limit) == []
    much = planned(create=201, update=150)
    much.actions["return"] = 51
    assert sentences(much) == []
    known = "in addition to 1,000 in the file who are already known"
    assert sentences(much, created=limit, changed=limit) == [
        f"201 users would be created, {known}; limits.created allows {allows}.",
        f"201 of 1,000 known users would be changed; limits.changed allows {allows}.",
    ]


def test_in_a_first_load_only_a_number_limits_the_new_users():
    """No one is known before, so everyone would be over a share."""
    plan = planned(known=0, active=0, create=500)
    assert sentences(plan, is_first=True, created="20%") == []
    assert len(sentences(plan, is_first=True, created=499)) == 1


def test_leavers_are_not_counted_as_becoming_inactive():
    """They have a limit of their own, leavers.max."""
    lines = [(2, "u-1", "update", "active", "true", "false", "x"), (9, "u-2", "leave", "active", "true", "false", "x")]
    tally = Tally(("active",))
    tally.add(pl.DataFrame(lines, schema=CHANGES, orient="row"))
    assert tally.effects(10, 10).moving("active", "true", "false") == 1
