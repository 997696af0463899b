"""
## Upkeep

These three DAGs work for all libraries together. All are paused until someone unpauses them.

* **patron_loads_purge**, every night: deletes old artifacts, by the ages under `keep` in each tenant file. Patron data
  is deleted first, later the whole folder. It leaves runs in progress alone.
* **patron_loads_attention**, every hour: mails to those on call which libraries need attention, if that has changed or
  a day has passed. Started by hand, it mails in any case.
* **patron_loads_digest**, every Monday: sends one mail about the week to each address under `notify.weekly`.

`docs/run-artifacts.md` explains what is kept, and why; `docs/monitoring.md` has the set-up of patron_loads_attention.
"""

from typing import Any

from airflow.sdk import DAG

from patronload.in_airflow import upkeep

OPTIONS: dict[str, Any] = {
    "doc_md": __doc__,
    "catchup": False,
    "max_active_runs": 1,
    "tags": ["patron-load-upkeep"],
    "default_args": {"owner": "patronload"},
    "is_paused_upon_creation": True,
}

with DAG(
    "patron_loads_purge",
    dag_display_name="Patron loads: purge old artifacts",
    description="Deletes artifacts by the ages in the tenant files.",
    schedule="20 1 * * *",
    **OPTIONS,
) as purge:
    upkeep.purge()

with DAG(
    "patron_loads_attention",
    dag_display_name="Patron loads: what needs attention",
    description="Mails to those on call which libraries need attention.",
    schedule="15 * * * *",
    **OPTIONS,
) as attention:
    upkeep.attention()

with DAG(
    "patron_loads_digest",
    dag_display_name="Patron loads: weekly mails",
    description="One mail a week about each library's loads.",
    schedule="0 6 * * 1",
    **OPTIONS,
) as digest:
    upkeep.digest()
