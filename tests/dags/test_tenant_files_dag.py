"""A tenant file with a mistake in it: told of as an import error, and in nobody else's way."""

import pytest
from airflow.utils.file import might_contain_dag

from patronload.errors import ConfigError
from tests.dags.dag_files import dags_in

MISTAKES = [
    pytest.param({"chunk_size:": "chunk_syze:"}, "target.chunk_syze", id="a key that is misspelt"),
    pytest.param({"timezone: Europe/Dublin": "timezone: Dublin"}, "timezone", id="a zone that is none"),
    pytest.param({'"30 4 * * *"': '"30 25 * * *"'}, "schedule", id="a schedule that is none"),
    pytest.param({"folio/people": "folio/peeple"}, "mapping", id="a mapping that is not there"),
    pytest.param({"tenant: broken": "tenant: other"}, "tenant", id="another name than the file's"),
    pytest.param({"type: sftp": "type: ftp"}, "source", id="a kind of source that is unknown"),
    pytest.param({"library:": "NO: x\nlibrary:"}, "NO", id="a key that YAML reads as no text"),
    pytest.param({"library:": "library: 'x"}, "", id="a quote that is not closed"),
]


@pytest.mark.parametrize(("changes", "key"), MISTAKES)
def test_one_mistake(read, add_tenant, changes, key):
    """The others keep their DAGs; the import error names file, line and key."""
    add_tenant("good")
    add_tenant("fine")
    add_tenant("broken", changes)
    assert dags_in(read("patron_load")).keys() == {"patron_load__good", "patron_load__fine"}
    with pytest.raises(ConfigError) as told:
        read("tenant_files")
    (line,) = [line for line in str(told.value).splitlines() if "broken.yaml" in line]
    assert line.startswith("broken.yaml, line ")
    assert key in line


def test_all_mistakes_are_told_at_once(read, add_tenant):
    """Each broken file has its own paragraph, so that a person mends all of them in one go."""
    add_tenant("good")
    for number, mistake in enumerate(MISTAKES):
        add_tenant(
            f"broken{number}", dict(mistake.values[0]) | ({"tenant: broken": "tenant: x"} if number == 4 else {})
        )
    assert dags_in(read("patron_load")).keys() == {"patron_load__good"}
    with pytest.raises(ConfigError) as told:
        read("tenant_files")
    for number in range(len(MISTAKES)):
        assert f"broken{number}.yaml" in str(told.value)


def test_files_that_are_all_right(read, add_tenant):
    """Nothing is told, and there is no DAG in that file."""
    add_tenant("good")
    assert dags_in(read("tenant_files")) == {}


def test_no_tenant_at_all(read, include):
    """An empty folder, or none, is no error: the first tenant is still to come."""
    assert dags_in(read("patron_load")) == {}
    (include / "tenants").rmdir()
    assert dags_in(read("patron_load")) == {}
    read("tenant_files")


@pytest.mark.parametrize("name", ["patron_load", "tenant_files"])
def test_airflow_looks_into_the_file(project, name):
    """Airflow skips files in which it finds neither its name nor the word dag; a skipped file tells of no error."""
    assert might_contain_dag(str(project / "dags" / f"{name}.py"), safe_mode=True)
