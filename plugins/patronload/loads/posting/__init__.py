"""Send a load's chunks, each patron exactly once."""
