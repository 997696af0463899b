"""
Where a library's patrons come from and go to, for OpenLineage.

Airflow's OpenLineage provider asks a task's operator for it, by the name of a method. Where the provider is not
installed, no one asks, and nothing of it is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from patronload.config.tenants import Tenant

METHOD = "get_openlineage_facets_on_complete"
"""The method that the provider's DefaultExtractor looks for."""


class Dataset(NamedTuple):
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str


def of_source(tenant: Tenant) -> Dataset:
    """The library's export. Its place is the same every day, whatever the file's date, and shows no host."""
    source = tenant.source
    if "://" in source.path:
        return _of_url(source.path)
    # What follows a question mark may be a key to a web server.
    path = source.path.partition("?")[0]
    return Dataset(f"{source.type}://{getattr(source, 'connection', tenant.tenant)}", path)


def of_export(tenant: Tenant) -> Dataset:
    """The copy of the export in the run's artifacts."""
    return Dataset("patronload", f"{tenant.tenant}/export")


def of_patrons(tenant: Tenant) -> Dataset:
    """The library's patrons in its library system: the asset in Airflow."""
    return _of_url(tenant.asset)


def _of_url(url: str) -> Dataset:
    scheme, _, rest = url.partition("://")
    place, _, name = rest.partition("/")
    # A bucket may have the Airflow connection before it: s3://connection@bucket.
    return Dataset(f"{scheme}://{place.rpartition('@')[2]}", name)


STAGES = {"fetch": (of_source, of_export), "post": (of_export, of_patrons)}
"""The inputs and outputs of a stage."""


def tell(operator: Any, tenant: Tenant) -> None:
    """Have a task's operator answer the provider."""
    reads, writes = STAGES[operator.task_id]
    setattr(operator, METHOD, partial(_answer, [reads(tenant)], [writes(tenant)]))


def _answer(inputs: Sequence[Dataset], outputs: Sequence[Dataset], _: Any = None) -> Any:
    # Installed only where lineage is wanted.
    answer = import_module("airflow.providers.openlineage.extractors").OperatorLineage
    client = import_module("openlineage.client.event_v2")
    return answer(
        inputs=[client.InputDataset(*each) for each in inputs],
        outputs=[client.OutputDataset(*each) for each in outputs],
    )
