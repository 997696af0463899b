"""A FOLIO to load into."""

from collections.abc import Iterator

import pytest

from sandbox.folio import FolioServer
from tests.targets.loads import FOLIO_TENANT


@pytest.fixture
def server() -> Iterator[FolioServer]:
    """A FOLIO of its own for each test."""
    with FolioServer([FOLIO_TENANT]) as running:
        yield running
