"""The page on which someone looks for a patron: who may, and that no one else hears whom."""

import json

import polars as pl
import pytest

from patronload.artifacts import names, tables
from patronload.artifacts import run as runs
from patronload.rows import ROW
from tests.pages.conftest import Rights, Site, in_words

DAG = "patron_load__northfield"
SECRET = "kim.lee@campus.example"


@pytest.fixture
def loaded(site: Site, counted) -> str:
    """A library with a run that has a patron; the address of its page."""
    site.add_library("northfield", "Patron load: Northfield College")
    (run_id,) = site.add_loads(DAG, [counted()])
    run = runs.open_run("northfield", run_id)
    run.write_json(names.FAILURE, {"stage": "plan", "kind": "TargetError", "message": "No."})
    patron = json.dumps({"externalSystemId": "0017", "personal": {"email": SECRET}})
    frame = pl.DataFrame(
        {"row": [2], "externalSystemId": ["0017"], "username": ["kim"], "barcode": [None], "patron": [patron]},
        schema_overrides={"row": pl.UInt32, "barcode": pl.String},
    )
    tables.write(run, names.PATRONS, frame)
    tables.write(run, names.ROWS, pl.DataFrame({ROW: [2], "ID": ["0017"]}, schema_overrides={ROW: pl.UInt32}))
    site.rights = Rights(read=frozenset({DAG}), start=frozenset({DAG}))
    return f"/libraries/{DAG}/find"


def test_it_is_for_those_who_may_start_a_load(site: Site, loaded: str):
    """Who may only read gets neither the page nor a link to it."""
    site.rights = Rights(read=frozenset({DAG}))
    assert site.get(loaded).status_code == 403
    assert site.client.post(loaded, data={"value": "0017"}).status_code == 403
    assert "Find a patron" not in in_words(site.get(f"/libraries/{DAG}").text)
    site.rights = None
    assert site.client.post(loaded, data={"value": "0017"}).status_code == 401
    site.rights = Rights(read=frozenset({DAG}), start=frozenset({DAG}))
    assert "Find a patron" in in_words(site.get(f"/libraries/{DAG}").text)
    assert site.get(loaded).status_code == 200


@pytest.mark.parametrize("value", [SECRET, "0017", "KIM"])
def test_what_it_finds(site: Site, loaded: str, value: str):
    """Each run that had the patron, with row and outcome."""
    words = in_words(site.client.post(loaded, data={"value": value}).text)
    assert "1 place in 1 run" in words
    assert "Not sent row 2, 0017" in words


def test_nobody_hears_whom_someone_looked_for(site: Site, loaded: str, caplog):
    """The search is in the audit log, the value is in no log, in no address and in no table of Airflow's."""
    caplog.set_level(0)
    answer = site.client.post(loaded, data={"value": SECRET})
    assert answer.headers["cache-control"] == "no-store"
    assert SECRET not in str(answer.url)
    assert site.audit == [("patron_searched", DAG, "somebody")]
    rows = [str(vars(line)) for line in site.lines]
    assert len(rows) == 1
    assert SECRET not in " ".join(rows) + caplog.text


def test_whoever_is_not_there(site: Site, loaded: str):
    """The page says where it looked."""
    words = in_words(site.client.post(loaded, data={"value": "0018"}).text)
    assert "Not found in 1 run" in words
