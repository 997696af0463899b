"""An Airflow connection, read and shown."""

import json

import pytest

from patronload import connections
from patronload.connections import Connection
from patronload.errors import ConfigError


def test_reads_a_connection_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON, the way the documentation shows."""
    written = {
        "conn_type": "http",
        "host": "http://127.0.0.1:9130",
        "port": 22,
        "login": "loader",
        "password": "pa55word",
    }
    monkeypatch.setenv("AIRFLOW_CONN_NORTHFIELD_FOLIO", json.dumps({**written, "extra": {"login": "expiring"}}))
    found = connections.get("northfield_folio")
    assert found == Connection(
        "northfield_folio", "http://127.0.0.1:9130", 22, "loader", "pa55word", {"login": "expiring"}
    )


def test_reads_a_connection_written_as_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way in which Airflow takes it."""
    monkeypatch.setenv("AIRFLOW_CONN_STCLARE_SFTP", "sftp://stclare:pa55word@sftp.example:2222/?look_for_keys=false")
    found = connections.get("stclare_sftp")
    assert (found.host, found.port, found.login, found.password) == ("sftp.example", 2222, "stclare", "pa55word")
    assert found.extra == {"look_for_keys": "false"}


def test_what_is_left_out_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to look for None."""
    monkeypatch.setenv("AIRFLOW_CONN_BARE", json.dumps({"conn_type": "sftp"}))
    assert connections.get("bare") == Connection("bare", "", None, "", "", {})


def test_shows_no_secret() -> None:
    """A connection may end in a log or in a traceback."""
    connection = Connection("x", "host", 22, "user", "pa55word", {"private_key": "s3cret"})
    for shown in (repr(connection), str(connection), f"{connection}"):
        assert "pa55word" not in shown
        assert "s3cret" not in shown
        assert "host" in shown


@pytest.mark.parametrize("value", [True, "true", "True", " true ", "1", 1])
def test_understands_yes(value: object) -> None:
    """Airflow's form keeps a tick as text, JSON as a boolean."""
    assert Connection("x", extra={"disable_tls": value}).says("disable_tls")


@pytest.mark.parametrize("extra", [{}, {"disable_tls": False}, {"disable_tls": "false"}, {"disable_tls": None}])
def test_understands_no(extra: dict[str, object]) -> None:
    """What is not said is not so."""
    assert not Connection("x", extra=extra).says("disable_tls")


def test_a_missing_connection_says_where_to_add_it() -> None:
    """In the UI, or as a variable of this name."""
    with pytest.raises(
        ConfigError, match=r"No Airflow connection is called 'nowhere'.*Connections or as AIRFLOW_CONN_NOWHERE"
    ):
        connections.get("nowhere")


def test_a_connection_that_cannot_be_read_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow does not tell the two apart; and what is written there, a password perhaps, is not repeated."""
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", '{"conn_type": "sftp", "password": "pa55word"')
    with pytest.raises(
        ConfigError, match="'broken' cannot be read: AIRFLOW_CONN_BROKEN is neither JSON nor a URI"
    ) as caught:
        connections.get("broken")
    assert "pa55word" not in str(caught.value)
