"""The kinds of library systems there are: what a mapping may fill in each, and what a tenant file may say of it."""

from patronload.systems.description import Kind, Owner, System, Target
from patronload.systems.folio import FOLIO
from patronload.systems.infiniti import INFINITI

__all__ = ["KNOWN", "Kind", "Owner", "System", "Target"]

KNOWN: dict[str, System] = {system.type: system for system in (FOLIO, INFINITI)}
"""By the `type` of a tenant's target, which is a mapping's `target` too."""
