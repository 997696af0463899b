"""A third target is a module, a model and samples: docs/add-a-target.md builds one, and here it loads patrons."""

import json
import sys
from datetime import date
from types import ModuleType
from typing import Annotated

import pytest
from pydantic import Field

from patronload import systems, targets
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.cli import preview
from patronload.config import mapping_files, schemas, tenants
from patronload.errors import ConfigError
from patronload.loads.load import Load
from tests import stages
from tests.documentation.pages import blocks, put

PAGE = "docs/add-a-target.md"
EXPORT = "Card,Name,Age\n1,Ann,A\n2,Ben,C\n3,Cas,X\n4,,A\n5,Eve,\n2,Dee,A\n6,Flo,A\n"


def shown():
    """What the page shows, by its place below plugins/patronload or include."""
    return {block.note.removeprefix("code: "): block.text for block in blocks(PAGE) if block.note.startswith("code: ")}


def made(name, text, monkeypatch):
    """The page's module, as if it lay in the package."""
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(text, f"{PAGE}: {name}", "exec"), vars(module))
    return module


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Shelf put in as the page says: two files, and a line in three places."""
    system = made("patronload.systems.shelf", shown()["systems/shelf.py"], monkeypatch)
    made("patronload.targets.shelf", shown()["targets/shelf.py"], monkeypatch)
    monkeypatch.setitem(systems.KNOWN, "shelf", system.SHELF)
    monkeypatch.setitem(targets.MODULES, "shelf", "patronload.targets.shelf")

    class Tenant(tenants.Tenant):
        target: Annotated[
            tenants.FolioTarget | tenants.InfinitiTarget | system.ShelfTarget, Field(discriminator="type")
        ]

    monkeypatch.setattr(tenants, "Tenant", Tenant)
    include = tmp_path / "include"
    export = put(tmp_path / "export.csv", EXPORT)
    put(include / "tenants/corner.yaml", shown()["tenants/corner.yaml"].replace("EXPORT", str(export)))
    put(include / "mappings/shelf/cards.yaml", shown()["mappings/shelf/cards.yaml"])
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(include))
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW_CONN_CORNER_SHELF", json.dumps({"conn_type": "generic", "host": str(folder)}))
    return folder


def test_it_loads_patrons(shelf, tmp_path):
    """The same steps, chunks, rejects, report and page as for every other target."""
    put(shelf / "1.json", "{}")
    tenant = tenants.load("corner")
    load = Load(
        tenant.model_copy(update={"limits": tenants.Limits(max_rejects="100%")}),
        Run(tmp_path / "artifacts" / "corner" / "run"),
        "run",
        date(2026, 11, 25),
    )
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan, stages.post):
        step(load)
    told = stages.report(load)
    assert {file.stem: json.loads(file.read_text()) for file in shelf.iterdir()} == {
        "1": {"card": "1", "name": "Ann", "adult": True},
        "5": {"card": "5", "name": "Eve"},
        "6": {"card": "6", "name": "Flo", "adult": True},
    }
    assert (told["outcome"], told["rows"]) == ("loaded_with_rejects", 7)
    assert (told["created"], told["updated"], told["rejected"]) == (2, 1, 4)
    assert load.run.names("chunks") == ["chunks/0001.json.zst", "chunks/0002.json.zst"]
    assert "new in Shelf" in load.run.read(names.REPORT_PAGE).decode()
    assert load.run.shared.has(names.LEDGER)


def test_a_load_that_was_interrupted_goes_on(shelf, tmp_path):
    """Sent and not answered: `resolve` is asked."""
    load = Load(tenants.load("corner"), Run(tmp_path / "artifacts" / "corner" / "run"), "run", date(2026, 11, 25))
    put(tmp_path / "export.csv", "Card,Name,Age\n1,Ann,A\n")
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
        step(load)
    on_its_way = {"chunk": 1, "patrons": 1, "parts": [], "from": 0, "to": 1, "sent_at": "2026-11-25T00:00:00+00:00"}
    load.run.write_json("sent/0001.json", on_its_way)
    assert stages.post(load)["patrons"] == 1
    assert (shelf / "1.json").exists()


def test_it_is_previewed(shelf, tmp_path):
    """Without a connection."""
    seen = preview.of_tenant("corner", tmp_path / "export.csv")
    assert [json.loads(patron)["name"] for patron in seen.posted] == ["Ann", "Eve", "Flo"]


def test_its_yaml_is_checked(shelf, tmp_path):
    """Mistakes are told with what to write instead, and editors know its fields."""
    file = tmp_path / "include/tenants/corner.yaml"
    good = file.read_text()
    file.write_text(good.replace("chunk_size", "chunk_syze"))
    with pytest.raises(ConfigError, match=r"target\.chunk_syze: no such key; did you mean 'chunk_size'"):
        tenants.load("corner")
    put(tmp_path / "include/mappings/shelf/odd.yaml", "target: shelf\nfields: {card: Card, nane: Name}\n")
    with pytest.raises(ConfigError, match=r"fields\.nane: no such field; did you mean 'name'\?"):
        mapping_files.load("shelf/odd")
    known = [part["if"]["properties"]["target"]["const"] for part in schemas.all_schemas()[MAPPING]["allOf"]]
    assert known == ["folio", "infiniti", "shelf"]


MAPPING = "mapping.schema.json"


def test_what_it_lacks_is_told(shelf):
    """A `type` that no one has put in, and a mapping of another target."""
    with pytest.raises(ConfigError, match="takes 'folio' or 'infiniti' or 'shelf'"):
        mapping_files.load_file(
            put(shelf.parent / "include/mappings/shelf/none.yaml", "target: none\nfields: {a: B}\n")
        )
