"""A FOLIO in process, and a client of it that is logged in."""

from typing import Any

import pytest
from stand_in import TENANT, Client

from sandbox.folio import folio_app


@pytest.fixture
def app() -> Any:
    return folio_app([TENANT, "fs00005678"])


@pytest.fixture
def folio(app) -> Client:
    return Client(app)
