"""Turn an export's bytes into rows, and rejected rows back into a file."""
