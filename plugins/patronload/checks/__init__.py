"""Decide whether each row is right, and whether it is the right file."""
