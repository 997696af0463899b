"""Look up the fields that a mapping may fill; the fields themselves are defined in each system."""

from patronload import systems
from patronload.systems import Kind

__all__ = ["Kind", "kind", "names"]


def kind(target: str, path: str) -> Kind | None:
    """The kind of value that the field at `path` takes, or None if the target has no such field."""
    return systems.KNOWN[target].kind(path)


def names(target: str) -> list[str]:
    """The fields of a target as they are written in a mapping file, with the first address only."""
    return systems.KNOWN[target].names
