"""Turn rows of an export into patrons, in polars only."""
