"""Whoever changed a field last: the campus in its file, or somebody in FOLIO. By whole loads into the stand-in."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.loads.load import Load
from sandbox.folio import FolioServer, FolioTenant
from tests import stages

COLUMNS = (
    "externalSystemId",
    "username",
    "patronGroup",
    "lastName",
    "email",
    "street",
    "delivery",
    "way",
    "place",
    "tags",
)
OWNED = {
    "personal.lastName": "last",
    "personal.email": "last",
    "personal.addresses[0]": "last",
    "requestPreference": "last",
    "tags": "last",
}
ANN = {
    "externalSystemId": "c-1",
    "username": "ann",
    "patronGroup": "undergrad",
    "lastName": "Ash",
    "email": "ann@campus.example",
    "street": "1 Elm Street",
    "delivery": "n",
    "way": "",
    "place": "",
    "tags": "new",
}

Loading = Callable[..., Load]


@pytest.fixture
def folio():
    with FolioServer([FolioTenant("main", "loader", "secret-of-folio")]) as server:
        yield server


@pytest.fixture
def load(project: Path, tmp_path: Path, folio: FolioServer, monkeypatch: pytest.MonkeyPatch) -> Loading:
    """Loads rows, all steps of it; a dry run ends with its plan."""
    include, exported = tmp_path / "include", tmp_path / "patrons.csv"
    shutil.copytree(project / "include" / "schemas", include / "schemas")
    _put(include / "mappings/folio/contested.yaml", _mapping())
    count = iter(range(100))

    def make(*rows: dict[str, str], dry_run: bool = False, **target: Any) -> Load:
        _put(include / "tenants/lib.yaml", _tenant(exported, **target))
        lines = [",".join(row[name] for name in COLUMNS) + "\n" for row in rows]
        exported.write_text(",".join(COLUMNS) + "\n" + "".join(lines), encoding="utf-8")
        number = next(count)
        run = Run(tmp_path / "lib" / f"run{number}")
        day = date(2026, 11, 1 + number)
        made = Load(tenants.load("lib"), run, f"run{number}", day, dry_run=dry_run, load_anyway="a test")
        for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
            step(made)
        if not dry_run:
            stages.post(made)
            stages.report(made)
        return made

    connection = {"conn_type": "http", "host": folio.url, "login": "loader", "password": "secret-of-folio"}
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(include))
    monkeypatch.setenv("AIRFLOW_CONN_LIB_FOLIO", json.dumps(connection))
    return make


def _put(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _mapping() -> dict[str, Any]:
    return {
        "target": "folio",
        "fields": {
            "externalSystemId": "externalSystemId",
            "username": "username",
            "patronGroup": "patronGroup",
            "personal.lastName": "lastName",
            "personal.email": "email",
            "personal.addresses[0].addressTypeId": {"value": "Home"},
            "personal.addresses[0].addressLine1": "street",
            "requestPreference.holdShelf": {"value": True},
            "requestPreference.delivery": {"column": "delivery", "lookup": "yes_no"},
            "requestPreference.fulfillment": "way",
            "requestPreference.defaultDeliveryAddressTypeId": "place",
            "tags.tagList": {"column": "tags", "split": ";"},
        },
        "lookups": {"yes_no": {"y": True, "n": False}},
        "ownership": OWNED,
    }


def _tenant(exported: Path, **target: Any) -> dict[str, Any]:
    return {
        "tenant": "lib",
        "library": "A Library",
        "mapping": "folio/contested",
        "timezone": "Europe/Dublin",
        "source": {"type": "folder", "path": str(exported), "quiet_seconds": 0},
        "target": {"type": "folio", "connection": "lib_folio", "folio_tenant": "main", **target},
        "limits": {"max_rejects": "100%", "older_file": "warn"},
        "notify": {"on_failure": ["oncall@lib.example"]},
    }


def user(folio: FolioServer) -> dict[str, Any]:
    found = folio.store("main").user("c-1")
    assert found
    return found


def edit(folio: FolioServer, **personal: Any) -> None:
    """What somebody does in FOLIO between two loads."""
    found = user(folio)
    folio.store("main").users.put(found | {"personal": {**found["personal"], **personal}, "tags": {"tagList": ["vip"]}})


def in_folio(folio: FolioServer) -> tuple[str, str | None, str, list[str]]:
    found = user(folio)
    personal = found["personal"]
    street = personal["addresses"][0]["addressLine1"]
    return personal["lastName"], personal.get("email"), street, found["tags"]["tagList"]


def moved(folio: FolioServer) -> list[dict[str, Any]]:
    [home] = user(folio)["personal"]["addresses"]
    return [home | {"addressLine1": "9 Oak Lane"}]


def test_the_last_to_change_it_is_right(load: Loading, folio: FolioServer):
    """An edit in FOLIO stays night after night, until the campus has something new to say, and that then stays."""
    load(ANN)
    assert in_folio(folio) == ("Ash", "ann@campus.example", "1 Elm Street", ["new"])
    edit(folio, lastName="Ashe", email="ann@home.example", addresses=moved(folio))
    for _ in range(2):
        load(ANN)
        assert in_folio(folio) == ("Ashe", "ann@home.example", "9 Oak Lane", ["vip"])
    load(ANN | {"email": "a.ash@campus.example"})
    assert in_folio(folio) == ("Ashe", "a.ash@campus.example", "9 Oak Lane", ["vip"])
    load(ANN | {"email": "a.ash@campus.example", "street": "2 Elm Street", "tags": "new;old"})
    assert in_folio(folio) == ("Ashe", "a.ash@campus.example", "2 Elm Street", ["new", "old"])


def test_a_preference_that_a_patron_chose(load: Loading, folio: FolioServer):
    """It is one value, and the patron's until the campus changes it."""
    load(ANN)
    store = folio.store("main")
    chosen = store.preferences.find("userId", user(folio)["id"])
    assert chosen
    assert chosen["delivery"] is False
    home = store.address_types.find("addressType", "Home")["id"]
    store.preferences.put(chosen | {"delivery": True, "fulfillment": "Delivery", "defaultDeliveryAddressTypeId": home})
    load(ANN)
    assert store.preferences.find("userId", user(folio)["id"])["delivery"] is True
    load(ANN | {"delivery": "y", "way": "Delivery", "place": "Home"})
    load(ANN)
    assert store.preferences.find("userId", user(folio)["id"])["delivery"] is False


