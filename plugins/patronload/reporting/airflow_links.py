"""
Where Airflow's own UI shows the pages, runs, logs and questions.

A page is shown in a frame under the address of a run or a DAG. A link to another run must change that address too, or
the tab of one run would show another one.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urlencode

PAGES = "/patron-loads"
"""Where the pages for people with an account are, below Airflow's own address."""

SIGNED_PAGES = "/patron-links"
"""Where the pages behind signed links are; Airflow asks no one there for a login."""

START = "#start-a-load"
"""The end of an address at which our page opens Airflow's form Trigger, which has no address; see frame.js."""

LIBRARIES, LIBRARY, FIND, REPORT, PLAN = ("patron-loads", "library-loads", "find-a-patron", "load-report", "load-plan")
"""The parts of Airflow's addresses that name our pages."""


class Links(NamedTuple):
    """Addresses in Airflow's UI; `base` is Airflow's address, or the path in it, without a slash at its end."""

    base: str

    @property
    def libraries(self) -> str:
        """The page over all libraries."""
        return f"{self.base}/plugin/{LIBRARIES}"

    def dag(self, dag_id: str) -> str:
        """The DAG of a library, with the button Trigger."""
        return f"{self.base}/dags/{quote(dag_id, safe='')}"

    def library(self, dag_id: str) -> str:
        """The loads of a library."""
        return f"{self.dag(dag_id)}/plugin/{LIBRARY}"

    def start(self, dag_id: str) -> str:
        """The loads of a library, with the form that starts one."""
        return f"{self.library(dag_id)}{START}"

    def find(self, dag_id: str) -> str:
        """The search for a patron."""
        return f"{self.dag(dag_id)}/plugin/{FIND}"

    def run(self, dag_id: str, run_id: str) -> str:
        """A run with its tasks."""
        return f"{self.dag(dag_id)}/runs/{quote(run_id, safe='')}"

    def report(self, dag_id: str, run_id: str) -> str:
        """The report of a run."""
        return f"{self.run(dag_id, run_id)}/plugin/{REPORT}"

    def plan(self, dag_id: str, run_id: str) -> str:
        """The plan of a run."""
        return f"{self.run(dag_id, run_id)}/plugin/{PLAN}"

    def log(self, dag_id: str, run_id: str, stage: str) -> str:
        """The log of a task."""
        return f"{self.run(dag_id, run_id)}/tasks/{quote(stage, safe='')}"

    def question(self, dag_id: str, run_id: str) -> str:
        """Where the question of a run is answered."""
        return f"{self.log(dag_id, run_id, 'approve')}/required_actions"

    def login(self, shown: str) -> str:
        """Where someone logs in, to come back to an address."""
        return f"{self.base}/api/v2/auth/login?{urlencode({'next': shown})}"
