"""The sandbox's connections beside real ones, in the Airflow of a demo under Docker Compose."""

import json

from local import demo_connections
from tests.cluster.cluster import Cluster


def test_a_real_connection_is_left_alone(cluster: Cluster):
    """The sandbox adds its connections and changes its own at the next start; it never touches anybody else's."""
    real = {"connection_id": "real_mail", "conn_type": "smtp", "host": "mail.example"}
    cluster.api.http.post("connections", json=real).raise_for_status()
    offered = {"AIRFLOW_CONN_REAL_MAIL": sandbox(1), "AIRFLOW_CONN_DEMO_MAIL": sandbox(2)}
    assert demo_connections.offer(cluster.api, offered) == ["real_mail"]
    assert demo_connections.offer(cluster.api, offered | {"AIRFLOW_CONN_DEMO_MAIL": sandbox(3)}) == ["real_mail"]
    found = {name: cluster.api.http.get(f"connections/{name}").json() for name in ("real_mail", "demo_mail")}
    assert (found["real_mail"]["host"], found["real_mail"]["port"]) == ("mail.example", None)
    assert (found["demo_mail"]["host"], found["demo_mail"]["port"]) == ("sandbox", 3)
    assert json.loads(found["demo_mail"]["extra"]) == {"disable_tls": True}


def sandbox(port: int) -> str:
    return json.dumps({"conn_type": "smtp", "host": "sandbox", "port": port, "extra": {"disable_tls": True}})
