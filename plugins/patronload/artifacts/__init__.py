"""The files that a run leaves behind, and where they are kept."""
