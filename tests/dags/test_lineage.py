"""What a library's tasks tell OpenLineage, where its provider is installed."""

import sys
from types import SimpleNamespace

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from patronload.in_airflow import lineage
from patronload.in_airflow.lineage import Dataset
from tests.dags.dag_files import dags_in


@pytest.fixture
def provider(monkeypatch):
    """What the provider brings, of which only these classes are used."""
    made = SimpleNamespace
    extractors = made(OperatorLineage=lambda inputs, outputs: (inputs, outputs))
    client = made(InputDataset=lambda *each: ("reads", *each), OutputDataset=lambda *each: ("writes", *each))
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", extractors)
    monkeypatch.setitem(sys.modules, "openlineage.client.event_v2", client)


def test_fetch_and_post_answer_the_provider(read, add_tenant, provider):
    """The export, its copy, and the patrons in the library system; the places are the same every day."""
    add_tenant("riverside")
    (dag,) = dags_in(read("patron_load")).values()
    fetch, post = (getattr(dag.get_task(name), lineage.METHOD) for name in ("fetch", "post"))
    (reads,), (writes,) = fetch(None)
    assert reads[0] == "reads"
    assert "riverside" in f"{reads[1]}{reads[2]}"
    assert writes == ("writes", "patronload", "riverside/export")
    assert post(None) == ([("reads", "patronload", "riverside/export")], [("writes", "x-folio://riverside", "patrons")])


def test_the_dag_is_stored_without_it(read, add_tenant):
    """Airflow stores no new version of a DAG because of it."""
    add_tenant("riverside")
    (dag,) = dags_in(read("patron_load")).values()
    assert "openlineage" not in str(DagSerialization.to_dict(dag))


@pytest.mark.parametrize(
    ("source", "dataset"),
    [
        (
            {"type": "sftp", "connection": "riverside_sftp", "path": "out/{date:%Y%m%d}.csv"},
            Dataset("sftp://riverside_sftp", "out/{date:%Y%m%d}.csv"),
        ),
        (
            {"type": "https", "connection": "riverside_web", "path": "reports/a.csv?key=secret"},
            Dataset("https://riverside_web", "reports/a.csv"),
        ),
        ({"type": "folder", "path": "file:///srv/exports/a.csv"}, Dataset("file://", "srv/exports/a.csv")),
        ({"type": "folder", "path": "s3://conn@bucket/a.csv"}, Dataset("s3://bucket", "a.csv")),
    ],
)
def test_the_names_of_sources(source, dataset):
    """By the scheme and the place, as OpenLineage names datasets; an SFTP server by its connection, not its host."""
    assert lineage.of_source(SimpleNamespace(tenant="riverside", source=SimpleNamespace(**source))) == dataset
