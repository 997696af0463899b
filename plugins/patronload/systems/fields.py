"""The fields that a mapping may fill, for each target; what they are is in systems."""

from patronload import systems
from patronload.systems import Kind

__all__ = ["Kind", "kind", "names"]


def kind(target: str, path: str) -> Kind | None:
    """What the field at `path` takes, or None if the target has no such field."""
    return systems.KNOWN[target].kind(path)


def names(target: str) -> list[str]:
    """The fields of a target as a person writes them, the first address standing for all."""
    return systems.KNOWN[target].names
