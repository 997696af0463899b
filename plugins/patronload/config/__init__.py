"""The files that a library's people write: tenant files and mapping files."""
