"""The library systems that can be loaded: the fields that a mapping may fill and the keys of a tenant file's target."""

from patronload.systems.description import Kind, Owner, System, Target
from patronload.systems.folio import FOLIO
from patronload.systems.infiniti import INFINITI

__all__ = ["KNOWN", "Kind", "Owner", "System", "Target"]

KNOWN: dict[str, System] = {system.type: system for system in (FOLIO, INFINITI)}
"""The systems by the `type` of a tenant's target, which is also a mapping's `target`."""
