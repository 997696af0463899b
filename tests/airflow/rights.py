"""Airflow's simple accounts, and one account that may see a single library: rights by DAG, as FAB and Keycloak have."""

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

ONLY = {"viewer": "patron_load__northfield"}
"""Account -> the one DAG that it may see."""


class RightsByDag(SimpleAuthManager):
    """Airflow's own SimpleAuthManager knows roles only; they go for every DAG."""

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None) -> bool:
        """As the role has it, and for some accounts on one DAG alone."""
        only = ONLY.get(user.username)
        if only and details and details.id and details.id != only:
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