def test_before_anything_is_known_what_is_there_stays(load: Loading, folio: FolioServer, tmp_path: Path):
    """Nobody can tell who changed it last; what FOLIO has not, it gets."""
    load(ANN)
    edit(folio, lastName="Ashe", email=None)
    (tmp_path / "lib" / names.LEDGER).unlink()
    load(ANN)
    assert in_folio(folio)[:2] == ("Ashe", "ann@campus.example")


def test_a_cell_that_became_empty(load: Loading, folio: FolioServer):
    """It empties the field when blank cells do so, once; what somebody writes there afterwards stays."""
    load(ANN)
    load(ANN | {"email": ""})
    assert in_folio(folio)[1] == "ann@campus.example"
    load(ANN)
    load(ANN | {"email": ""}, blank_cells="erase")
    assert in_folio(folio)[1] is None
    edit(folio, email="ann@home.example")
    load(ANN | {"email": ""}, blank_cells="erase")
    assert in_folio(folio)[1] == "ann@home.example"


def test_what_was_not_loaded_is_not_known(load: Loading, folio: FolioServer):
    """A patron who was set aside, or a dry run, changes nothing in what the campus said last."""
    load(ANN)
    edit(folio, email="ann@home.example")
    changed = ANN | {"email": "a.ash@campus.example"}
    load(changed, dry_run=True)
    load(
        changed | {"patronGroup": "wizard"},
        ANN | {"externalSystemId": "c-2", "username": "bob", "email": "b@x.example"},
    )
    assert in_folio(folio)[1] == "ann@home.example"
    load(changed)
    assert in_folio(folio)[1] == "a.ash@campus.example"


def test_a_change_that_comes_with_another_spelling_of_the_key(load: Loading, folio: FolioServer):
    """C-1 is c-1 to FOLIO, so what the file said of the one it has said of the other."""
    load(ANN)
    load(ANN | {"externalSystemId": "C-1", "email": "a.ash@campus.example"})
    assert in_folio(folio)[1] == "a.ash@campus.example"


def test_what_folio_did_not_know_is_loaded_when_it_does(load: Loading, folio: FolioServer):
    """An address whose type was missing in FOLIO has not been loaded, so it is not what was said at the last load."""
    store = folio.store("main")
    home = store.address_types.find("addressType", "Home")
    assert home
    store.address_types.delete(home["id"])
    load(ANN)
    assert not user(folio)["personal"].get("addresses")
    store.address_types.put(home)
    load(ANN)
    assert in_folio(folio)[2] == "1 Elm Street"


def test_the_order_of_tags_says_nothing(load: Loading, folio: FolioServer):
    """The campus has not changed them by sending them in another order."""
    load(ANN | {"tags": "new;old"})
    edit(folio)
    load(ANN | {"tags": "old;new"})
    assert in_folio(folio)[3] == ["vip"]


def test_nobody_can_be_read_in_the_ledger(load: Loading, tmp_path: Path):
    """It has the key in plain text, and of the contested fields hashes only."""
    load(ANN)
    content = (tmp_path / "lib" / names.LEDGER).read_bytes()
    values = [value for name, value in ANN.items() if name != "externalSystemId" and len(value) > 3]
    assert not [value for value in values if value.encode() in content]
    [said] = pl.read_parquet(tmp_path / "lib" / names.LEDGER)["said"]
    assert set(json.loads(said)) == {
        "personal.lastName", "personal.email", "personal.addresses Home", "requestPreference", "tags",
    }  # fmt: skip
