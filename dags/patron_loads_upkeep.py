"""
## What keeps the house

Two DAGs that go for all libraries at once. Both are switched off until somebody switches them on.

* **patron_loads_purge**, each night: takes away what the runs have left behind, by the ages under `keep` in each tenant
  file. First all that holds patrons, later the whole folder. A run that is under way is left alone.
* **patron_loads_digest**, each Monday: one mail about the week to each address under `notify.weekly`.

`docs/run-artifacts.md` tells what is kept and why.
"""

from airflow.sdk import DAG

from patronload.in_airflow import upkeep

with DAG(
    "patron_loads_purge",
    dag_display_name="Patron loads: clear away what is old",
    description="Takes away artifacts by the ages in the tenant files.",
    doc_md=__doc__,
    schedule="20 1 * * *",
    catchup=False,
    max_active_runs=1,
    tags=["patron-load-upkeep"],
    default_args={"owner": "patronload"},
    is_paused_upon_creation=True,
) as purge:
    upkeep.purge()

with DAG(
    "patron_loads_digest",
    dag_display_name="Patron loads: weekly mails",
    description="One mail a week about each library's loads, to those who want no more.",
    doc_md=__doc__,
    schedule="0 6 * * 1",
    catchup=False,
    max_active_runs=1,
    tags=["patron-load-upkeep"],
    default_args={"owner": "patronload"},
    is_paused_upon_creation=True,
) as digest:
    upkeep.digest()
