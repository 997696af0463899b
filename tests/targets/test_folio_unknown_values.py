"""Values that FOLIO does not know and that are left out, service points by name, and dates by patron group."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from patronload.config.mapping import Mapping
from sandbox.folio import FolioServer
from sandbox.folio.reference import departments, select_field, service_points
from tests.targets.loads import FOLIO_TENANT, person
from tests.targets.plans import CHICAGO, FILLED, mapping, plan, reasons, sent, stored_user


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path)


@pytest.fixture(autouse=True)
def _institution(server: FolioServer) -> None:
    store = server.store(FOLIO_TENANT)
    store.departments.put(departments("Music")[0])
    store.custom_fields.put(select_field("homeCampus", "Home campus", ["Main", "Riverside"]))


LEAVE_OUT = {
    "departments": "leave_out",
    "customFields.homeCampus": "leave_out",
    "requestPreference.defaultServicePointId": "leave_out",
}


@pytest.mark.parametrize("blank_cells", ["keep", "erase"])
def test_unknown_values_can_be_left_out(server: FolioServer, tmp_path: Path, blank_cells: str):
    """Field by field: the patron is loaded without the value, FOLIO keeps what it has, and the plan counts them."""
    preference = ["requestPreference.holdShelf", "requestPreference.defaultServicePointId"]
    rules = mapping(tmp_path, (*FILLED, *preference))
    point = service_points()[0]
    preferred = {"holdShelf": True, "delivery": False, "defaultServicePointId": point["id"]}
    stored_user(
        server, person(1, departments=["Music"]), customFields={"homeCampus": "opt_0"}, requestPreference=preferred
    )
    records = [
        person(
            1,
            departments=["Alchemy"],
            customFields={"homeCampus": "Moon"},
            requestPreference={"defaultServicePointId": "Nowhere"},
        ),
        person(2, departments=["Alchemy", "Music"]),
        person(3, patronGroup="wizard"),
    ]
    planned = plan(server, records, rules, unknown_values=LEAVE_OUT, blank_cells=blank_cells, send="all")
    found = sent(planned)
    assert sorted(found) == [2, 3]
    assert found[2]["departments"] == ["Music"]
    assert found[2]["customFields"] == {"homeCampus": "Main"}
    assert found[2]["requestPreference"]["defaultServicePointId"] == point["id"]
    assert found[3]["departments"] == ["Music"]
    told = " ".join(planned.summary["warnings"])
    assert "the department 'Alchemy' (2 rows). The tenant file says to leave it out" in told
    assert "'homeCampus' 'Moon' (1 row)" in told
    assert "the service point 'Nowhere' (1 row)" in told
    assert reasons(planned) == {4: "patronGroup 'wizard': FOLIO does not know the patron group"}


def test_what_is_created_is_not_left_out(server: FolioServer, rules: Mapping):
    """A department that may be created is created, and one that may not be is left out."""
    records = [person(1, departments=["Alchemy", "music"])]
    planned = plan(server, records, rules, unknown_values={"departments": "leave_out"}, create=["departments"])
    assert sent(planned)[2]["departments"] == ["Alchemy"]
    assert [one["name"] for one in planned.summary["create"]["departments"]] == ["Alchemy"]
    assert "'music' (1 row; FOLIO has 'Music')" in " ".join(planned.summary["warnings"])


def test_one_field_can_stop_the_run(server: FolioServer, rules: Mapping):
    """The other fields reject their rows."""
    records = [person(1, patronGroup="wizard"), person(2, departments=["Alchemy"])]
    planned = plan(server, records, rules, unknown_values={"patronGroup": "stop"})
    assert len(planned.stops) == 1
    assert "wizard" in planned.stops[0]
    assert sorted(reasons(planned)) == [2, 3]


@pytest.mark.parametrize("key", ["id", "code", "name"])
def test_a_service_point_is_found_by_code_or_name(server: FolioServer, tmp_path: Path, key: str):
    """An analyst knows the pickup desk by its name."""
    rules = mapping(tmp_path, (*FILLED, "requestPreference.defaultServicePointId"))
    point = service_points()[1]
    planned = plan(server, [person(1, requestPreference={"defaultServicePointId": point[key]})], rules)
    assert sent(planned)[2]["requestPreference"]["defaultServicePointId"] == point["id"]
    lower = person(2, requestPreference={"defaultServicePointId": point["name"].lower()})
    assert f"FOLIO has '{point['name']}'" in " ".join(plan(server, [lower], rules).summary["warnings"])


def test_new_patrons_without_a_group_are_reported(server: FolioServer, rules: Mapping):
    """They are loaded, and cannot borrow; known ones keep their group."""
    stored_user(server, person(1))
    records = [{name: value for name, value in person(n).items() if name != "patronGroup"} for n in (1, 2, 3)]
    planned = plan(server, records, rules)
    assert len(sent(planned)) >= 2
    (told,) = planned.summary["warnings"]
    assert told.startswith("In rows 3 and 4 new patrons have no patron group")


def test_the_groups_offset_gives_the_expiry_date(server: FolioServer, tmp_path: Path):
    """Today where the library is, and the days that FOLIO has for the group; without an offset the date stays."""
    rules = mapping(tmp_path, FILLED)
    groups = list(server.store(FOLIO_TENANT).groups)
    server.store(FOLIO_TENANT).groups.put(groups[0] | {"expirationOffsetInDays": 120})
    with_offset = groups[0]["group"]
    without = next(group["group"] for group in groups[1:] if "expirationOffsetInDays" not in group)
    stored_user(server, person(2, patronGroup=without), expirationDate="2027-05-12T04:59:59.000+00:00")
    records = [
        person(1, patronGroup=with_offset, expirationDate="group offset"),
        person(2, patronGroup=without, expirationDate="group offset"),
        person(3, patronGroup=without, expirationDate="group offset"),
    ]
    planned = plan(server, records, rules, send="all")
    found = sent(planned)
    today = datetime.fromisoformat(found[2]["expirationDate"]).astimezone(CHICAGO).date() - timedelta(days=120)
    assert abs(today - datetime.now(CHICAGO).date()) <= timedelta(days=1)
    assert found[3]["expirationDate"].startswith("2027-05-12")
    assert "expirationDate" not in found[4]
    assert f"no expiration offset for the patron group '{without}' (2 rows)" in " ".join(planned.summary["warnings"])
